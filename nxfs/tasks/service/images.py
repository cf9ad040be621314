"""Changes to the pictures of tasks and projects; one implementation, told by an ``Album`` whose pictures they are."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, func, select

from nxfs.core import clock
from nxfs.core.actor import Actor
from nxfs.core.events import Event
from nxfs.core.transaction import Transaction, transaction
from nxfs.core.uploads import Upload
from nxfs.files.formats import IMAGES
from nxfs.files.models import StoredFile
from nxfs.files.service import removal, uploads
from nxfs.tasks.errors import ImageNotFoundError, TooManyImagesError
from nxfs.tasks.events import ProjectUpdated, TaskUpdated, project_audience, task_audience
from nxfs.tasks.models import Image, Project, Task
from nxfs.tasks.queries import images as queries
from nxfs.tasks.queries.images import Album

MOST_IMAGES = 50
FIELDS = ("images",)


def add_image(album: Album, *, actor: Actor, owner_id: int, upload: Upload, caption: str = "") -> int:
    """Give the task or project another picture and return its id; whoever sees the owner may.

    Raises ``TaskNotFoundError`` or ``ProjectNotFoundError``, ``TooManyImagesError``, and as ``uploads.received`` does.
    """
    # Nothing is inspected for somebody who may not add it.
    queries.require_owner(album, actor=actor, owner_id=owner_id)
    with uploads.received(upload, IMAGES, owner_id=actor.id) as received, transaction() as tx:
        owner = _lock_owner(tx, album, actor, owner_id)
        count = tx.session.scalar(select(func.count()).where(album.image.owner_id == owner_id)) or 0
        if count >= MOST_IMAGES:
            raise TooManyImagesError(most=MOST_IMAGES)
        file = received.keep(tx)
        image = album.image(owner_id=owner_id, file_id=file.id, caption=caption)
        tx.session.add(image)
        tx.session.flush()
        _log(tx, actor, owner, "added", [None, _described(image, file)])
    return image.id


def remove_image(album: Album, *, actor: Actor, owner_id: int, image_id: int) -> None:
    """Take the picture from the task or project and delete its file; whoever sees the owner may.

    Raises ``TaskNotFoundError`` or ``ProjectNotFoundError``; ``ImageNotFoundError`` also for a picture of others.
    """
    with transaction() as tx:
        owner = _lock_owner(tx, album, actor, owner_id)
        wanted = (album.image.id == image_id) & (album.image.owner_id == owner_id)
        joined = select(album.image, StoredFile).join(StoredFile, StoredFile.id == album.image.file_id)
        found = tx.session.execute(joined.where(wanted)).one_or_none()
        if found is None:
            raise ImageNotFoundError
        image, file = found
        _log(tx, actor, owner, "removed", [_described(image, file), None])
        tx.session.delete(image)
        removal.remove_files(tx, [file.id])


def remove_all_images(tx: Transaction, album: Album, owner_ids: Sequence[int]) -> None:
    """Delete the pictures, and their files, of tasks or projects that are locked and about to be deleted."""
    image = album.image
    gone = delete(image).where(image.owner_id.in_(owner_ids)).returning(image.file_id)
    file_ids = tx.session.scalars(gone.execution_options(synchronize_session=False)).all()
    if file_ids:
        removal.remove_files(tx, file_ids)


def _lock_owner(tx: Transaction, album: Album, actor: Actor, owner_id: int) -> Task | Project:
    owner = album.owner
    statement = select(owner).where(owner.id == owner_id, album.sees(actor)).with_for_update(of=owner)
    found: Task | Project | None = tx.session.scalar(statement)
    if found is None:
        raise album.not_found
    return found


def _log(tx: Transaction, actor: Actor, owner: Task | Project, what: str, change: list[object]) -> None:
    """Count the owner's version up, and write what happened to its pictures."""
    owner.updated_at = clock.now()
    tx.emit(_updated(owner), actor_id=actor.id)
    action = f"tasks.{type(owner).__name__.lower()}_image_{what}"
    tx.audit(action, actor_id=actor.id, target=owner, changes={"image": change})


def _updated(owner: Task | Project) -> Event:
    if isinstance(owner, Task):
        return TaskUpdated(task_id=owner.id, fields=FIELDS, audience=task_audience(owner))
    return ProjectUpdated(project_id=owner.id, fields=FIELDS, audience=project_audience(owner))


def _described(image: Image, file: StoredFile) -> dict[str, object]:
    return {"id": image.id, "file": file.name, "file_name": file.original_filename, "caption": image.caption}
