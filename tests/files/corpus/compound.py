"""A writer of small OLE files: sectors of 512 bytes, all streams long enough to need no smaller ones."""

from __future__ import annotations

import struct

SECTOR = 512
_SHORTEST = 4096
_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
_STORAGE, _STREAM, _ROOT = 1, 2, 5
_MAGIC = bytes.fromhex("d0cf11e0a1b11ae1")


class _Entry:
    """A storage or stream; ``content`` is None for storages."""

    def __init__(self, name: str, content: bytes | None) -> None:
        self.name = name
        self.content = content
        self.children: list[_Entry] = []
        self.number = 0
        self.start = _END


def compound(streams: dict[str, bytes]) -> bytes:
    """Return an OLE file with ``streams``, whose names are paths (``Macros/VBA/dir``)."""
    root = _Entry("Root Entry", None)
    entries = [root]
    for path, content in streams.items():
        parent = root
        *folders, name = path.split("/")
        for folder in folders:
            found = next((child for child in parent.children if child.name == folder), None)
            if found is None:
                found = _Entry(folder, None)
                parent.children.append(found)
                entries.append(found)
            parent = found
        entry = _Entry(name, content.ljust(_SHORTEST, b"\0"))
        parent.children.append(entry)
        entries.append(entry)
    for number, entry in enumerate(entries):
        entry.number = number
    return _written(entries)


def _written(entries: list[_Entry]) -> bytes:
    table: list[int] = []
    body = b""

    def store(content: bytes) -> int:
        nonlocal body
        start, number = len(table), -(-len(content) // SECTOR)
        table.extend([*range(start + 1, start + number), _END])
        body += content.ljust(number * SECTOR, b"\0")
        return start

    for entry in entries:
        if entry.content is not None:
            entry.start = store(entry.content)
    directory = store(b"".join(_record(entry, entries) for entry in entries))
    sectors = 1
    while (len(table) + sectors) > sectors * SECTOR // 4:
        sectors += 1
    first = len(table)
    table.extend([_FAT] * sectors)
    table.extend([_FREE] * (sectors * SECTOR // 4 - len(table)))
    body += struct.pack(f"<{len(table)}I", *table)
    head = _MAGIC + bytes(16) + struct.pack("<HHHHH6xIIIIIIIII", 0x3E, 3, 0xFFFE, 9, 6, 0, sectors, directory, 0,
                                            _SHORTEST, _END, 0, _END, 0)  # fmt: skip
    places = [*range(first, first + sectors)]
    return head + struct.pack("<109I", *places, *[_FREE] * (109 - sectors)) + body


def _record(entry: _Entry, entries: list[_Entry]) -> bytes:
    kind = _ROOT if entry is entries[0] else _STORAGE if entry.content is None else _STREAM
    name = (entry.name + "\0").encode("utf-16-le")
    children = sorted(entry.children, key=lambda child: (len(child.name), child.name.upper()))
    child = children[0].number if children else _FREE
    parent = next((each for each in entries if entry in each.children), None)
    following = _FREE
    if parent is not None:
        siblings = sorted(parent.children, key=lambda each: (len(each.name), each.name.upper()))
        place = siblings.index(entry) + 1
        following = siblings[place].number if place < len(siblings) else _FREE
    start = 0 if kind == _STORAGE else entry.start
    return (
        name.ljust(64, b"\0")
        + struct.pack("<HBBIII", len(name), kind, 1, _FREE, following, child)
        + bytes(36)
        + struct.pack("<IQ", start, len(entry.content or b""))
    )
