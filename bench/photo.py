"""A photograph as a camera or a telephone makes it: twelve megapixels, and as many bytes as are asked for."""

from __future__ import annotations

from io import BytesIO
from random import Random

from PIL import Image

WIDTH, HEIGHT = 4000, 3000
QUALITY = 95
STEPS = 10
ORIENTATION, MODEL = 0x0112, 0x0110
# Held upright: the picture has to be turned.
TURNED = 6


def photograph(most_bytes: int, *, orientation: int = 1, seed: int = 1) -> bytes:
    """Return a JPEG of almost ``most_bytes``; how much noise is in it decides how many they are."""
    scene = Image.merge("RGB", [_gradient(angle) for angle in (0, 90, 180)])
    noise = Image.frombytes("RGB", scene.size, Random(seed).randbytes(3 * WIDTH * HEIGHT))
    largest, least, most = b"", 0.0, 1.0
    for _ in range(STEPS):
        share = (least + most) / 2
        content = _encoded(Image.blend(scene, noise, share), orientation)
        if len(content) <= most_bytes:
            largest, least = content, share
        else:
            most = share
    return largest


def _gradient(angle: int) -> Image.Image:
    return Image.linear_gradient("L").rotate(angle).resize((WIDTH, HEIGHT))


def _encoded(picture: Image.Image, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION], exif[MODEL] = orientation, "Camera"
    file = BytesIO()
    picture.save(file, "JPEG", quality=QUALITY, exif=exif)
    return file.getvalue()
