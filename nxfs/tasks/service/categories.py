"""Changes to categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import delete, insert, select

from nxfs.core import names, search, slugs
from nxfs.core.actor import Actor
from nxfs.core.audit import difference, plain_values
from nxfs.core.batches import Failure, find_failures, is_among, require_all
from nxfs.core.events import EVERYBODY
from nxfs.core.transaction import transaction
from nxfs.core.versions import NO_PRECONDITION, Precondition
from nxfs.extensions import db
from nxfs.tasks import policies
from nxfs.tasks.errors import (
    CategoryNameTakenError,
    CategoryNotFoundError,
    CategorySlugTakenError,
    MergeIntoItselfError,
    unknown_reference,
)
from nxfs.tasks.events import CategoryCreated, CategoryDeleted, CategoryUpdated
from nxfs.tasks.models import Category, Task, task_categories
from nxfs.tasks.service import tasks

FIELDS = ("name", "name_nb", "slug", "description", "color")
CONFLICTS = {"uq_categories_name_key": CategoryNameTakenError, "uq_categories_slug": CategorySlugTakenError}


def create_category(*, actor: Actor, values: Mapping[str, Any]) -> int:
    """Create a category from ``values`` (see ``CategoryCreateSchema``) and return its id.

    A blank slug is made from the name. Raises ``CategoryNameTakenError``, ``CategorySlugTakenError``.
    """
    with transaction(CONFLICTS) as tx:
        category = Category(created_by=actor.id)
        _assign(category, values)
        tx.session.add(category)
        tx.session.flush()
        tx.emit(CategoryCreated(category_id=category.id, audience=EVERYBODY), actor_id=actor.id)
        changes = difference({}, plain_values(category, FIELDS))
        tx.audit("tasks.category_created", actor_id=actor.id, target=category, changes=changes)
    return category.id


def update_category(
    *, actor: Actor, category_id: int, values: Mapping[str, Any], precondition: Precondition = NO_PRECONDITION
) -> None:
    """Change the fields of the category that are in ``values``; nothing is written when they hold already.

    Raises ``CategoryNotFoundError``, ``ForbiddenError``, ``PreconditionFailedError`` and what ``create_category`` does.
    """
    with transaction(CONFLICTS) as tx:
        category = _lock_category(category_id)
        policies.require(policies.can_change_category(actor, category))
        precondition.require(category.version)
        before = plain_values(category, FIELDS)
        _assign(category, values)
        changes = difference(before, plain_values(category, FIELDS))
        if not changes:
            return
        event = CategoryUpdated(category_id=category_id, fields=tuple(changes), audience=EVERYBODY)
        tx.emit(event, actor_id=actor.id)
        tx.audit("tasks.category_updated", actor_id=actor.id, target=category, changes=changes)


def delete_category(*, actor: Actor, category_id: int, precondition: Precondition = NO_PRECONDITION) -> None:
    """Delete the category and detach it from all tasks.

    Raises ``CategoryNotFoundError``, ``ForbiddenError``, ``PreconditionFailedError``.
    """
    with transaction():
        category = _lock_category(category_id)
        precondition.require(category.version)
        policies.require(policies.can_change_category(actor, category))
        _touch_tasks([category_id])
        _delete(actor, category, merged_into=None)


def delete_categories(
    *, actor: Actor, category_ids: Sequence[int], atomic: bool = False, dry_run: bool = False
) -> Sequence[Failure]:
    """Delete the categories, detach them from all tasks, and return those of them that ``actor`` cannot delete.

    With ``dry_run`` nothing changes. Raises ``BatchFailedError`` with ``atomic``.
    """
    wanted = select(Category).where(is_among(Category.id, category_ids)).order_by(Category.id)
    if dry_run:
        return _find_failures(actor, category_ids, db.session.scalars(wanted).all(), atomic=atomic)
    with transaction():
        found = db.session.scalars(wanted.with_for_update()).all()
        failures = _find_failures(actor, category_ids, found, atomic=atomic)
        failed = {failure.id for failure in failures}
        _delete_many(actor, [category for category in found if category.id not in failed])
    return failures


def merge_categories(*, actor: Actor, category_id: int, source_ids: Sequence[int]) -> None:
    """Give the tasks of the categories ``source_ids`` to the category and delete those.

    Raises ``CategoryNotFoundError``, ``ForbiddenError``, ``MergeIntoItselfError``, or ``InvalidInputError`` for an
    unknown source.
    """
    with transaction():
        if category_id in source_ids:
            raise MergeIntoItselfError
        # Locked in one order, so that two merges cannot wait for each other.
        locked = {identifier: _find_locked(identifier) for identifier in sorted({category_id, *source_ids})}
        if locked[category_id] is None:
            raise CategoryNotFoundError
        for source_id in source_ids:
            source = locked[source_id]
            if source is None:
                raise unknown_reference("source_category_ids", source_id)
            policies.require(policies.can_change_category(actor, source))
        # Their tasks are locked before they are moved, so that none is deleted in between.
        _touch_tasks(source_ids)
        for source_id in source_ids:
            _move_tasks(source_id, category_id)
            _delete(actor, locked[source_id], merged_into=category_id)


def _touch_tasks(category_ids: Sequence[int]) -> None:
    tagged = select(task_categories.c.task_id).where(task_categories.c.category_id.in_(category_ids))
    tasks.touch_tasks(Task.id.in_(tagged))


def _find_failures(
    actor: Actor, category_ids: Sequence[int], found: Sequence[Category], *, atomic: bool
) -> Sequence[Failure]:
    may_change = partial(policies.can_change_category, actor)
    failures = find_failures(category_ids, found, missing=CategoryNotFoundError.message, may_change=may_change)
    if atomic:
        require_all(failures, language=actor.language)
    return failures


def _delete_many(actor: Actor, categories: Sequence[Category]) -> None:
    if not categories:
        return
    ids = [category.id for category in categories]
    _touch_tasks(ids)
    for category in categories:
        _log_deletion(actor, category, merged_into=None)
    gone = delete(Category).where(Category.id.in_(ids))
    db.session.execute(gone.execution_options(synchronize_session=False))
    for category in categories:
        db.session.expunge(category)


def _delete(actor: Actor, category: Category, *, merged_into: int | None) -> None:
    with transaction() as tx:
        _log_deletion(actor, category, merged_into=merged_into)
        tx.session.delete(category)
        tx.session.flush()


def _log_deletion(actor: Actor, category: Category, *, merged_into: int | None) -> None:
    with transaction() as tx:
        event = CategoryDeleted(category_id=category.id, merged_into=merged_into, audience=EVERYBODY)
        tx.emit(event, actor_id=actor.id)
        action = "tasks.category_deleted" if merged_into is None else "tasks.category_merged"
        changes = difference(plain_values(category, FIELDS), {"merged_into": merged_into} if merged_into else {})
        tx.audit(action, actor_id=actor.id, target=category, changes=changes)


def _move_tasks(source_id: int, target_id: int) -> None:
    links = task_categories.c
    already = select(links.task_id).where(links.category_id == target_id)
    moved = select(links.task_id, db.literal(target_id)).where(
        links.category_id == source_id, links.task_id.not_in(already)
    )
    db.session.execute(insert(task_categories).from_select(["task_id", "category_id"], moved))


def _lock_category(category_id: int) -> Category:
    category = _find_locked(category_id)
    if category is None:
        raise CategoryNotFoundError
    return category


def _find_locked(category_id: int) -> Category | None:
    return db.session.scalar(select(Category).where(Category.id == category_id).with_for_update())


def _assign(category: Category, values: Mapping[str, Any]) -> None:
    for field in FIELDS:
        if field in values and field != "slug":
            setattr(category, field, values[field])
    if "name" in values:
        category.name_key = names.name_key(category.name)
    if values.get("slug"):
        category.slug = values["slug"]
    elif category.slug is None or "slug" in values:
        category.slug = _free_slug(category)
    category.search_document = search.document_of(category.name, category.name_nb, category.slug, category.description)


def _free_slug(category: Category) -> str:
    stem = slugs.slug_of(category.name) or "category"
    with db.session.no_autoflush:
        similar = db.session.scalars(select(Category.slug).where(slugs.is_similar(Category.slug, stem)))
        return slugs.free_slug(stem, taken=set(similar) - {category.slug})
