"""Changes to tasks, projects and categories: the only code that writes them."""
