"""Routes of tasks, projects and categories."""
