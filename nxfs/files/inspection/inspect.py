"""The entry: what an uploaded file is, and the bytes of it that are kept."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from nxfs.files.errors import Refusal
from nxfs.files.formats import FORMATS, UploadRule
from nxfs.files.inspection import images
from nxfs.files.inspection.audio import inspect_audio
from nxfs.files.inspection.detection import HEAD_BYTES, format_of
from nxfs.files.inspection.docx import inspect_docx
from nxfs.files.inspection.ole import holds_encrypted_package, inspect_doc
from nxfs.files.inspection.pdf import inspect_pdf
from nxfs.files.inspection.verdict import Inspected, Refused

# What browsers and tools send when they do not know.
_UNDECLARED = frozenset({"", "application/octet-stream", "binary/octet-stream"})
_DOCUMENTS: dict[str, Callable[[Path], None]] = {"pdf": inspect_pdf, "doc": inspect_doc, "docx": inspect_docx}


def inspect(source: Path, target: Path, *, filename: str, media_type: str, rule: UploadRule) -> Inspected:
    """Look at the content of ``source``, write what is kept of it to ``target`` and return what it is.

    ``filename`` and ``media_type`` are what the sender says; they have to agree with the content. Images are written
    anew, other files kept byte for byte. Raises ``Refused``, and then there is no ``target``.
    """
    try:
        return _inspect(source, target, filename, media_type, rule)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def render(source: Path, target: Path, *, width: int) -> tuple[int, int]:
    """Write a WebP of the accepted image ``source``, not wider than ``width``, to ``target`` and return its size.

    It is never larger than the image; of an animation it shows the first frame. Raises ``Refused``, and then there is
    no ``target``.
    """
    try:
        name = _format_of(source)
        if name not in FORMATS or FORMATS[name].kind != "image":
            raise Refused(Refusal.FORMAT_NOT_ALLOWED)
        return images.render(source, target, width=width, format_name=name)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _inspect(source: Path, target: Path, filename: str, media_type: str, rule: UploadRule) -> Inspected:
    size = source.stat().st_size
    if size == 0:
        raise Refused(Refusal.EMPTY)
    if size > rule.most_bytes:
        raise Refused(Refusal.TOO_LARGE)
    name = _format_of(source)
    if name is None or name not in rule.formats:
        raise Refused(Refusal.FORMAT_NOT_ALLOWED)
    if name == "doc" and holds_encrypted_package(source):
        raise Refused(Refusal.ENCRYPTED)
    _require_agreement(name, filename, media_type)
    kind = FORMATS[name].kind
    if kind == "image":
        picture = images.reencode(source, target, name)
        kept, digest = _measure(target)
        return Inspected(name, kept, digest, picture.width, picture.height, picture.frames)
    duration = None
    if kind == "audio":
        duration = inspect_audio(source, name)
    else:
        _DOCUMENTS[name](source)
    _keep(source, target)
    return Inspected(name, *_measure(target), duration=duration)


def _format_of(source: Path) -> str | None:
    with source.open("rb") as file:
        head = file.read(HEAD_BYTES)
    return format_of(head)


def _require_agreement(name: str, filename: str, media_type: str) -> None:
    known = FORMATS[name]
    _, dot, extension = filename.rpartition(".")
    declared = media_type.partition(";")[0].strip().lower()
    if not dot or extension.strip().lower() not in known.extensions:
        raise Refused(Refusal.NOT_WHAT_IT_SAYS)
    if declared not in _UNDECLARED and declared not in known.media_types:
        raise Refused(Refusal.NOT_WHAT_IT_SAYS)


def _keep(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        # Another file system, or one without links.
        shutil.copyfile(source, target)


def _measure(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return path.stat().st_size, digest
