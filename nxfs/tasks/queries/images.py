"""Reads of pictures: those of one task or project, and the column that lists of tasks and projects have of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, select

from nxfs.core.actor import Actor
from nxfs.core.database import aggregated
from nxfs.core.errors import NotFoundError
from nxfs.core.pagination import Page, fetch_page
from nxfs.extensions import db
from nxfs.files.models import StoredFile
from nxfs.files.queries import file_columns
from nxfs.tasks.errors import ImageNotFoundError, ProjectNotFoundError, TaskNotFoundError
from nxfs.tasks.models import Image, Project, ProjectImage, Task, TaskImage
from nxfs.tasks.queries.visibility import sees_project, sees_task


@dataclass(frozen=True)
class Album:
    """Where the pictures of tasks differ from those of projects: their table, what owns them, and who sees that."""

    image: type[Image]
    owner: type[Task] | type[Project]
    sees: Callable[[Actor], ColumnElement[bool]]
    not_found: type[NotFoundError]


OF_TASKS = Album(TaskImage, Task, sees_task, TaskNotFoundError)
OF_PROJECTS = Album(ProjectImage, Project, sees_project, ProjectNotFoundError)


def images_column(album: Album) -> ColumnElement[list[dict[str, Any]]]:
    """Return the column ``images`` for a statement that selects tasks or projects."""
    image = album.image
    return aggregated(_columns(album), image.owner_id == album.owner.id, StoredFile.id == image.file_id).label("images")


def list_images(album: Album, *, actor: Actor, owner_id: int, filters: dict[str, Any]) -> Page:
    """Return a page of the pictures of the task or project, the oldest first; raise as ``require_owner`` does."""
    require_owner(album, actor=actor, owner_id=owner_id)
    rows = _select(album).where(album.image.owner_id == owner_id).order_by(album.image.id)
    return fetch_page(rows, page=filters["page"], page_size=filters["page_size"])


def get_image(album: Album, *, image_id: int) -> Row[Any]:
    """Return the picture for whoever has just added it; raise ``ImageNotFoundError`` when it is gone already."""
    row = db.session.execute(_select(album).where(album.image.id == image_id)).one_or_none()
    if row is None:
        raise ImageNotFoundError
    return row


def require_owner(album: Album, *, actor: Actor, owner_id: int) -> None:
    """Raise ``TaskNotFoundError`` or ``ProjectNotFoundError`` when there is none or ``actor`` may not see it."""
    found = select(album.owner.id).where(album.owner.id == owner_id, album.sees(actor))
    if db.session.scalar(found) is None:
        raise album.not_found


def _select(album: Album) -> Select[Any]:
    columns = [column.label(name) for name, column in _columns(album).items()]
    return select(*columns).join(StoredFile, StoredFile.id == album.image.file_id)


def _columns(album: Album) -> dict[str, Any]:
    image = album.image
    return {
        "id": image.id,
        "caption": image.caption,
        "upload_date": image.upload_date,
        "file_size": StoredFile.size,
        "file_name": StoredFile.original_filename,
        **file_columns(prefix="image"),
    }
