"""Addresses of files: plain ones for public files, signed ones that open a file for a while for the others."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache

from itsdangerous import Signer

from nxfs.core import clock
from nxfs.core.settings import setting

ROOT = "/media/"
# The widths of derivatives, in pixels.
WIDTHS = (320, 800, 1600)
THUMBNAIL_WIDTH = WIDTHS[0]
NAME = r"[0-9a-f]{32}\.[a-z0-9]{2,5}"
# An address of ours in a text, from its path on: the name, perhaps a derivative, and perhaps a signature. What stands
# before it is looked for from here: a pattern that began with a host would be tried at every letter.
_PATH = re.compile(
    rf"{ROOT}(?P<name>{NAME})(?P<derivative>/[0-9]{{1,4}}\.webp)?"
    r"(?:\?expires=[0-9]{1,12}(?:&amp;|&)signature=[\w-]{1,64})?"
)
_HOST = re.compile(r"//(?:\[[0-9A-Fa-f:.]{2,45}\](?::[0-9]{1,5})?|[^\s/\"'<>()\[\]*]{1,255})")
_LONGEST_HOST = 260


def path_of(name: str, public_from: datetime | None, *, width: int | None = None) -> str:
    """Return the root-relative address of the file ``name``, or of its derivative of ``width`` pixels.

    A file that is not public at this moment gets a signature, which is valid for one to two times MEDIA_LINK_MINUTES:
    the time is rounded, so that an address stays the same for a while and caches can use it.
    """
    path = canonical(name, width)
    if is_public(public_from):
        return path
    seconds = setting("MEDIA_LINK_MINUTES") * 60
    expires = (int(clock.now().timestamp()) // seconds + 2) * seconds
    return f"{path}?expires={expires}&signature={_signature(name, expires, setting('SECRET_KEY'))}"


def is_public(public_from: datetime | None) -> bool:
    """True when everybody may read a file that is public from ``public_from`` on."""
    return public_from is not None and public_from <= clock.now()


def is_signed(name: str, expires: int | None, signature: str | None) -> bool:
    """True when the signature opens the file ``name`` at this moment."""
    if not expires or not signature or expires < clock.now().timestamp():
        return False
    keys = [key for key in (setting("SECRET_KEY_PREVIOUS"), setting("SECRET_KEY")) if key]
    return _signer(*keys).verify_signature(f"{name}:{expires}".encode(), signature)


def names_in(text: str) -> set[str]:
    """Return the names of the files whose addresses stand in ``text`` (Markdown or HTML)."""
    return {match["name"] for match in _PATH.finditer(text)}


def replace_addresses(text: str, replacement: Callable[[str, int | None], str | None]) -> str:
    """Return ``text`` with every address of a file replaced by ``replacement(name, width)``, unless that is None.

    ``width`` is that of the derivative, None for the file itself.
    """
    parts, position = [], 0
    for match in _PATH.finditer(text):
        derivative = match["derivative"]
        replaced = replacement(match["name"], int(derivative[1:-5]) if derivative else None)
        if replaced is not None:
            parts += (text[position : address_start(text, match.start())], replaced)
            position = match.end()
    return "".join((*parts, text[position:])) if parts else text


def address_start(text: str, path: int) -> int:
    """Return where the address in ``text`` begins whose path begins at ``path``: at its scheme, its host, or there."""
    host = text.rfind("//", max(0, path - _LONGEST_HOST), path)
    if host < 0 or not _HOST.fullmatch(text, host, path):
        return path
    return next((host - len(scheme) for scheme in ("https:", "http:") if text.endswith(scheme, 0, host)), host)


def canonical(name: str, width: int | None) -> str:
    """Return the address of a file as texts are stored with it: root-relative and without a signature."""
    return f"{ROOT}{name}" if width is None else f"{ROOT}{name}/{width}.webp"


@lru_cache(20_000)
def _signature(name: str, expires: int, key: str) -> str:
    return _signer(key).get_signature(f"{name}:{expires}").decode()


def _signer(*keys: str) -> Signer:
    # The last key signs, all verify.
    return Signer(list(keys), salt="nxfs.files.links", digest_method=hashlib.sha256)
