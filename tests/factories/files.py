"""Small files of every format, made in code, and how a client sends them."""

from __future__ import annotations

import struct
import wave
import zipfile
from io import BytesIO
from itertools import count
from mimetypes import guess_type
from typing import Any

from PIL import Image
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.test import TestResponse, encode_multipart

LIBRARY = {
    "cabin.jpg": ("image/jpeg", "jpeg"),
    "cabin.png": ("image/png", "png"),
    "cabin.gif": ("image/gif", "gif"),
    "cabin.webp": ("image/webp", "webp"),
    "plan.pdf": ("application/pdf", "pdf"),
    "offer.doc": ("application/msword", "doc"),
    "offer.docx": ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
}

_seeds = count(1)


def image_bytes(kind: str = "JPEG", *, width: int = 64, height: int = 48, seed: int | None = None) -> bytes:
    """Return a picture; each call makes another one unless ``seed`` says which."""
    number = next(_seeds) if seed is None else seed
    picture = Image.linear_gradient("L").rotate(number % 360).resize((width, height)).convert("RGB")
    picture.putpixel((0, 0), (number % 256, number // 256 % 256, 7))
    file = BytesIO()
    picture.save(file, kind)
    return file.getvalue()


def pdf_bytes() -> bytes:
    """Return a PDF with one empty page."""
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 100] >>",
    )
    text, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(text))
        text += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    start = len(text)
    return text + (
        b"xref\n0 4\n0000000000 65535 f \n%strailer\n<< /Size 4 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
        % (table, start)
    )


def docx_bytes() -> bytes:
    """Return a Word document with one empty paragraph."""
    office = "http://schemas.openxmlformats.org"
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{office}/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/word/document.xml" ContentType="{kind}"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{office}/package/2006/relationships"><Relationship Id="r1" '
        f'Target="word/document.xml" Type="{office}/officeDocument/2006/relationships/officeDocument"/>'
        "</Relationships>",
        "word/document.xml": f'<w:document xmlns:w="{office}/wordprocessingml/2006/main"><w:body><w:p/></w:body>'
        "</w:document>",
    }
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n' + text)
    return file.getvalue()


def doc_bytes() -> bytes:
    """Return a Word document in the older format: an OLE file with the stream ``WordDocument``."""
    end, free, size = 0xFFFFFFFE, 0xFFFFFFFF, 4096
    sizes = (0x3E, 3, 0xFFFE, 9, 6, 0, 1, 1, 0, size, end, 0, end, 0, 0)
    header = struct.pack("<8s16xHHHHH6xIIIIIIIIII", bytes.fromhex("d0cf11e0a1b11ae1"), *sizes)
    header = header.ljust(512, b"\xff")
    sectors = [0xFFFFFFFD, end, *range(3, 10), end]
    table = struct.pack("<128I", *sectors, *[free] * (128 - len(sectors)))
    entries = _ole_entry("Root Entry", 5, child=1, start=end, size=0) + _ole_entry(
        "WordDocument", 2, child=free, start=2, size=size
    )
    directory = entries + 2 * _ole_entry("", 0, child=free, start=0, size=0)
    return header + table + directory + struct.pack("<HH", 0xA5EC, 0xC1).ljust(size, b"\0")


def mp3_bytes(*, frames: int = 40) -> bytes:
    """Return silence of 26 ms a frame."""
    return (b"\xff\xfb\x90\x00" + bytes(413)) * frames


def wav_bytes(*, seconds: float = 0.5) -> bytes:
    """Return silence."""
    file = BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(int(8000 * seconds) * 2))
    return file.getvalue()


def bytes_of(filename: str) -> bytes:
    """Return a file of the format that the name says."""
    extension = filename.rpartition(".")[2].lower()
    documents = {"pdf": pdf_bytes, "doc": doc_bytes, "docx": docx_bytes, "mp3": mp3_bytes, "wav": wav_bytes}
    if extension in documents:
        return documents[extension]()
    return image_bytes({"jpg": "JPEG"}.get(extension, extension.upper()))


def part(filename: str = "cabin.jpg", content: bytes | None = None, media_type: str | None = None) -> tuple[Any, ...]:
    """Return one file of a form as the test client sends it."""
    file = BytesIO(bytes_of(filename) if content is None else content)
    return (file, filename) if media_type is None else (file, filename, media_type)


def encoded(form: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of the test client that send ``form``, whose parts can be sent again."""
    values: MultiDict[str, Any] = MultiDict()
    for name, value in form.items():
        for each in value if isinstance(value, list) else [value]:
            values.add(name, _stored(*each) if isinstance(each, tuple) else each)
    boundary, body = encode_multipart(values)
    return {"data": body, "content_type": f"multipart/form-data; boundary={boundary}"}


def upload(person: Any, filename: str = "cabin.jpg", content: bytes | None = None, **fields: Any) -> dict[str, Any]:
    """Upload a file into the media library of ``person`` and return the answer's body."""
    answer: TestResponse = person.post("/api/blog/media/upload/", data={"file": part(filename, content), **fields})
    assert answer.status_code == 201, answer.get_data(as_text=True)
    return answer.get_json()


def _ole_entry(name: str, kind: int, *, child: int, start: int, size: int) -> bytes:
    text = name.encode("utf-16-le")
    length = len(text) + 2 if name else 0
    none = 0xFFFFFFFF
    return struct.pack("<64sHBBIII36xIII", text.ljust(64, b"\0"), length, kind, 1, none, none, child, start, size, 0)


def _stored(stream: BytesIO, filename: str, media_type: str | None = None) -> FileStorage:
    return FileStorage(BytesIO(stream.getvalue()), filename, content_type=media_type or guess_type(filename)[0])
