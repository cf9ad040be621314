"""The formats of files: those that anybody may upload, which of them each place takes, and those that we make."""

from __future__ import annotations

from dataclasses import dataclass

MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Format:
    """A file format: its names on disk and on the wire, ours first. ``kind`` is image, document, audio or export."""

    name: str
    kind: str
    extensions: tuple[str, ...]
    media_types: tuple[str, ...]

    @property
    def extension(self) -> str:
        """The extension that we give, without a dot."""
        return self.extensions[0]

    @property
    def media_type(self) -> str:
        """The type that we serve."""
        return self.media_types[0]


OLE_TYPES = ("application/msword", "application/vnd.ms-word")
OPEN_XML = "application/vnd.openxmlformats-officedocument"
WORD_TYPE = f"{OPEN_XML}.wordprocessingml.document"

FORMATS = {
    each.name: each
    for each in (
        Format("jpeg", "image", ("jpg", "jpeg", "jpe", "jfif"), ("image/jpeg", "image/jpg", "image/pjpeg")),
        Format("png", "image", ("png",), ("image/png", "image/x-png", "image/apng")),
        Format("gif", "image", ("gif",), ("image/gif",)),
        Format("webp", "image", ("webp",), ("image/webp",)),
        Format("pdf", "document", ("pdf",), ("application/pdf", "application/x-pdf")),
        Format("doc", "document", ("doc",), OLE_TYPES),
        Format("docx", "document", ("docx",), (WORD_TYPE,)),
        Format("mp3", "audio", ("mp3",), ("audio/mpeg", "audio/mp3", "audio/x-mpeg", "audio/x-mp3")),
        Format("wav", "audio", ("wav",), ("audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave")),
        Format("m4a", "audio", ("m4a", "mp4"), ("audio/mp4", "audio/x-m4a", "audio/m4a", "video/mp4")),
        Format("aac", "audio", ("aac",), ("audio/aac", "audio/x-aac", "audio/aacp")),
        Format(
            "ogg", "audio", ("ogg", "oga", "opus"), ("audio/ogg", "application/ogg", "audio/opus", "audio/x-opus+ogg")
        ),
        # No place takes these.
        Format("csv", "export", ("csv",), ("text/csv",)),
        Format("xlsx", "export", ("xlsx",), (f"{OPEN_XML}.spreadsheetml.sheet",)),
        Format("json", "export", ("json",), ("application/json",)),
    )
}

EXPORT_FORMATS = tuple(name for name, each in FORMATS.items() if each.kind == "export")


@dataclass(frozen=True)
class UploadRule:
    """What one place takes: names of formats, and the largest size in bytes."""

    formats: tuple[str, ...]
    most_bytes: int


IMAGE_FORMATS = ("jpeg", "png", "gif", "webp")
IMAGES = UploadRule(IMAGE_FORMATS, 10 * MEGABYTE)
LIBRARY = UploadRule((*IMAGE_FORMATS, "pdf", "doc", "docx"), 10 * MEGABYTE)
AUDIO = UploadRule(("mp3", "wav", "m4a", "aac", "ogg"), 25 * MEGABYTE)
