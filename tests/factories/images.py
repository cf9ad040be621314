"""Pictures of tasks and projects as rows only: quick, and without bytes in the storage."""

from __future__ import annotations

import hashlib
from itertools import count
from typing import Any

from nxfs.auth.models import User
from nxfs.core.transaction import transaction
from nxfs.files.models import StoredFile
from nxfs.tasks.queries.images import Album

_numbers = count(1)


def create_image(album: Album, owner_id: int, uploader: User, **columns: Any) -> int:
    """Give the task or project ``owner_id`` a picture of ``uploader`` and return its id."""
    with transaction() as tx:
        image = album.image(owner_id=owner_id, file_id=create_file(uploader), **columns)
        tx.session.add(image)
        tx.session.flush()
        return image.id


def create_file(owner: User, **columns: Any) -> int:
    """Write the row of a stored picture of ``owner`` and return its id."""
    digest = hashlib.sha256(f"picture {next(_numbers)}".encode()).hexdigest()
    defaults = {
        "name": f"{digest[:32]}.jpg",
        "format": "jpeg",
        "size": 638,
        "sha256": digest,
        "width": 24,
        "height": 16,
    }
    with transaction() as tx:
        file = StoredFile(owner_id=owner.id, original_filename="cabin.jpg", **{**defaults, **columns})
        tx.session.add(file)
        tx.session.flush()
        return file.id
