"""A server of Django REST Framework with the same tasks, projects and categories, to compare bulk operations with."""
