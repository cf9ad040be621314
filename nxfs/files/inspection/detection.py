"""Which format a file has, from its first bytes alone."""

from __future__ import annotations

from nxfs.files.inspection import audio, gif, ole, png

HEAD_BYTES = 64

_SIGNATURES = (
    ("jpeg", b"\xff\xd8\xff"),
    ("png", png.SIGNATURE),
    *(("gif", signature) for signature in gif.SIGNATURES),
    ("pdf", b"%PDF-"),
    ("docx", b"PK\x03\x04"),
    ("doc", ole.SIGNATURE),
    ("ogg", b"OggS"),
)
_RIFF_KINDS = {b"WEBP": "webp", b"WAVE": "wav"}


def format_of(head: bytes) -> str | None:
    """Return the key of ``FORMATS`` that ``head``, the first HEAD_BYTES of a file, is the beginning of.

    It is only a promise: any zip begins as a docx, and any OLE file as a doc. None: no format that is known.
    """
    for name, signature in _SIGNATURES:
        if head.startswith(signature):
            return name
    if head.startswith(b"RIFF"):
        return _RIFF_KINDS.get(head[8:12])
    if head[4:8] == b"ftyp":
        return "m4a" if head[8:12] in audio.MP4_BRANDS else None
    if head.startswith(b"ID3") or audio.mp3_frame_length(head) is not None:
        return "mp3"
    return "aac" if audio.aac_frame_length(head) is not None else None
