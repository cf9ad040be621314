"""Tests: every file of the corpus gets its verdict from the real worker process, within its memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from nxfs.files.errors import Refusal
from nxfs.files.formats import FORMATS
from tests.files.corpus import CORPUS
from tests.files.corpus.child import Child
from tests.files.corpus.pictures import animation, large_jpeg, opened, photo, saved, translucent
from tests.files.corpus.sample import Sample

MOST_PEAK_KB = 150 * 1024


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    """A worker process that all tests of this file ask."""
    child = Child()
    yield child
    assert child.close() == 0


@pytest.mark.parametrize("sample", CORPUS, ids=lambda sample: sample.name.replace(" ", "-"))
def test_verdict(sample: Sample, child: Child, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    content = sample.build()
    source.write_bytes(content)

    answer = child.inspect(sample, source, target)

    if isinstance(sample.verdict, Refusal):
        assert (answer["ok"], answer.get("refusal")) == (False, sample.verdict.name)
        assert not target.exists()
    else:
        assert answer["ok"], answer
        kept = target.read_bytes()
        assert (answer["size"], answer["sha256"]) == (len(kept), hashlib.sha256(kept).hexdigest())
        if FORMATS[answer["format"]].kind == "image":
            assert opened(kept).size == (answer["width"], answer["height"])
        else:
            assert kept == content
        sample.check(kept)
    if answer["peak_kb"] is not None:
        assert answer["peak_kb"] <= MOST_PEAK_KB


def test_names_are_unique_and_many() -> None:
    names = [sample.name for sample in CORPUS]
    assert len(set(names)) == len(names) >= 70


@pytest.mark.parametrize("name", ["mp3", "wav", "m4a", "aac", "ogg"])
def test_sound_has_a_duration(name: str, child: Child, tmp_path: Path) -> None:
    sample = next(sample for sample in CORPUS if sample.name == f"ordinary {name}")
    (tmp_path / "source").write_bytes(sample.build())

    answer = child.inspect(sample, tmp_path / "source", tmp_path / "target")

    assert 0.9 < answer["duration"] < 1.6


@pytest.mark.parametrize("extension", ["jpg", "png", "gif", "webp"])
@pytest.mark.parametrize(("width", "expected"), [(100, (100, 62)), (5000, (320, 200)), (1, (1, 1))])
def test_render(extension: str, width: int, expected: tuple[int, int], child: Child, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(saved(photo(), extension))

    answer = child.ask({"do": "render", "source": str(source), "target": str(target), "width": width})

    image = opened(target.read_bytes())
    assert answer["ok"] and (answer["width"], answer["height"]) == image.size == expected
    assert image.format == "WEBP"


@pytest.mark.parametrize("extension", ["gif", "webp", "png"])
def test_render_takes_the_first_frame(extension: str, child: Child, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(animation(extension))

    child.ask({"do": "render", "source": str(source), "target": str(target), "width": 160})

    shown, image = photo().resize((160, 100)), opened(target.read_bytes())
    assert getattr(image, "n_frames", 1) == 1
    differences = zip(shown.resize((4, 4)).tobytes(), image.convert("RGB").resize((4, 4)).tobytes(), strict=True)
    assert all(abs(one - other) < 12 for one, other in differences)


@pytest.mark.parametrize("extension", ["png", "webp"])
def test_render_keeps_alpha(extension: str, child: Child, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(saved(translucent(), extension))

    child.ask({"do": "render", "source": str(source), "target": str(target), "width": 100})

    image = opened(target.read_bytes())
    assert image.mode == "RGBA"
    assert image.getpixel((50, 1))[3] < 20 < 200 < image.getpixel((50, 60))[3]


@pytest.mark.parametrize(
    "name",
    [
        "12 megapixels, jpeg",
        "50 megapixels, png",
        "50 megapixels, png with alpha",
        "48 megapixels, gif in 2 frames",
        "48 megapixels, webp in 2 frames",
        "48 megapixels, webp",
    ],
)
def test_render_of_large_images_is_bounded(name: str, child: Child, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(next(sample for sample in CORPUS if sample.name == name).build())

    answer = child.ask({"do": "render", "source": str(source), "target": str(target), "width": 1600})

    assert answer["ok"] and answer["width"] == 1600
    assert (answer["peak_kb"] or 0) <= MOST_PEAK_KB


def test_render_refuses_what_is_no_image(child: Child, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"%PDF-1.4")

    answer = child.ask({"do": "render", "source": str(source), "target": str(target), "width": 100})

    assert (answer["ok"], answer["refusal"]) == (False, "FORMAT_NOT_ALLOWED")
    assert not target.exists()


def test_a_question_that_makes_no_sense_gets_an_answer(child: Child) -> None:
    assert child.ask({"do": "nothing"}) | {"peak_kb": 0} == {"ok": False, "refusal": "DAMAGED", "peak_kb": 0}


def test_large_photo_keeps_its_size(child: Child, tmp_path: Path) -> None:
    sample = next(sample for sample in CORPUS if sample.name == "24 megapixels, jpeg on its side")
    (tmp_path / "source").write_bytes(large_jpeg(6000, 4000, 6))

    answer = child.inspect(sample, tmp_path / "source", tmp_path / "target")

    assert (answer["width"], answer["height"]) == (4000, 6000)
