"""Wire forms of tasks, projects and categories."""
