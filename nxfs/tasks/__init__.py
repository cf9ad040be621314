"""Tasks, the projects they belong to, and the categories they are sorted by."""
