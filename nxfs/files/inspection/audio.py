"""Sound: a file is walked through from frame to frame (or box to box), so that it is what it says and is all there."""

from __future__ import annotations

import math
import mmap
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

from tinytag import TinyTag, TinyTagException

from nxfs.files.errors import Refusal
from nxfs.files.inspection.verdict import Refused

# Containers that hold pictures just as well; whether this one does is seen in its tracks.
MP4_BRANDS = frozenset(
    {b"M4A ", b"M4B ", b"mp41", b"mp42", b"isom", b"iso2", b"iso3", b"iso4", b"iso5", b"iso6", b"dash", b"MSNV"}
)
FEWEST_FRAMES = 3

Content = bytes | mmap.mmap
FrameLength = Callable[[bytes], int | None]

_MPEG1_RATES = {
    1: (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    2: (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    3: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
}
_MPEG2_RATES = {
    1: (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    2: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    3: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MPEG_SAMPLING = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_AAC_SAMPLING = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)
_AAC_SAMPLES = 1024
# PCM, ADPCM, float, A-law, mu-law, IMA ADPCM, extensible.
_WAVE_CODECS = frozenset({1, 2, 3, 6, 7, 0x11, 0xFFFE})
_MOST_CHANNELS, _MOST_SAMPLING = 32, 768_000
_OGG_CODECS = (b"\x01vorbis", b"OpusHead")
_MP4_CONTAINERS = frozenset({b"moov", b"trak", b"mdia"})
_MOST_BOXES = 100_000


def mp3_frame_length(head: bytes) -> int | None:
    """Return the length of the MPEG audio frame that begins with ``head``; None when none does."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    rate, sampling, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if version == 1 or layer == 4 or rate in (0, 15) or sampling == 3:
        return None
    bits = (_MPEG1_RATES if version == 3 else _MPEG2_RATES)[layer][rate - 1] * 1000
    frequency = _MPEG_SAMPLING[version][sampling]
    if layer == 1:
        return (12 * bits // frequency + padding) * 4
    samples = 576 if layer == 3 and version != 3 else 1152
    return samples // 8 * bits // frequency + padding


def aac_frame_length(head: bytes) -> int | None:
    """Return the length of the ADTS frame that begins with ``head``; None when none does."""
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or head[2] >> 2 & 15 >= len(_AAC_SAMPLING):
        return None
    length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return length if length > 7 else None


def inspect_audio(source: Path, format_name: str) -> float | None:
    """Require that ``source`` is whole and what ``format_name`` says; return its duration in seconds, if it is known.

    Raises ``Refused``.
    """
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        try:
            counted = _WALKS[format_name](content)
        except (struct.error, IndexError):
            raise Refused(Refusal.DAMAGED) from None
    if zipfile.is_zipfile(source):
        raise Refused(Refusal.DISGUISED)
    duration = _duration(source, format_name) if counted is None else counted
    return round(duration, 3) if duration is not None and 0 < duration < math.inf else None


def _duration(source: Path, format_name: str) -> float | None:
    try:
        with source.open("rb") as file:
            return TinyTag.get(f"sound.{format_name}", file_obj=file, tags=False).duration
    # The file has been looked through; a tag that this library stumbles over does not make it a bad one.
    except (TinyTagException, ArithmeticError, LookupError, OSError, TypeError, ValueError, struct.error):
        return None


def _walk_mp3(content: Content) -> None:
    _walk_frames(content, mp3_frame_length)


def _walk_aac(content: Content) -> float:
    start = _after_id3(content, 0)
    number = _walk_frames(content, aac_frame_length)
    return number * _AAC_SAMPLES / _AAC_SAMPLING[content[start + 2] >> 2 & 15]


def _walk_frames(content: Content, frame_length: FrameLength) -> int:
    """Return how many frames there are; between and behind them only tags are allowed."""
    position, number = _after_tags(content, 0), 0
    while position < len(content):
        length = frame_length(content[position : position + 8])
        if length is None:
            following = _after_tags(content, position)
            if following == position:
                raise Refused(_what_frames_lack(number))
            position = following
        elif position + length > len(content):
            raise Refused(Refusal.DAMAGED)
        else:
            position += length
            number += 1
    if number < FEWEST_FRAMES:
        raise Refused(_what_frames_lack(number))
    return number


def _what_frames_lack(number: int) -> Refusal:
    return Refusal.NOT_WHAT_IT_SAYS if number < FEWEST_FRAMES else Refusal.DISGUISED


def _after_tags(content: Content, position: int) -> int:
    """Return the position behind the tags and the filling zeros that begin at ``position``."""
    position = _after_id3(content, position)
    head = content[position : position + 32]
    if head.startswith(b"APETAGEX"):
        (length,) = struct.unpack_from("<I", head, 12)
        return min(len(content), position + length + (32 if head[23] & 0x20 else 0))
    if head.startswith(b"LYRICSBEGIN"):
        end = content.find(b"LYRICS200", position)
        return position if end < 0 else end + 9
    if head.startswith(b"TAG") and position + 128 == len(content):
        return len(content)
    while content[position : position + 1] == b"\0":
        step = 4096
        while step and content[position : position + step] != bytes(step):
            step //= 2
        position += step
    return position


def _after_id3(content: Content, position: int) -> int:
    while content[position : position + 3] == b"ID3":
        size = 0
        for byte in content[position + 6 : position + 10]:
            if byte & 0x80:
                raise Refused(Refusal.DAMAGED)
            size = size << 7 | byte
        position += 10 + size + (10 if content[position + 5] & 0x10 else 0)
        if position > len(content):
            raise Refused(Refusal.DAMAGED)
    return position


def _walk_wav(content: Content) -> float | None:
    (length,) = struct.unpack_from("<I", content, 4)
    # Recorders that write to a pipe leave the lengths open.
    is_open = length in (0, 0xFFFFFFFF)
    end = len(content) if is_open else length + 8
    if end > len(content):
        raise Refused(Refusal.DAMAGED)
    if len(content) - end > 1:
        raise Refused(Refusal.DISGUISED)
    position, rate, data = 12, 0, None
    while position + 8 <= end:
        kind = content[position : position + 4]
        (size,) = struct.unpack_from("<I", content, position + 4)
        if kind == b"data" and size == 0xFFFFFFFF and is_open:
            size = end - position - 8
        if position + 8 + size > end:
            raise Refused(Refusal.DAMAGED)
        if kind == b"fmt ":
            rate = _wave_rate(content[position + 8 : position + 8 + size])
        elif kind == b"data":
            data = size
        position += 8 + size + size % 2
    if not rate or not data:
        raise Refused(Refusal.DAMAGED)
    return data / rate


def _wave_rate(header: bytes) -> int:
    """Return bytes per second."""
    codec, channels, sampling, rate, align, _ = struct.unpack_from("<HHIIHH", header)
    if codec not in _WAVE_CODECS:
        raise Refused(Refusal.FORMAT_NOT_ALLOWED)
    if not (1 <= channels <= _MOST_CHANNELS and 1 <= sampling <= _MOST_SAMPLING and rate and align):
        raise Refused(Refusal.DAMAGED)
    return rate


def _walk_ogg(content: Content) -> None:
    position, number, is_finished = 0, 0, False
    while position < len(content):
        header = content[position : position + 27]
        if header[:4] != b"OggS":
            raise Refused(Refusal.DISGUISED if number else Refusal.DAMAGED)
        if header[4] or len(header) < 27:
            raise Refused(Refusal.DAMAGED)
        table = content[position + 27 : position + 27 + header[26]]
        start = position + 27 + header[26]
        position = start + sum(table)
        if len(table) < header[26] or position > len(content):
            raise Refused(Refusal.DAMAGED)
        is_first, is_finished = bool(header[5] & 2), bool(header[5] & 4)
        # Every stream of the file begins with such a page: a film has one for its pictures as well.
        if is_first != (number == 0) and number < 2 or (is_first and not _is_sound(content[start : start + 8])):
            raise Refused(Refusal.NOT_WHAT_IT_SAYS)
        number += 1
    if number < FEWEST_FRAMES or not is_finished:
        raise Refused(Refusal.DAMAGED)


def _is_sound(packet: bytes) -> bool:
    return packet.startswith(_OGG_CODECS)


def _walk_m4a(content: Content) -> None:
    handlers: set[bytes] = set()
    kinds = _boxes(content, 0, len(content), handlers)
    if b"moov" not in kinds or not kinds & {b"mdat", b"moof"}:
        raise Refused(Refusal.DAMAGED)
    if b"vide" in handlers or b"soun" not in handlers:
        raise Refused(Refusal.NOT_WHAT_IT_SAYS)


def _boxes(content: Content, first: int, last: int, handlers: set[bytes]) -> set[bytes]:
    """Walk through the boxes and those inside them; add kinds of tracks to ``handlers``, return the outer kinds."""
    outer: set[bytes] = set()
    waiting = [(first, last)]
    number = 0
    while waiting:
        position, end = waiting.pop()
        is_outer = end == last and position == first
        while position < end:
            number += 1
            start, following, kind = _box(content, position, end)
            if number > _MOST_BOXES:
                raise Refused(Refusal.TOO_DIFFICULT)
            if is_outer:
                outer.add(kind)
            if kind in _MP4_CONTAINERS:
                waiting.append((start, following))
            elif kind == b"hdlr":
                handlers.add(content[start + 8 : start + 12])
            position = following
    return outer


def _box(content: Content, position: int, end: int) -> tuple[int, int, bytes]:
    """Return start and end of a box's content, and its kind."""
    length, kind = struct.unpack_from(">I4s", content, position)
    start = position + 8
    if length == 1:
        (length,) = struct.unpack_from(">Q", content, start)
        start += 8
    elif length == 0:
        length = end - position
    if position + length > end or position + length < start:
        raise Refused(Refusal.DAMAGED)
    if not all(0x20 <= byte < 0x7F or byte == 0xA9 for byte in kind):
        raise Refused(Refusal.DISGUISED)
    return start, position + length, kind


_WALKS: dict[str, Callable[[Content], float | None]] = {
    "mp3": _walk_mp3,
    "wav": _walk_wav,
    "m4a": _walk_m4a,
    "aac": _walk_aac,
    "ogg": _walk_ogg,
}
