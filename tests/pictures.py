"""Forms that carry pictures, and what the storage holds."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from nxfs.extensions import db
from nxfs.files.models import FileOwner
from nxfs.files.service import inspectors
from nxfs.files.storage import local
from nxfs.files.storage.selection import current_storage
from tests.factories.files import part

FORM = "multipart/form-data"


def picture_form(
    field: str = "image", content: bytes | None = None, filename: str = "cabin.jpg", **values: Any
) -> dict[str, Any]:
    """Return a form with a file, a new picture unless ``content`` is given, and other ``values``."""
    return {**values, field: part(filename, content)}


def stored_keys() -> set[str]:
    """Return the keys of everything that is stored."""
    return {each.key for each in current_storage().list()}


def used_bytes(owner_id: int) -> int:
    """Return how many bytes are counted for the owner."""
    db.session.rollback()
    return db.session.scalar(select(FileOwner.used_bytes).where(FileOwner.owner_id == owner_id)) or 0


def accept_without_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let uploads pass uninspected and stored directly: children and pools of threads belong to the main thread."""

    def accept(source: Path, target: Path, **_: Any) -> dict[str, Any]:
        shutil.copy(source, target)
        content = source.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        found = {"format": "jpeg", "size": len(content), "sha256": digest}
        return {**found, "width": 24, "height": 16, "duration": None}

    def call(function: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
        return function(*args, **keywords)

    monkeypatch.setattr(inspectors, "inspect", accept)
    monkeypatch.setattr(local, "run_in_thread", call)
