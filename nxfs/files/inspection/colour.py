"""Colours of any profile as sRGB, which is what everybody takes an image without a profile for."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

from PIL import Image, ImageCms

Conversion = Callable[[Image.Image], Image.Image]

# A profile of a camera or a printing press stays below; a longer one is no profile.
MOST_PROFILE_BYTES = 4 * 1024 * 1024
_SPACES = {"L": "GRAY", "LA": "GRAY", "RGB": "RGB ", "RGBA": "RGB ", "CMYK": "CMYK"}
_SRGB = ImageCms.createProfile("sRGB")


def mode_after(mode: str) -> str:
    """Return the mode that an image of ``mode`` has with colours as sRGB."""
    return "RGB" if mode == "CMYK" else mode


def conversion(profile: bytes | None, mode: str) -> Conversion | None:
    """Return what converts an image of ``mode`` to sRGB, changing RGB and RGBA in place; None: nothing is to be done.

    A profile that is broken, or of another kind of colours, is ignored.
    """
    found = _transform(profile, mode) if profile and len(profile) <= MOST_PROFILE_BYTES else None
    if mode == "CMYK":
        return found or (lambda image: image.convert("RGB"))
    return found


def _transform(profile: bytes, mode: str) -> Conversion | None:
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        space = source.profile.xcolor_space
        if space != _SPACES.get(mode) or _is_srgb(source):
            return None
        output = "RGBA" if mode == "RGBA" else "RGB"
        transform = ImageCms.buildTransform(source, _SRGB, "L" if mode == "LA" else mode, output)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, UnicodeError):
        return None
    if mode in ("RGB", "RGBA"):
        return transform.apply_in_place
    if mode == "CMYK":
        return transform.apply
    return lambda image: _grey(transform, image)


def _is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    return "sRGB" in (profile.profile.profile_description or "")


def _grey(transform: ImageCms.ImageCmsTransform, image: Image.Image) -> Image.Image:
    if image.mode == "L":
        return transform.apply(image).convert("L")
    grey = transform.apply(image.getchannel("L")).convert("L")
    return Image.merge("LA", (grey, image.getchannel("A")))
