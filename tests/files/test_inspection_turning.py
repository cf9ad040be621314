"""Tests: turning an image by way of a file gives what Pillow gives in memory."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from nxfs.files.inspection import strips
from nxfs.files.inspection.strips import CHANNELS, Spool, assembled, strips_of, turned_size

MODES = ("L", "P", "LA", "RGB", "RGBA", "CMYK")


def reference(image: Image.Image, orientation: int) -> Image.Image:
    exif = Image.Exif()
    exif[0x0112] = orientation
    copy = image.copy()
    copy.info["exif"] = exif.tobytes()
    return ImageOps.exif_transpose(copy)


def through_a_file(image: Image.Image, orientation: int, rows: int) -> Image.Image:
    with Spool(image.size, image.mode) as spool:
        for strip in strips_of(image, rows):
            spool.write(strip)
        return assembled(turned_size(image.size, orientation), image.mode, spool.turned(orientation))


@given(
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    mode=st.sampled_from(MODES),
    rows=st.integers(1, 50),
    strip_bytes=st.integers(1, 2000),
    orientation=st.integers(1, 8),
    data=st.data(),
)
def test_turning_through_a_file(
    width: int, height: int, mode: str, rows: int, strip_bytes: int, orientation: int, data: st.DataObject
) -> None:
    length = width * height * CHANNELS[mode]
    seed = data.draw(st.binary(min_size=1, max_size=64))
    content = (seed * (length // len(seed) + 1))[:length]
    image = Image.frombytes(mode, (width, height), content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strips, "TURNED_STRIP_BYTES", strip_bytes)
        turned = through_a_file(image, orientation, rows)
    expected = reference(image, orientation)
    assert turned.size == expected.size
    assert turned.tobytes() == expected.tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_orientations_of_an_image_in_many_strips(orientation: int) -> None:
    image = Image.effect_noise((1500, 1100), 80).convert("RGB")
    turned = through_a_file(image, orientation, 64)
    assert turned.tobytes() == reference(image, orientation).tobytes()


def test_the_worker_imports_nothing_of_the_server() -> None:
    heavy = ("flask", "sqlalchemy", "gevent", "nxfs.extensions", "nxfs.core.settings", "werkzeug")
    program = f"import sys, nxfs.files.inspection.worker; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
