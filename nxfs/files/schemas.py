"""Addresses of files on the wire."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import validate

from nxfs.core.api.fields import Boolean, Integer
from nxfs.core.api.schema import Schema
from nxfs.files import addresses, links


class LinkQuerySchema(Schema):
    """What the address of a file that is not public has behind it."""

    expires = Integer(
        validate=validate.Range(min=1, max=10**12), metadata={"example": 1798000000, "description": "Unix time."}
    )
    signature = ma.fields.String(validate=validate.Length(max=64), metadata={"example": "6YrmQx2DqF0"})
    download = Boolean(load_default=False, metadata={"description": "Save the file instead of showing it."})


class FileLink(ma.fields.String):
    """The address of a file, of which the dumped object has ``<file>_name``, ``<file>_public_from``, ``<file>_width``.

    See ``queries.file_columns``. With ``width`` it is the derivative's, and null for what is no image; null, too, when
    there is no file. ``is_absolute`` False leaves out the scheme and the host.
    """

    def __init__(
        self, file: str = "file", *, width: int | None = None, is_absolute: bool = True, **keywords: Any
    ) -> None:
        self.file = file
        self.width = width
        self.is_absolute = is_absolute
        example = "https://api.example.com" * is_absolute + f"{links.ROOT}0f3c1d…e9.jpg"
        keywords["metadata"] = {"example": example, **keywords.get("metadata", {})}
        super().__init__(dump_only=True, **keywords)

    def serialize(self, attr: str, obj: Any, accessor: Any = None, **keywords: Any) -> str | None:
        """Return the address; the value of an attribute of the field's own name does not matter."""
        name, public_from, width = (
            ma.utils.get_value(obj, f"{self.file}_{part}", None) for part in ("name", "public_from", "width")
        )
        if name is None or (self.width is not None and width is None):
            return None
        path = links.path_of(name, public_from, width=self.width)
        return addresses.absolute(path) if self.is_absolute else path
