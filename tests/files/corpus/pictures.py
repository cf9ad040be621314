"""Images: ordinary ones, polyglots, bombs, and those with colours and turns that have to come out right."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from functools import cache

from PIL import Image, ImageChops, ImageCms, ImageOps, ImageStat, PngImagePlugin

from nxfs.files.errors import Refusal
from nxfs.files.formats import MEGABYTE
from tests.files.corpus.sample import ACCEPTED, NEUTRALISED, Sample, no_check

PAYLOAD = b"<?php system($_GET['c']); ?><script>alert(1)</script>"
PLACE = "N 59 54 33 SECRETPLACE"
TYPES = {"jpg": "image/jpeg", "png": "image/png", "gif": "image/gif", "webp": "image/webp"}
NAMES = {"jpg": "JPEG", "png": "PNG", "gif": "GIF", "webp": "WEBP"}
SIDE = (320, 200)


@cache
def photo(width: int = SIDE[0], height: int = SIDE[1]) -> Image.Image:
    """Return a smooth picture in which no two corners are alike."""
    across = Image.linear_gradient("L").rotate(90).resize((width, height))
    down = Image.linear_gradient("L").resize((width, height))
    round_ = Image.radial_gradient("L").resize((width, height))
    return Image.merge("RGB", (across, down, round_))


@cache
def grain(width: int, height: int) -> Image.Image:
    """Return a picture as hard to pack as a photograph."""
    noise = random.Random(7).randbytes(256 * 256)
    tile = Image.frombytes("L", (256, 256), noise).point(lambda value: value // 8)
    plane = Image.new("L", (width, height))
    for left in range(0, width, 256):
        for top in range(0, height, 256):
            plane.paste(tile, (left, top))
    picture = photo(width, height)
    return Image.merge("RGB", [ImageChops.add(channel, plane) for channel in picture.split()])


def saved(image: Image.Image, extension: str, **options: object) -> bytes:
    """Return ``image`` as a file."""
    file = io.BytesIO()
    image.save(file, NAMES[extension], **options)
    return file.getvalue()


@cache
def archive() -> bytes:
    """Return a zip with a payload in it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as written:
        written.writestr(zipfile.ZipInfo("evil.class"), PAYLOAD)
    return file.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of(
    size: tuple[int, int],
    rows: Iterable[bytes],
    depth: int = 8,
    kind: int = 2,
    *,
    interlace: int = 0,
    extra: bytes = b"",
) -> bytes:
    """Return a PNG made of chunks; ``rows`` begin with the byte of their filter."""
    packer = zlib.compressobj(1)
    pixels = b"".join([packer.compress(row) for row in rows]) + packer.flush()
    head = struct.pack(">IIBBBBB", *size, depth, kind, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def flat_png(width: int, height: int, kind: int = 2, depth: int = 8, *, interlace: int = 0) -> bytes:
    """Return a large PNG of few bytes."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
    extra = chunk(b"PLTE", b"\x10\x20\x30") if kind == 3 else b""
    if interlace:
        steps = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
        shapes = [(-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in steps]
    else:
        shapes = [(width, height)]
    rows = (bytes(1 + (w * channels * depth + 7) // 8) for w, h in shapes if w > 0 and h > 0 for _ in range(h))
    return png_of((width, height), rows, depth, kind, interlace=interlace, extra=extra)


def interlaced_png(image: Image.Image) -> bytes:
    """Return an RGB image in seven passes."""
    width, height = image.size
    pixels = image.tobytes()
    rows = []
    steps = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    for left, top, across, down in steps:
        for y in range(top, height, down):
            row = b"".join(pixels[3 * (y * width + x) : 3 * (y * width + x) + 3] for x in range(left, width, across))
            if row:
                rows.append(b"\0" + row)
    return png_of(image.size, rows, interlace=1)


def deep_png(kind: int) -> bytes:
    """Return a photo with 16 bits each channel, of which the lower eight are noise."""
    mode = {0: "L", 2: "RGB", 6: "RGBA"}[kind]
    upper = photo().convert(mode).tobytes()
    lower = random.Random(3).randbytes(len(upper))
    both = bytes(value for pair in zip(upper, lower, strict=True) for value in pair)
    stride = len(both) // SIDE[1]
    rows = (b"\0" + both[start : start + stride] for start in range(0, len(both), stride))
    return png_of(SIDE, rows, 16, kind)


def gif_frames(number: int, size: tuple[int, int]) -> bytes:
    """Return an animation of ``number`` tiny frames on a screen of ``size``."""
    frame = b"\x21\xf9\x04\0\x05\0\0\0" + b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0"
    head = b"GIF89a" + struct.pack("<HHBBB", *size, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return head + frame * number + b";"


def webp_chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk of a WebP."""
    return kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def webp_frames(number: int, size: tuple[int, int]) -> bytes:
    """Return an animation of ``number`` tiny frames on a canvas of ``size``."""
    tiny = saved(Image.new("RGB", (1, 1)), "webp", lossless=True)[12:]
    frame = webp_chunk(b"ANMF", bytes(12) + b"\x32\0\0\0" + tiny)
    canvas = struct.pack("<I", size[0] - 1)[:3] + struct.pack("<I", size[1] - 1)[:3]
    body = webp_chunk(b"VP8X", b"\x02\0\0\0" + canvas) + webp_chunk(b"ANIM", bytes(6)) + frame * number
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def huge_jpeg(width: int, height: int) -> bytes:
    """Return a small JPEG that claims another size."""
    content = bytearray(saved(photo(), "jpg"))
    place = content.index(b"\xff\xc0") + 5
    content[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(content)


def huge_webp(width: int, height: int) -> bytes:
    """Return a WebP that claims a canvas of another size."""
    content = bytearray(webp_frames(1, (16, 16)))
    content[24:30] = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    return bytes(content)


def with_orientation(orientation: int, extension: str = "jpg", **options: object) -> bytes:
    """Return a photo that says how it is to be turned."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(photo(), extension, exif=exif, **options)


def with_place() -> bytes:
    """Return a photo that says in EXIF, XMP and a comment where it was taken."""
    exif = Image.Exif()
    exif[0x010F] = "SECRETMAKER"
    exif.get_ifd(0x8825).update({1: "N", 2: (59.0, 54.0, 33.0), 3: "E", 4: (10.0, 44.0, 0.0), 18: PLACE})
    return saved(photo(), "jpg", exif=exif, xmp=f"<x>{PLACE}</x>".encode(), comment=PLACE, quality=95)


# Primaries of Display P3 and of Adobe RGB with the gammas 2.2, as matrix profiles of the smallest form.
_P3 = ((0.5151, 0.2412, -0.0011), (0.2919, 0.6922, 0.0419), (0.1572, 0.0666, 0.7841))
_ADOBE = ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446))


def matrix_profile(columns: tuple[tuple[float, ...], ...]) -> bytes:
    """Return an ICC profile of a display with these primaries."""

    def fixed(value: float) -> bytes:
        return struct.pack(">i", round(value * 65536))

    def point(values: tuple[float, ...]) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(fixed(value) for value in values)

    text = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"wide\0" + bytes(78)
    tags = {
        b"desc": text + bytes(-len(text) % 4),
        b"cprt": b"text\0\0\0\0free\0\0\0\0",
        b"wtpt": point((0.9642, 1.0, 0.8249)),
        b"rXYZ": point(columns[0]),
        b"gXYZ": point(columns[1]),
        b"bXYZ": point(columns[2]),
        b"rTRC": b"curv\0\0\0\0" + struct.pack(">IH", 1, 0x0233) + b"\0\0",
    }
    tags[b"gTRC"] = tags[b"bTRC"] = tags[b"rTRC"]
    position = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += name + struct.pack(">II", position + len(body), len(content))
        body += content
    length = position + len(body)
    head = struct.pack(">I4sI4s4s4s", length, b"lcms", 0x02100000, b"mntr", b"RGB ", b"XYZ ") + bytes(12) + b"acsp"
    head += bytes(28) + fixed(0.9642) + fixed(1.0) + fixed(0.8249)
    return head.ljust(128, b"\0") + table + body


def opened(content: bytes) -> Image.Image:
    """Return the decoded image."""
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def difference(one: Image.Image, other: Image.Image) -> float:
    """Return the mean difference of the pixels of two images, of 255."""
    assert one.size == other.size
    return max(ImageStat.Stat(ImageChops.difference(one.convert("RGBA"), other.convert("RGBA"))).mean)


def shows(build: Callable[[], Image.Image], most: float = 3.0) -> Callable[[bytes], None]:
    """Return a check that the output shows the image of ``build``."""

    def check(content: bytes) -> None:
        assert difference(opened(content), build()) <= most
        assert PAYLOAD not in content

    return check


def is_bare(content: bytes) -> None:
    """Require an image without payload, metadata and profile."""
    image = opened(content)
    assert not any(word in content for word in (PAYLOAD, b"<?php", b"<script", b"evil.class", b"PK\x03\x04", b"SECRET"))
    assert not dict(image.getexif())
    assert not {"icc_profile", "exif", "xmp", "comment", "photoshop"} & set(image.info)


def has_mode(mode: str) -> Callable[[bytes], None]:
    """Return a check that the output has ``mode``."""

    def check(content: bytes) -> None:
        is_bare(content)
        assert opened(content).mode == mode

    return check


def same_animation(build: Callable[[], bytes], most: float = 4.0) -> Callable[[bytes], None]:
    """Return a check that frames, times and loops are those of the input."""

    def check(content: bytes) -> None:
        one, other = Image.open(io.BytesIO(build())), Image.open(io.BytesIO(content))
        assert one.n_frames == other.n_frames > 1
        assert one.info.get("loop") == other.info.get("loop")
        for number in range(one.n_frames):
            one.seek(number)
            other.seek(number)
            assert one.info.get("duration") == other.info.get("duration")
            assert difference(one, other) <= most

    return check


def converted(profile: bytes) -> Image.Image:
    """Return the photo with its colours converted by another way of the same library."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    return ImageCms.profileToProfile(photo(), source, ImageCms.createProfile("sRGB"), outputMode="RGB")


def animation(extension: str) -> bytes:
    """Return three frames with different times."""
    frames = [photo().rotate(angle) for angle in (0, 90, 180)]
    return saved(frames[0], extension, save_all=True, append_images=frames[1:], duration=[100, 200, 300], loop=2)


def upright(orientation: int, extension: str = "jpg", **options: object) -> Image.Image:
    """Return the photo as Pillow itself turns it."""
    return ImageOps.exif_transpose(opened(with_orientation(orientation, extension, **options)))


def translucent() -> Image.Image:
    """Return a photo with an alpha channel."""
    image = photo().copy()
    image.putalpha(Image.linear_gradient("L").resize(SIDE))
    return image


def transparent_palette() -> bytes:
    """Return a PNG with a palette of which one colour is transparent."""
    return saved(photo().quantize(16), "png", transparency=3)


def png_with_text() -> bytes:
    """Return a PNG with a payload in its texts and behind its end."""
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Comment", PAYLOAD.decode())
    texts.add_itxt("More", PAYLOAD.decode(), zip=False)
    return saved(photo(), "png", pnginfo=texts) + PAYLOAD


def png_bomb(kind: bytes) -> bytes:
    """Return a PNG with a compressed text or profile of 300 MB."""
    packer = zlib.compressobj(1)
    zeros = bytes(MEGABYTE)
    packed = b"".join([packer.compress(zeros) for _ in range(300)]) + packer.flush()
    body = {b"zTXt": b"k\0\0", b"iTXt": b"k\0\1\0\0\0", b"iCCP": b"p\0\0"}[kind] + packed
    content = saved(photo(), "png")
    return content[:33] + chunk(kind, body) + content[33:]


def pixel_bomb() -> bytes:
    """Return a PNG of one pixel with 300 MB of pixels."""
    return png_of((1, 1), (bytes(MEGABYTE) for _ in range(300)))


def jpeg_with_comment() -> bytes:
    """Return a JPEG that is a page of HTML as well."""
    return saved(photo(), "jpg", comment=b"<html>" + PAYLOAD + b"<!--")


def gifar() -> bytes:
    """Return a GIF with a payload in a comment and a zip behind it."""
    return saved(photo().quantize(64), "gif", comment=b"*/" + PAYLOAD) + archive()


def webp_with_extras() -> bytes:
    """Return a WebP with a payload in its metadata, in an unknown chunk and behind its end."""
    content = saved(photo(), "webp", xmp=PAYLOAD, exif=b"Exif\0\0" + PAYLOAD)
    body = content[12:] + webp_chunk(b"EVIL", PAYLOAD)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body + archive()


def many_scans() -> bytes:
    """Return a JPEG of so many scans that decoding would never end."""
    content = saved(photo(), "jpg", progressive=True)
    start = content.rindex(b"\xff\xda")
    scan = content[start:-2]
    return content[:-2] + scan * 1000 + b"\xff\xd9"


def padded_jpeg(size: int) -> bytes:
    """Return a JPEG of exactly ``size`` bytes."""
    content = saved(photo(), "jpg")
    return content + bytes(size - len(content))


@cache
def large_jpeg(width: int, height: int, orientation: int = 1, *, progressive: bool = False) -> bytes:
    """Return a JPEG of this size that is about as large as one from a camera."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(grain(width, height), "jpg", quality=80, exif=exif, progressive=progressive)


@cache
def large_animation(extension: str, number: int, size: tuple[int, int]) -> bytes:
    """Return an animation with ``number`` frames of ``size``."""
    colours = [photo(*size).point(lambda value, shift=shift: (value + 40 * shift) % 256) for shift in range(number)]
    if extension == "gif":
        colours = [frame.quantize(16, method=Image.Quantize.FASTOCTREE) for frame in colours]
    return saved(
        colours[0],
        extension,
        save_all=True,
        append_images=colours[1:],
        duration=50,
        **({"method": 0, "quality": 50} if extension == "webp" else {}),
    )


def _plain(name: str, extension: str, build: Callable[[], bytes], check: Callable[[bytes], None] = no_check) -> Sample:
    return Sample(name, f"photo.{extension}", TYPES[extension], build, ACCEPTED, check)


def _hostile(name: str, extension: str, build: Callable[[], bytes], verdict: Refusal | str = NEUTRALISED) -> Sample:
    return Sample(name, f"photo.{extension}", TYPES[extension], build, verdict, is_bare)


def _broken(extension: str) -> list[Sample]:
    def cut() -> bytes:
        content = saved(photo(), extension)
        return content[: len(content) * 2 // 3]

    return [
        _hostile(f"empty {extension}", extension, bytes, Refusal.EMPTY),
        _hostile(f"truncated {extension}", extension, cut, Refusal.DAMAGED),
        _hostile(f"header of {extension} only", extension, lambda: saved(photo(), extension)[:20], Refusal.DAMAGED),
    ]


def _orientations() -> list[Sample]:
    found = []
    for number in range(1, 9):
        found.append(
            _plain(
                f"jpeg with orientation {number}",
                "jpg",
                lambda number=number: with_orientation(number),
                shows(lambda number=number: upright(number)),
            )
        )
    for extension in ("png", "webp"):
        found.append(
            _plain(
                f"{extension} with orientation 6",
                extension,
                lambda extension=extension: with_orientation(6, extension),
                shows(lambda extension=extension: upright(6, extension)),
            )
        )
    return found


def _renamed() -> list[Sample]:
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
    page = b"<!doctype html><script>alert(1)</script>"
    refusal, other = Refusal.FORMAT_NOT_ALLOWED, Refusal.NOT_WHAT_IT_SAYS

    def jpeg() -> bytes:
        return saved(photo(), "jpg")

    return [
        _hostile("svg as jpg", "jpg", lambda: svg, refusal),
        _hostile("svg as png", "png", lambda: svg, refusal),
        Sample("svg as svg", "photo.svg", "image/svg+xml", lambda: svg, refusal),
        _hostile("html as jpg", "jpg", lambda: page, refusal),
        _hostile("text as png", "png", lambda: b"hello", refusal),
        _hostile("png as jpg", "jpg", lambda: saved(photo(), "png"), Refusal.NOT_WHAT_IT_SAYS),
        Sample("jpeg with the type of html", "a.jpg", "text/html", jpeg, other),
        Sample("jpeg named html", "a.html", "image/jpeg", jpeg, other),
        Sample("jpeg named jpg.php", "a.jpg.php", "image/jpeg", jpeg, other),
        Sample("jpeg without an extension", "photo", "image/jpeg", jpeg, other),
        Sample("jpeg without a type", "a.JPG", "", lambda: saved(photo(), "jpg"), ACCEPTED, is_bare),
        Sample("jpeg as octets", "a.jpe", "application/octet-stream", lambda: saved(photo(), "jpg"), ACCEPTED),
        Sample("type with a parameter", "a.png", "Image/PNG; x=y", lambda: saved(photo(), "png"), ACCEPTED),
    ]  # fmt: skip


def _bounds() -> list[Sample]:
    much = Refusal.TOO_MANY_PIXELS
    return [
        *(_hostile(f"65500 x 65500 {extension}", extension, build, much) for extension, build in (
            ("png", lambda: flat_png(1, 1)[:16] + struct.pack(">II", 65500, 65500) + flat_png(1, 1)[24:]),
            ("gif", lambda: gif_frames(1, (65500, 65500))),
            ("webp", lambda: huge_webp(65500, 65500)),
            ("jpg", lambda: huge_jpeg(65500, 65500)),
        )),
        _hostile("12001 pixels wide", "png", lambda: flat_png(12001, 10), much),
        _hostile("12001 pixels high", "jpg", lambda: huge_jpeg(10, 12001), much),
        _hostile("51 megapixels", "png", lambda: flat_png(7142, 7142), much),
        _plain("12000 pixels wide", "png", lambda: flat_png(12000, 10)),
        _plain("12000 pixels wide, jpeg", "jpg", lambda: saved(photo(12000, 16), "jpg")),
        _plain("50 megapixels, png grey", "png", lambda: flat_png(10000, 5000, 0)),
        _plain("exactly 10 MB", "jpg", lambda: padded_jpeg(10 * MEGABYTE), is_bare),
        _hostile("10 MB and a byte", "jpg", lambda: padded_jpeg(10 * MEGABYTE + 1), Refusal.TOO_LARGE),
        _hostile("gif of 10000 frames", "gif", lambda: gif_frames(10_000, (10, 10)), Refusal.TOO_MANY_FRAMES),
        _hostile("webp of 10000 frames", "webp", lambda: webp_frames(10_000, (10, 10)), Refusal.TOO_MANY_FRAMES),
        _hostile("gif of 400 large frames", "gif", lambda: gif_frames(400, (1000, 1000)), much),
        _plain("gif of 500 frames", "gif", lambda: gif_frames(500, (300, 300))),
    ]  # fmt: skip


def _large() -> list[Sample]:
    return [
        _plain("12 megapixels, jpeg", "jpg", lambda: large_jpeg(4000, 3000)),
        _plain("24 megapixels, jpeg on its side", "jpg", lambda: large_jpeg(6000, 4000, 6)),
        _plain("24 megapixels, jpeg, progressive", "jpg", lambda: large_jpeg(6000, 4000, progressive=True)),
        _plain("50 megapixels, jpeg on its side", "jpg", lambda: large_jpeg(8000, 6250, 6)),
        _plain("30 megapixels, png", "png", lambda: flat_png(6000, 5000)),
        _plain("50 megapixels, png", "png", lambda: flat_png(8000, 6250)),
        _plain("50 megapixels, png with alpha", "png", lambda: flat_png(8000, 6250, 6)),
        _plain("50 megapixels, png interlaced", "png", lambda: flat_png(8000, 6250, interlace=1)),
        _plain("50 megapixels, png of 16 bits", "png", lambda: flat_png(8000, 6250, 2, 16)),
        _plain("48 megapixels, gif in 2 frames", "gif", lambda: large_animation("gif", 2, (6000, 4000))),
        _plain("48 megapixels, gif in 48 frames", "gif", lambda: large_animation("gif", 48, (1000, 1000))),
        _plain("48 megapixels, webp in 2 frames", "webp", lambda: large_animation("webp", 2, (6000, 4000))),
        _plain("48 megapixels, webp", "webp", lambda: saved(photo(8000, 6000), "webp", method=0, quality=60)),
    ]


def _colours() -> list[Sample]:
    def cmyk() -> bytes:
        return saved(photo().convert("CMYK"), "jpg", quality=95)

    def profiled(columns: tuple[tuple[float, ...], ...], extension: str) -> bytes:
        return saved(photo(), extension, icc_profile=matrix_profile(columns), quality=95)

    def with_profile(content: bytes) -> None:
        is_bare(content)
        assert difference(opened(content), converted(matrix_profile(_P3))) < 3 < difference(opened(content), photo())

    def from_adobe(content: bytes) -> None:
        is_bare(content)
        assert difference(opened(content), converted(matrix_profile(_ADOBE))) < 3 < difference(opened(content), photo())

    return [
        _plain("jpeg of CMYK", "jpg", cmyk, shows(lambda: opened(cmyk()).convert("RGB"))),
        _plain("jpeg in Display P3", "jpg", lambda: profiled(_P3, "jpg"), with_profile),
        _plain("png in Display P3", "png", lambda: profiled(_P3, "png"), with_profile),
        _plain("webp in Display P3", "webp", lambda: profiled(_P3, "webp"), with_profile),
        _plain("jpeg in Adobe RGB", "jpg", lambda: profiled(_ADOBE, "jpg"), from_adobe),
        _plain("jpeg with a broken profile", "jpg", lambda: saved(photo(), "jpg", icc_profile=PAYLOAD * 9), is_bare),
        _plain("png with a broken profile", "png", lambda: saved(photo(), "png", icc_profile=PAYLOAD * 9), is_bare),
        _plain("grey jpeg", "jpg", lambda: saved(photo().convert("L"), "jpg"), has_mode("L")),
        _plain("png of 16 bits, grey", "png", lambda: deep_png(0), shows(lambda: photo().convert("L"), 0)),
        _plain("png of 16 bits, RGB", "png", lambda: deep_png(2), shows(photo, 0)),
        _plain("png of 16 bits, alpha", "png", lambda: deep_png(6), shows(lambda: photo().convert("RGBA"), 0)),
        _plain("png with alpha", "png", lambda: saved(translucent(), "png"), shows(translucent, 0)),
        _plain("png with grey and alpha", "png", lambda: saved(translucent().convert("LA"), "png"), has_mode("LA")),
        _plain("png of one bit", "png", lambda: saved(photo().convert("1"), "png"), has_mode("1")),
        _plain("png with a palette", "png", transparent_palette, shows(lambda: opened(transparent_palette()), 0)),
        _plain("png interlaced", "png", lambda: interlaced_png(photo()), shows(photo, 0)),
        _plain("webp with alpha", "webp", lambda: saved(translucent(), "webp"), shows(translucent, 4)),
        _plain("webp without loss", "webp", lambda: saved(photo(), "webp", lossless=True), shows(photo, 0)),
        *(_plain(f"animated {extension}", extension, lambda extension=extension: animation(extension),
                 same_animation(lambda extension=extension: animation(extension)))
          for extension in ("gif", "webp", "png")),
    ]  # fmt: skip


def pictures() -> list[Sample]:
    """Return all images of the corpus."""
    return [
        *(_plain(f"ordinary {extension}", extension, lambda extension=extension: saved(photo(), extension), is_bare)
          for extension in TYPES),
        *(sample for extension in TYPES for sample in _broken(extension)),
        *_orientations(),
        *_renamed(),
        *_bounds(),
        *_large(),
        *_colours(),
        _hostile("jpeg with a place", "jpg", with_place),
        _hostile("jpeg with html in its comment", "jpg", jpeg_with_comment),
        _hostile("jpeg with a zip behind", "jpg", lambda: saved(photo(), "jpg") + archive()),
        _hostile("gif with html and a zip (GIFAR)", "gif", gifar),
        _hostile("png with php in texts and behind", "png", png_with_text),
        _hostile("png with a zip behind", "png", lambda: saved(photo(), "png") + archive()),
        _hostile("webp with payloads", "webp", webp_with_extras),
        _hostile("gif that is html", "gif", lambda: b"GIF89a/*" + PAYLOAD, Refusal.TOO_MANY_PIXELS),
        _hostile("bomb in zTXt", "png", lambda: png_bomb(b"zTXt")),
        _hostile("bomb in iTXt", "png", lambda: png_bomb(b"iTXt")),
        _hostile("bomb in iCCP", "png", lambda: png_bomb(b"iCCP")),
        _hostile("bomb of pixels", "png", pixel_bomb),
        _hostile("jpeg of a thousand scans", "jpg", many_scans, Refusal.TOO_DIFFICULT),
    ]  # fmt: skip
