"""Tasks, projects and categories as ours have them, as far as bulk operations touch them; without a search index."""

from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

STATUSES = ("todo", "in_progress", "completed")
PRIORITIES = ("low", "medium", "high")


class Category(models.Model):
    """A category."""

    name = models.CharField(max_length=100, unique=True)


class Project(models.Model):
    """A project of its owner."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    name = models.CharField(max_length=200)


class Task(models.Model):
    """A task, which counts its changes."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="tasks")
    assignee = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    project = models.ForeignKey(Project, on_delete=models.SET_NULL, null=True)
    category = models.ManyToManyField(Category)
    title = models.CharField(max_length=200, db_index=True)
    description = models.TextField()
    notes = models.TextField()
    status = models.CharField(max_length=11, db_index=True, choices=[(name, name) for name in STATUSES])
    priority = models.CharField(max_length=6, db_index=True, choices=[(name, name) for name in PRIORITIES])
    due_date = models.DateField(null=True, db_index=True)
    completed_at = models.DateTimeField(null=True)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(db_index=True)
    updated_at = models.DateTimeField(auto_now=True, db_index=True)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the task; when it was completed follows from its status."""
        if self.status != "completed":
            self.completed_at = None
        elif self.completed_at is None:
            self.completed_at = timezone.now()
        super().save(*args, **kwargs)
