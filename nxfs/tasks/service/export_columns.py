"""The columns of exported tables, and the object of an exported task in JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from nxfs.core import clock
from nxfs.core.messages import Text
from nxfs.tasks.models import STATUS_NAMES_NB
from nxfs.tasks.queries.exports import NamedTask

Cell = str | int | float | date | datetime | None
BETWEEN_NAMES = "; "


@dataclass(frozen=True)
class Column:
    """A column: its heading, its cell of a task, and how wide it is shown, in characters."""

    heading: Text
    cell: Callable[[NamedTask], Cell]
    width: int = 18
    has_moments: bool = False


COLUMNS = (
    Column(Text("Id", "Id"), lambda task: task.row.id, 8),
    Column(Text("Title", "Tittel"), lambda task: task.row.title, 40),
    Column(Text("Title (Norwegian)", "Tittel (norsk)"), lambda task: task.row.title_nb, 40),
    Column(Text("Description", "Beskrivelse"), lambda task: task.row.description, 40),
    Column(Text("Description (Norwegian)", "Beskrivelse (norsk)"), lambda task: task.row.description_nb, 40),
    Column(Text("Notes", "Notater"), lambda task: task.row.notes, 40),
    Column(Text("Status", "Status"), lambda task: task.row.status),
    Column(Text("Priority", "Prioritet"), lambda task: task.row.priority),
    Column(Text("Due date", "Frist"), lambda task: task.row.due_date),
    Column(Text("Estimated hours", "Anslåtte timer"), lambda task: task.row.estimated_time),
    Column(Text("Categories", "Kategorier"), lambda task: BETWEEN_NAMES.join(task.categories), 30),
    Column(Text("Project", "Prosjekt"), lambda task: task.project, 30),
    Column(Text("Created by", "Opprettet av"), lambda task: task.user, 24),
    Column(Text("Assignee", "Tildelt"), lambda task: task.assignee, 24),
    Column(Text("Completed at", "Fullført"), lambda task: task.row.completed_at, has_moments=True),
    Column(Text("Created at", "Opprettet"), lambda task: task.row.created_at, has_moments=True),
    Column(Text("Updated at", "Endret"), lambda task: task.row.updated_at, has_moments=True),
)


def cells_of(task: NamedTask) -> list[Cell]:
    """Return the cells of a task, one for each of ``COLUMNS``; status and priority as they are on the wire."""
    return [column.cell(task) for column in COLUMNS]


def object_of(task: NamedTask) -> dict[str, Any]:
    """Return a task as JSON has it: as on the wire but without pictures, and with names beside the ids."""
    row = task.row
    return {
        "id": row.id,
        "version": row.version,
        "title": row.title,
        "title_nb": row.title_nb,
        "description": row.description,
        "description_nb": row.description_nb,
        "notes": row.notes,
        "status": row.status,
        "status_nb": STATUS_NAMES_NB[row.status],
        "completed": row.status == "completed",
        "completed_at": _on_the_wire(row.completed_at),
        "priority": row.priority,
        "due_date": row.due_date.isoformat() if row.due_date else None,
        "estimated_time": row.estimated_time,
        "category": row.category,
        "category_names": task.categories,
        "project": row.project,
        "project_name": task.project or None,
        "user_id": row.user_id,
        "user_name": task.user,
        "assignee_id": row.assignee_id,
        "assignee_name": task.assignee or None,
        "created_at": _on_the_wire(row.created_at),
        "updated_at": _on_the_wire(row.updated_at),
    }


def _on_the_wire(moment: datetime | None) -> str | None:
    return clock.to_wire(moment) if moment else None
