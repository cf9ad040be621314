"""``/media/``: files and their derivatives."""

from __future__ import annotations

from typing import Any

from flask import Response

from nxfs.core.api.blueprint import Blueprint
from nxfs.core.errors import InvalidInputError, NotFoundError, ServiceUnavailableError
from nxfs.files import queries, sending
from nxfs.files.errors import RangeNotSatisfiableError
from nxfs.files.schemas import LinkQuerySchema
from nxfs.files.service import derivatives, originals

blp = Blueprint("files", __name__, url_prefix="/media", description="Uploaded files, by the links that the API gives.")
ERRORS = (InvalidInputError, NotFoundError, RangeNotSatisfiableError, ServiceUnavailableError)


@blp.route("/<string:name>")
@blp.arguments(LinkQuerySchema, location="query")
@blp.sends_file
@blp.raises(*ERRORS)
def show_file(link: dict[str, Any], name: str) -> Response:
    """Send a file.

    Public files need no signature. Images and PDF are shown, everything else is saved, as all are with `download`.
    """
    file = queries.get_readable_file(name, expires=link.get("expires"), signature=link.get("signature"))
    return sending.send(sending.of_file(file, link), originals.open_original(file))


@blp.route("/<string:name>/<int:width>.webp")
@blp.arguments(LinkQuerySchema, location="query")
@blp.sends_file
@blp.raises(*ERRORS)
def show_derivative(link: dict[str, Any], name: str, width: int) -> Response:
    """Send an image made smaller, as WebP.

    The widths are 320, 800 and 1600 pixels. The aspect is kept, and a smaller image stays as large as it is. It is made
    when it is first asked for.
    """
    file = queries.get_readable_file(name, expires=link.get("expires"), signature=link.get("signature"))
    return sending.send(sending.of_derivative(file, width, link), derivatives.open_derivative(file, width))
