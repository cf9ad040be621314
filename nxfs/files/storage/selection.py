"""Which storage the running application uses. Nothing else looks at this choice."""

from __future__ import annotations

from pathlib import Path

from flask import current_app

from nxfs.core.settings import setting
from nxfs.files.storage.interface import Storage
from nxfs.files.storage.local import LocalStorage
from nxfs.files.storage.s3 import S3Storage

EXTENSION = "nxfs.storage"


def current_storage() -> Storage:
    """Return the storage that ``MEDIA_URL`` chooses, always the same. Raise ``ValueError`` for an unknown one."""
    storage: Storage | None = current_app.extensions.get(EXTENSION)
    if storage is None:
        storage = current_app.extensions[EXTENSION] = _create_storage(setting("MEDIA_URL"))
    return storage


def _create_storage(url: str) -> Storage:
    scheme, _, rest = url.partition("://")
    if scheme == "file":
        return LocalStorage(Path(rest))
    if scheme != "s3":
        raise ValueError(f"{scheme!r} is no kind of storage")
    bucket, _, prefix = rest.partition("/")
    return S3Storage(
        bucket,
        prefix=prefix,
        endpoint_url=setting("S3_ENDPOINT_URL"),
        region=setting("S3_REGION"),
        access_key_id=setting("S3_ACCESS_KEY_ID"),
        secret_access_key=setting("S3_SECRET_ACCESS_KEY"),
    )
