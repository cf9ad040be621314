"""Word's older documents: a small file system, in which macros and embedded files have names of their own."""

from __future__ import annotations

import struct
from pathlib import Path

import olefile

from nxfs.files.errors import Refusal
from nxfs.files.inspection.verdict import Refused

SIGNATURE = olefile.MAGIC
MOST_ENTRIES = 5_000

_WORD_MAGIC = 0xA5EC
_ENCRYPTED_FLAGS = 0x8100
_MACROS = frozenset({"macros", "vba", "_vba_project", "_vba_project_cur", "vba_project", "projectwm"})
_EMBEDDED = frozenset({"\x01ole10native", "\x01ole10itemname", "package"})
_ENCRYPTED = frozenset({"encryptedpackage", "encryptioninfo"})
# What a hostile file makes olefile raise.
_DAMAGE = (OSError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError, struct.error)


def inspect_doc(source: Path) -> None:
    """Require a Word document that is whole, not encrypted, and has neither macros nor embedded files.

    Raises ``Refused``.
    """
    try:
        with olefile.OleFileIO(str(source), raise_defects=olefile.DEFECT_INCORRECT) as document:
            _inspect(document, source.stat().st_size)
    except _DAMAGE:
        raise Refused(Refusal.DAMAGED) from None


def holds_encrypted_package(source: Path) -> bool:
    """True for what the newer formats become under a password: an OLE file around an encrypted stream."""
    return "EncryptedPackage".encode("utf-16-le") in source.read_bytes()


def _inspect(document: olefile.OleFileIO, size: int) -> None:
    paths = document.listdir(streams=True, storages=True)
    if len(paths) > MOST_ENTRIES:
        raise Refused(Refusal.TOO_DIFFICULT)
    names = {name.lower() for path in paths for name in path}
    if names & _ENCRYPTED:
        raise Refused(Refusal.ENCRYPTED)
    if not document.exists("WordDocument"):
        raise Refused(Refusal.NOT_WHAT_IT_SAYS)
    if names & _MACROS or any(name.startswith("__srp_") for name in names):
        raise Refused(Refusal.MACROS)
    # The storage is there, empty, in many documents.
    if names & _EMBEDDED or any(path[0].lower() == "objectpool" and len(path) > 1 for path in paths):
        raise Refused(Refusal.ATTACHMENT)
    _require_whole(document, document.listdir(), size)


def _require_whole(document: olefile.OleFileIO, streams: list[list[str]], size: int) -> None:
    # Chains of sectors that overlap would make this reading endless.
    if sum(document.get_size(path) for path in streams) > 2 * size:
        raise Refused(Refusal.DAMAGED)
    for path in streams:
        with document.openstream(path) as stream:
            content = stream.read()
        if len(content) != document.get_size(path):
            raise Refused(Refusal.DAMAGED)
        if [name.lower() for name in path] == ["worddocument"]:
            _inspect_header(content)


def _inspect_header(content: bytes) -> None:
    magic, flags = struct.unpack_from("<H8xH", content)
    if magic != _WORD_MAGIC:
        raise Refused(Refusal.DAMAGED)
    if flags & _ENCRYPTED_FLAGS:
        raise Refused(Refusal.ENCRYPTED)
