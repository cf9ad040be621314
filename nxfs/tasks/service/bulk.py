"""Changes to many tasks at once: planned, then written by a handful of statements, however many they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Delete, Insert, delete, exists, func, insert, literal, select, update

from nxfs.core import clock, search_index
from nxfs.core.actor import Actor
from nxfs.core.batches import Failure, is_among, require_all
from nxfs.core.transaction import Transaction, transaction
from nxfs.tasks.models import Category, Task, task_categories
from nxfs.tasks.queries.images import OF_TASKS
from nxfs.tasks.service import images
from nxfs.tasks.service.bulk_events import emit_bulk_deletion, emit_bulk_events
from nxfs.tasks.service.bulk_notices import tell_of_bulk_change
from nxfs.tasks.service.bulk_plan import Plan, plan_deletion, plan_updates
from nxfs.tasks.service.bulk_references import Updates, settle_updates

# Up to so many are told one by one as well, for clients that know no batches.
MOST_SINGLE_EVENTS = 100


def update_tasks(
    *, actor: Actor, task_ids: Sequence[int], values: Mapping[str, Any], atomic: bool = False, dry_run: bool = False
) -> Sequence[Failure]:
    """Give the tasks the ``values`` (see ``TaskUpdatesSchema``) and return those of them that cannot have them.

    What does not exist and what ``actor`` does not see fail alike. Tasks that hold the values already stay as they
    are. With ``dry_run`` nothing changes. Raises ``InvalidInputError`` as ``settle_updates`` does, and with ``atomic``
    ``BatchFailedError``.
    """
    if dry_run:
        plan = plan_updates(actor, task_ids, settle_updates(actor, values, holds=False), locks=False)
        return _allowed(plan, actor, atomic=atomic)
    with transaction() as tx:
        updates = settle_updates(actor, values, holds=True)
        plan = plan_updates(actor, task_ids, updates, locks=True)
        failures = _allowed(plan, actor, atomic=atomic)
        write_updates(tx, actor, plan, updates, with_single_events=len(task_ids) <= MOST_SINGLE_EVENTS)
    return failures


def delete_tasks(
    *, actor: Actor, task_ids: Sequence[int], atomic: bool = False, dry_run: bool = False
) -> Sequence[Failure]:
    """Delete the tasks with their pictures and return those of them that ``actor`` cannot delete.

    With ``dry_run`` nothing changes. Raises ``BatchFailedError`` with ``atomic``.
    """
    if dry_run:
        return _allowed(plan_deletion(actor, task_ids, locks=False), actor, atomic=atomic)
    with transaction() as tx:
        plan = plan_deletion(actor, task_ids, locks=True)
        failures = _allowed(plan, actor, atomic=atomic)
        write_deletion(tx, actor, plan, with_single_events=len(task_ids) <= MOST_SINGLE_EVENTS)
    return failures


def write_updates(
    tx: Transaction, actor: Actor, plan: Plan, updates: Updates, *, with_single_events: bool, batch: str | None = None
) -> None:
    """Do what is planned, if anything, and tell of it; ``batch`` names one that several transactions do."""
    if not plan.changes:
        return
    if "category" in plan.before:
        _change_links(tx, updates, plan.before["category"])
    _change_columns(tx, updates, plan.task_ids)
    changes = {"updates": updates.to_wire(), "task_ids": plan.task_ids, "before": plan.before}
    tx.audit("tasks.tasks_bulk_updated", actor_id=actor.id, changes=changes)
    emit_bulk_events(tx, actor, plan.changes, updates.to_wire(), with_single_events=with_single_events)
    tell_of_bulk_change(tx, actor, plan.changes, batch=batch)


def write_deletion(tx: Transaction, actor: Actor, plan: Plan, *, with_single_events: bool) -> None:
    """Do what is planned, if anything, and tell of it."""
    if not plan.changes:
        return
    images.remove_all_images(tx, OF_TASKS, plan.task_ids)
    gone = delete(Task).where(is_among(Task.id, plan.task_ids))
    tx.session.execute(gone.execution_options(synchronize_session=False))
    changes = {"task_ids": plan.task_ids, "titles": [change.title for change in plan.changes]}
    tx.audit("tasks.tasks_bulk_deleted", actor_id=actor.id, changes=changes)
    emit_bulk_deletion(tx, actor, plan.changes, with_single_events=with_single_events)


def _allowed(plan: Plan, actor: Actor, *, atomic: bool) -> Sequence[Failure]:
    if atomic:
        require_all(plan.failures, language=actor.language)
    return plan.failures


def _change_links(tx: Transaction, updates: Updates, former: Mapping[str, Sequence[int]]) -> None:
    """Change the categories of the tasks that ``former`` names, by those that they have."""
    links = task_categories.c
    task_ids = [task_id for ids in former.values() for task_id in ids]
    had = {int(category_id) for text in former for category_id in text.split(",") if category_id}
    gets = updates.category_add if updates.category is None else updates.category
    loses = had & updates.category_remove if updates.category is None else had - gets
    # Their rows are written afterwards, which puts them back.
    steps: list[Delete | Insert] = [search_index.take_out(Task, task_ids)]
    if loses:
        steps.append(delete(task_categories).where(is_among(links.task_id, task_ids), links.category_id.in_(loses)))
    if gets:
        pairs = select(Task.id, Category.id).join(Category, Category.id.in_(gets)).where(is_among(Task.id, task_ids))
        is_there = exists().where(links.task_id == Task.id, links.category_id == Category.id)
        steps.append(insert(task_categories).from_select(["task_id", "category_id"], pairs.where(~is_there)))
    _execute(tx, steps)


def _execute(tx: Transaction, steps: Sequence[Delete | Insert]) -> None:
    """Execute statements of which none depends on another: on PostgreSQL, which can, as one."""
    if tx.session.get_bind().dialect.name == "postgresql":
        *others, last = steps
        steps = [last.add_cte(*(step.cte(f"step_{number}") for number, step in enumerate(others)))]
    for step in steps:
        tx.session.execute(step.execution_options(synchronize_session=False))


def _change_columns(tx: Transaction, updates: Updates, task_ids: Sequence[int]) -> None:
    now = clock.now()
    # With an indexed column in any case: its trigger puts back what was taken out of the index.
    values = {"status": Task.status, **updates.columns, "version": Task.version + 1, "updated_at": now}
    if updates.columns.get("status") == "completed":
        values["completed_at"] = func.coalesce(Task.completed_at, literal(now, Task.completed_at.type))
    elif "status" in updates.columns:
        values["completed_at"] = None
    change = update(Task).where(is_among(Task.id, task_ids)).values(values)
    tx.session.execute(change.execution_options(synchronize_session=False))
