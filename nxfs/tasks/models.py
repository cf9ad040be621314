"""Tasks, projects with members, and categories."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlalchemy import Column, ForeignKey, Index, String, Table, Text
from sqlalchemy.orm import Mapped, mapped_column

from nxfs.core import clock
from nxfs.core.database import (
    IDS_ARE_NEVER_REUSED,
    BigIdentifier,
    Identifier,
    Moment,
    Ranked,
    SortKey,
    Timestamped,
    Versioned,
)
from nxfs.extensions import db

STATUSES = ("todo", "in_progress", "completed")
PRIORITIES = ("low", "medium", "high")
STATUS_NAMES_NB = {"todo": "å gjøre", "in_progress": "pågående", "completed": "fullført"}


class Completable:
    """Adds ``status`` and ``completed_at``, which always agree."""

    status: Mapped[str] = mapped_column(Ranked(STATUSES), default="todo")
    completed_at: Mapped[Moment | None]

    def set_status(self, status: str) -> None:
        """Change the status, and with it the time of completion."""
        if status == "completed" and self.completed_at is None:
            self.completed_at = clock.now()
        if status != "completed":
            self.completed_at = None
        self.status = status

    def take_status(self, values: Mapping[str, Any]) -> None:
        """Change the status as ``values`` say: to ``status``, or with ``completed: False`` from completed to open."""
        if "status" in values:
            self.set_status(values["status"])
        elif values.get("completed") is False and self.status == "completed":
            self.set_status("todo")


task_categories = Table(
    "task_categories",
    db.metadata,
    Column("task_id", BigIdentifier, ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
    Column("category_id", BigIdentifier, ForeignKey("categories.id", ondelete="CASCADE"), primary_key=True),
    Index("ix_task_categories_category_id_task_id", "category_id", "task_id"),
)


class Category(Versioned, Timestamped, db.Model):
    """A category that all users share. Uniqueness compares ``name_key``, search reads ``search_document``."""

    __tablename__ = "categories"
    __table_args__ = (
        Index("uq_categories_slug", "slug", unique=True),
        Index("uq_categories_name_key", "name_key", unique=True),
        IDS_ARE_NEVER_REUSED,
    )

    id: Mapped[Identifier]
    name: Mapped[str] = mapped_column(String(100))
    name_key: Mapped[str] = mapped_column(SortKey)
    name_nb: Mapped[str | None] = mapped_column(String(100))
    slug: Mapped[str] = mapped_column(String(100))
    description: Mapped[str] = mapped_column(String(500), default="")
    color: Mapped[str | None] = mapped_column(String(7))
    created_by: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    search_document: Mapped[str] = mapped_column(Text, default="")


class Project(Versioned, Completable, Timestamped, db.Model):
    """A project of its owner and its members."""

    __tablename__ = "projects"
    __table_args__ = (
        Index("ix_projects_user_id", "user_id"),
        Index("ix_projects_slug", "slug"),
        Index("ix_projects_name_key", "name_key"),
        IDS_ARE_NEVER_REUSED,
    )

    id: Mapped[Identifier]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    name: Mapped[str] = mapped_column(String(200))
    name_key: Mapped[str] = mapped_column(SortKey)
    name_nb: Mapped[str] = mapped_column(String(200), default="")
    slug: Mapped[str] = mapped_column(String(220))
    description: Mapped[str] = mapped_column(Text, default="")
    description_nb: Mapped[str] = mapped_column(Text, default="")
    search_document: Mapped[str] = mapped_column(Text, default="")


class ProjectMember(db.Model):
    """A user who works on a project of somebody else."""

    __tablename__ = "project_members"
    __table_args__ = (Index("ix_project_members_user_id_project_id", "user_id", "project_id"),)

    project_id: Mapped[int] = mapped_column(
        BigIdentifier, ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[int] = mapped_column(BigIdentifier, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    added_at: Mapped[Moment] = mapped_column(default=clock.now)


class Task(Versioned, Completable, Timestamped, db.Model):
    """A task. ``search_title`` and ``search_text`` hold its folded words for full-text search."""

    __tablename__ = "tasks"
    __table_args__ = (
        Index("ix_tasks_user_id_created_at", "user_id", "created_at"),
        Index("ix_tasks_assignee_id", "assignee_id"),
        Index("ix_tasks_project_id", "project_id"),
        Index("ix_tasks_created_at_id", "created_at", "id"),
        Index("ix_tasks_updated_at_id", "updated_at", "id"),
        # All that lead times are made of.
        Index("ix_tasks_completed_at_created_at", "completed_at", "created_at"),
        Index("ix_tasks_due_date_id", "due_date", "id"),
        Index("ix_tasks_status_id", "status", "id"),
        Index("ix_tasks_priority_id", "priority", "id"),
        Index("ix_tasks_title_key_id", "title_key", "id"),
        # Narrow: what is not asked of the search index is counted and sorted on it, without reading the wide rows.
        Index(
            "ix_tasks_filters",
            "status",
            "priority",
            "due_date",
            "project_id",
            "assignee_id",
            "user_id",
            "created_at",
            "updated_at",
            "id",
        ),
        IDS_ARE_NEVER_REUSED,
    )

    id: Mapped[Identifier]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    assignee_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    project_id: Mapped[int | None] = mapped_column(ForeignKey("projects.id", ondelete="SET NULL"))
    title: Mapped[str] = mapped_column(String(200))
    title_key: Mapped[str] = mapped_column(SortKey)
    title_nb: Mapped[str] = mapped_column(String(200), default="")
    description: Mapped[str] = mapped_column(Text, default="")
    description_nb: Mapped[str] = mapped_column(Text, default="")
    notes: Mapped[str] = mapped_column(Text, default="")
    priority: Mapped[str] = mapped_column(Ranked(PRIORITIES), default="medium")
    due_date: Mapped[date | None]
    estimated_hours: Mapped[float | None]
    search_title: Mapped[str] = mapped_column(Text, default="")
    search_text: Mapped[str] = mapped_column(Text, default="")


class ImageColumns:
    """Adds what pictures of tasks and pictures of projects have in common; ``owner_id`` is the task or the project."""

    id: Mapped[Identifier]
    file_id: Mapped[int] = mapped_column(ForeignKey("files.id", ondelete="RESTRICT"))
    caption: Mapped[str] = mapped_column(String(500), default="")
    upload_date: Mapped[Moment] = mapped_column(default=clock.now)


class TaskImage(ImageColumns, db.Model):
    """A picture of a task."""

    __tablename__ = "task_images"
    __table_args__ = (
        Index("ix_task_images_task_id", "task_id"),
        Index("uq_task_images_file_id", "file_id", unique=True),
        IDS_ARE_NEVER_REUSED,
    )

    owner_id: Mapped[int] = mapped_column("task_id", ForeignKey("tasks.id", ondelete="RESTRICT"))


class ProjectImage(ImageColumns, db.Model):
    """A picture of a project."""

    __tablename__ = "project_images"
    __table_args__ = (
        Index("ix_project_images_project_id", "project_id"),
        Index("uq_project_images_file_id", "file_id", unique=True),
        IDS_ARE_NEVER_REUSED,
    )

    owner_id: Mapped[int] = mapped_column("project_id", ForeignKey("projects.id", ondelete="RESTRICT"))


class TaskExport(db.Model):
    """The file that an export of tasks has made."""

    __tablename__ = "task_exports"
    __table_args__ = (Index("uq_task_exports_file_id", "file_id", unique=True),)

    job_id: Mapped[int] = mapped_column(BigIdentifier, ForeignKey("jobs.id", ondelete="RESTRICT"), primary_key=True)
    file_id: Mapped[int] = mapped_column(ForeignKey("files.id", ondelete="RESTRICT"))


Image = TaskImage | ProjectImage
