"""Sound: ordinary files of each format, and what is none."""

from __future__ import annotations

import io
import struct
import wave
from collections.abc import Callable

from nxfs.files.errors import Refusal
from nxfs.files.formats import AUDIO
from tests.files.corpus.pictures import PAYLOAD, archive
from tests.files.corpus.sample import ACCEPTED, Sample

TYPES = {"mp3": "audio/mpeg", "wav": "audio/wav", "m4a": "audio/mp4", "aac": "audio/aac", "ogg": "audio/ogg"}


def mp3() -> bytes:
    """Return a tag and forty silent frames of 128 kbit/s at 44.1 kHz: about a second."""
    return b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + (b"\xff\xfb\x90\xc4" + bytes(413)) * 40


def wav() -> bytes:
    """Return a second of silence."""
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(8000)
        written.writeframes(bytes(16_000))
    return file.getvalue()


def aac() -> bytes:
    """Return forty ADTS frames of 44.1 kHz."""
    length = 100
    head = bytes([0xFF, 0xF1, 0x50, 0x80 | length >> 11, length >> 3 & 0xFF, (length & 7) << 5 | 0x1F, 0xFC])
    return (head + bytes(length - len(head))) * 40


def page(flags: int, granule: int, number: int, content: bytes) -> bytes:
    """Return a page of Ogg with one packet."""
    table = bytes([255] * (len(content) // 255) + [len(content) % 255])
    head = struct.pack("<4sBBQIII", b"OggS", 0, flags, granule, 1, number, 0)
    return head + bytes([len(table)]) + table + content


def ogg(first: bytes = b"OpusHead\x01\x01\0\0\x80\xbb\0\0\0\0\0") -> bytes:
    """Return a second of Opus."""
    return page(2, 0, 0, first) + page(0, 0, 1, b"OpusTags" + bytes(8)) + page(4, 48_000, 2, bytes(500))


def box(kind: bytes, *content: bytes) -> bytes:
    """Return a box of MP4."""
    joined = b"".join(content)
    return struct.pack(">I4s", len(joined) + 8, kind) + joined


def m4a(handler: bytes = b"soun") -> bytes:
    """Return an MP4 with one track."""
    timing = struct.pack(">IIIII", 0, 0, 0, 1000, 1500)
    track = box(b"trak", box(b"mdia", box(b"mdhd", timing, bytes(4)), box(b"hdlr", bytes(8), handler, bytes(13))))
    movie = box(b"moov", box(b"mvhd", timing, bytes(80)), track)
    return box(b"ftyp", b"M4A ", bytes(4), b"M4A isom") + movie + box(b"mdat", bytes(400))


BUILDERS: dict[str, Callable[[], bytes]] = {"mp3": mp3, "wav": wav, "m4a": m4a, "aac": aac, "ogg": ogg}


def _sound(name: str, extension: str, build: Callable[[], bytes], verdict: Refusal | str) -> Sample:
    return Sample(name, f"voice.{extension}", TYPES[extension], build, verdict, rule=AUDIO)


def sounds() -> list[Sample]:
    """Return all sound of the corpus."""
    found = []
    for extension, build in BUILDERS.items():
        found += [
            _sound(f"ordinary {extension}", extension, build, ACCEPTED),
            _sound(f"empty {extension}", extension, bytes, Refusal.EMPTY),
            _sound(f"truncated {extension}", extension, lambda build=build: build()[:-37], Refusal.DAMAGED),
        ]
    other = Refusal.NOT_WHAT_IT_SAYS
    return [
        *found,
        _sound("html behind ID3", "mp3", lambda: b"ID3\x04\0\0\0\0\0\0" + PAYLOAD, other),
        _sound("mp3 with html behind", "mp3", lambda: mp3() + PAYLOAD, Refusal.DISGUISED),
        _sound("mp3 with a zip behind", "mp3", lambda: mp3() + archive(), Refusal.DISGUISED),
        _sound("mp3 with a tag at the end", "mp3", lambda: mp3() + b"TAG" + bytes(125), ACCEPTED),
        _sound("wav with html behind", "wav", lambda: wav() + PAYLOAD, Refusal.DISGUISED),
        _sound("wav without sound", "wav", lambda: b"RIFF\4\0\0\0WAVE", Refusal.DAMAGED),
        _sound("film as m4a", "m4a", lambda: m4a(b"vide"), other),
        _sound("film as ogg", "ogg", lambda: ogg(b"\x80theora" + bytes(9)), other),
        _sound("vorbis", "ogg", lambda: ogg(b"\x01vorbis\0\0\0\0\x01\x80\xbb\0\0" + bytes(14)), ACCEPTED),
        _sound("wav as mp3", "mp3", wav, other),
        _sound("html as wav", "wav", lambda: PAYLOAD, Refusal.FORMAT_NOT_ALLOWED),
        Sample("mp3 in the library", "a.mp3", "audio/mpeg", mp3, Refusal.FORMAT_NOT_ALLOWED),
    ]
