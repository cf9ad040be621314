"""PDF: all of its objects are looked at, also those that nothing refers to; the bytes are kept as they are."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

import pikepdf
from pikepdf import settings

from nxfs.files.errors import Refusal
from nxfs.files.inspection.verdict import Refused

MOST_OBJECTS = 200_000
# Arrays and dictionaries inside objects.
MOST_VALUES = 5_000_000
# Streams of objects and of cross-references; those of pages are not unpacked here.
MOST_STREAM_BYTES = 50 * 1024 * 1024
_MOST_NESTING = 100
_TAIL_BYTES = 4096
_END = b"%%EOF"
_FILLING = b"\0\t\n\f\r "

# How qpdf warns of a stream that it leaves out.
_UNSEEN = ("error decoding stream", "unfilterable stream", "object stream")

_SCRIPT_KEYS = frozenset({"/JS", "/JavaScript", "/XFA", "/RichMediaContent", "/RichMediaSettings", "/OnInstantiate"})
_ATTACHMENT_KEYS = frozenset({"/EmbeddedFiles", "/EF", "/AF"})
_SCRIPT_ACTIONS = frozenset({"/JavaScript", "/Launch", "/SubmitForm", "/ImportData", "/GoToE", "/RichMediaExecute"})
_KINDS = {
    "/EmbeddedFile": Refusal.ATTACHMENT,
    "/FileAttachment": Refusal.ATTACHMENT,
    "/RichMedia": Refusal.SCRIPT,
}


def limit_qpdf() -> None:
    """Bound what qpdf unpacks and how deep it goes; for the whole process."""
    settings.set_qpdf_limits(
        doc_max_warnings=1000,
        parser_max_nesting=_MOST_NESTING,
        parser_max_container_size=1_000_000,
        max_stream_filters=5,
        dct_max_memory=MOST_STREAM_BYTES,
        dct_max_progressive_scans=100,
        flate_max_memory=MOST_STREAM_BYTES,
        png_max_memory=MOST_STREAM_BYTES,
        run_length_max_memory=MOST_STREAM_BYTES,
        tiff_max_memory=MOST_STREAM_BYTES,
    )


def inspect_pdf(source: Path) -> None:
    """Require a document that can be read and has no script, no action that leaves it and no file inside it.

    Raises ``Refused``.
    """
    _require_clean_ends(source)
    exceeded = settings.qpdf_limit_errors()
    try:
        with pikepdf.open(source, suppress_warnings=True) as document:
            _inspect(document)
    except pikepdf.PasswordError:
        raise Refused(Refusal.ENCRYPTED) from None
    except (pikepdf.PdfError, pikepdf.DependencyError, ValueError, TypeError, RuntimeError, LookupError):
        raise Refused(Refusal.EXPANDS if settings.qpdf_limit_errors() > exceeded else Refusal.DAMAGED) from None
    if settings.qpdf_limit_errors() > exceeded:
        raise Refused(Refusal.EXPANDS)


def _require_all_seen(document: pikepdf.Pdf) -> None:
    """Refuse a document with objects in a stream that could not be unpacked; a reader might see them."""
    for warning in document.get_warnings():
        if "limit exceeded" in str(warning):
            raise Refused(Refusal.EXPANDS)
        if any(words in str(warning) for words in _UNSEEN):
            raise Refused(Refusal.DAMAGED)


def _require_clean_ends(source: Path) -> None:
    with source.open("rb") as file:
        head = file.read(5)
        file.seek(max(0, source.stat().st_size - _TAIL_BYTES))
        tail = file.read().rstrip(_FILLING)
    if head != b"%PDF-":
        raise Refused(Refusal.DISGUISED)
    if not tail.endswith(_END):
        raise Refused(_what_follows(source, tail))
    # The directory of an archive may stand in a stream or a comment of the document.
    if zipfile.is_zipfile(source):
        raise Refused(Refusal.DISGUISED)


def _what_follows(source: Path, tail: bytes) -> Refusal:
    has_end = _END in tail or _END in source.read_bytes()
    return Refusal.DISGUISED if has_end else Refusal.DAMAGED


def _inspect(document: pikepdf.Pdf) -> None:
    if document.is_encrypted:
        raise Refused(Refusal.ENCRYPTED)
    if len(document.objects) > MOST_OBJECTS:
        raise Refused(Refusal.TOO_DIFFICULT)
    _look_through(document.objects)
    _look_through([document.trailer])
    _require_all_seen(document)
    if len(document.pages) == 0:
        raise Refused(Refusal.DAMAGED)


def _look_through(objects: Iterable[pikepdf.Object]) -> None:
    number = 0
    for each in objects:
        waiting = [each]
        while waiting:
            number += 1
            if number > MOST_VALUES:
                raise Refused(Refusal.TOO_DIFFICULT)
            waiting.extend(_children(waiting.pop()))


def _children(value: pikepdf.Object) -> list[pikepdf.Object]:
    """Return the arrays and dictionaries directly inside; those that are objects of their own come by themselves."""
    if isinstance(value, pikepdf.Array):
        return [child for child in value if _is_inside(child)]
    if not isinstance(value, (pikepdf.Dictionary, pikepdf.Stream)):
        return []
    found = []
    for key, child in value.items():
        refusal = _refusal(key, child)
        if refusal is not None:
            raise Refused(refusal)
        if _is_inside(child):
            found.append(child)
    return found


def _is_inside(value: object) -> bool:
    return isinstance(value, (pikepdf.Array, pikepdf.Dictionary)) and not value.is_indirect


def _refusal(key: str, value: object) -> Refusal | None:
    if key in _SCRIPT_KEYS:
        return Refusal.SCRIPT
    if key in _ATTACHMENT_KEYS:
        return Refusal.ATTACHMENT
    if key == "/S" and isinstance(value, pikepdf.Name) and str(value) in _SCRIPT_ACTIONS:
        return Refusal.SCRIPT
    if key in ("/Type", "/Subtype") and isinstance(value, pikepdf.Name):
        return _KINDS.get(str(value))
    return None
