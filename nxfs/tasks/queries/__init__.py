"""Reads of tasks, projects and categories."""
