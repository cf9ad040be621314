"""Word's newer documents: a zip of XML. The directory of the zip is looked at before anything is unpacked."""

from __future__ import annotations

import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import IO, Any
from xml.sax import SAXException
from xml.sax.handler import ContentHandler, feature_namespaces

from defusedxml import DefusedXmlException
from defusedxml.expatreader import DefusedExpatParser

from nxfs.files.errors import Refusal
from nxfs.files.inspection.verdict import Refused

MOST_ENTRIES = 2_000
MOST_UNPACKED_BYTES = 100 * 1024 * 1024
# Below a megabyte XML that repeats itself may well shrink to less than a hundredth.
MOST_RATIO = 200
RATIO_FROM_BYTES = 1024 * 1024

_END_BYTES = 22
_CHUNK_BYTES = 64 * 1024
_ENCRYPTED_FLAGS = 0x2041
_DESCRIPTOR_FLAG = 0x08
_LONGEST_DESCRIPTOR = 24
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_LONGEST_INSTRUCTION = 10_000

_TYPES_PART = "[Content_Types].xml"
_MAIN_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
_MACRO_TYPES = ("macroenabled", "vbaproject", "vbadata", "ms-word.attachedtoolbars")
_MACRO_PART = re.compile(r"vba(project|data)|/attachedtoolbars\.bin$", re.IGNORECASE)
_OBJECT_PART = re.compile(
    r"(^|/)(activex|oleobject|afchunk)|\.(exe|dll|js|vbs|hta|html?|mht|lnk|scr|bat)$", re.IGNORECASE
)
_EMBEDDED_PART = re.compile(r"(^|/)embeddings/", re.IGNORECASE)
_OFFICE_PART = re.compile(r"\.(xlsx|docx|pptx)$", re.IGNORECASE)
_DRIVE = re.compile(r"^[A-Za-z]:")
# Fields that start another program; and one that spells a field by the numbers of its letters.
_COMMAND = re.compile(r"^\s*(DDE(AUTO)?\b|QUOTE(\s+\d+){3})", re.IGNORECASE)
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    struct.error,
)


def inspect_docx(source: Path) -> None:
    """Require a Word document without macros, embedded programs and anything that is loaded from elsewhere.

    Raises ``Refused``.
    """
    try:
        with source.open("rb") as file:
            _inspect(file, source.stat().st_size, is_outer=True)
    except _DAMAGE:
        raise Refused(Refusal.DAMAGED) from None


def _inspect(file: IO[bytes], size: int, *, is_outer: bool) -> None:
    _require_bare_directory(file, size)
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        _require_modest(entries)
        _require_contiguous(file, entries, archive.start_dir)
        names = [entry.filename for entry in entries]
        if is_outer:
            _require_word(archive, names)
        for entry in entries:
            _inspect_entry(archive, entry, is_outer=is_outer)


def _require_bare_directory(file: IO[bytes], size: int) -> None:
    """Require that the zip begins with the file and ends with it."""
    if size < _END_BYTES:
        raise Refused(Refusal.DAMAGED)
    file.seek(0)
    head = file.read(4)
    file.seek(size - _END_BYTES)
    end = file.read(_END_BYTES)
    if head != b"PK\x03\x04":
        raise Refused(Refusal.DISGUISED)
    if end[:4] != b"PK\x05\x06":
        raise Refused(_what_follows(file, size))
    disk, _, here, entries, length, start, comment = struct.unpack("<HHHHIIH", end[4:])
    # 65,535 says that the true number stands elsewhere, and is too many anyway.
    if max(here, entries) > MOST_ENTRIES:
        raise Refused(Refusal.EXPANDS)
    if disk or here != entries or comment or start + length != size - _END_BYTES:
        raise Refused(Refusal.DISGUISED)
    # The number may lie.
    file.seek(start)
    if file.read(length).count(b"PK\x01\x02") > 2 * MOST_ENTRIES:
        raise Refused(Refusal.EXPANDS)


def _what_follows(file: IO[bytes], size: int) -> Refusal:
    file.seek(max(0, size - 2 * 65_536))
    return Refusal.DISGUISED if b"PK\x05\x06" in file.read() else Refusal.DAMAGED


def _require_modest(entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MOST_ENTRIES or sum(entry.file_size for entry in entries) > MOST_UNPACKED_BYTES:
        raise Refused(Refusal.EXPANDS)
    seen = set()
    for entry in entries:
        if entry.flag_bits & _ENCRYPTED_FLAGS:
            raise Refused(Refusal.ENCRYPTED)
        if entry.file_size > max(RATIO_FROM_BYTES, MOST_RATIO * entry.compress_size):
            raise Refused(Refusal.EXPANDS)
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Refused(Refusal.DAMAGED)
        if _is_strange(entry) or entry.filename.lower() in seen:
            raise Refused(Refusal.DISGUISED)
        seen.add(entry.filename.lower())


def _is_strange(entry: zipfile.ZipInfo) -> bool:
    # ``filename`` ends before a NUL and has the slashes of this system.
    name = entry.orig_filename
    if not name or name.startswith("/") or "\\" in name or "\0" in name or _DRIVE.match(name):
        return True
    return ".." in name.split("/") or stat.S_ISLNK(entry.external_attr >> 16)


def _require_contiguous(file: IO[bytes], entries: list[zipfile.ZipInfo], end: int) -> None:
    """Require that nothing stands between the entries, and that none overlaps another one."""
    position, slack = 0, 0
    for entry in sorted(entries, key=lambda each: each.header_offset):
        if not position <= entry.header_offset <= position + slack:
            raise Refused(Refusal.DISGUISED)
        file.seek(entry.header_offset)
        fields = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
        if fields[0] != b"PK\x03\x04" or fields[2] & _ENCRYPTED_FLAGS or fields[3] != entry.compress_type:
            raise Refused(Refusal.DISGUISED)
        position = entry.header_offset + _LOCAL_HEADER.size + fields[9] + fields[10] + entry.compress_size
        slack = _LONGEST_DESCRIPTOR if fields[2] & _DESCRIPTOR_FLAG else 0
    if not position <= end <= position + slack:
        raise Refused(Refusal.DISGUISED)


def _require_word(archive: zipfile.ZipFile, names: list[str]) -> None:
    if _TYPES_PART not in names or "_rels/.rels" not in names:
        raise Refused(Refusal.NOT_WHAT_IT_SAYS)
    main = _MainPart()
    _parse(archive, archive.getinfo("_rels/.rels"), main)
    types = _ContentTypes()
    _parse(archive, archive.getinfo(_TYPES_PART), types)
    name = main.name.lstrip("/")
    kind = types.kind_of(name)
    if any(word in kind.lower() for word in _MACRO_TYPES):
        raise Refused(Refusal.MACROS)
    if name not in names or kind != _MAIN_TYPE:
        raise Refused(Refusal.NOT_WHAT_IT_SAYS)


def _inspect_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, *, is_outer: bool) -> None:
    name = entry.filename
    if _MACRO_PART.search(name):
        raise Refused(Refusal.MACROS)
    if _OBJECT_PART.search(name):
        raise Refused(Refusal.ATTACHMENT)
    if _EMBEDDED_PART.search(name) and not entry.is_dir():
        if not is_outer or not _OFFICE_PART.search(name):
            raise Refused(Refusal.ATTACHMENT)
        _inspect_embedded(archive, entry)
    elif name == _TYPES_PART:
        _parse(archive, entry, _ContentTypes())
    elif name.lower().endswith(".rels"):
        _parse(archive, entry, _Relationships())
    elif name.lower().endswith((".xml", ".vml")):
        _parse(archive, entry, _Text())
    else:
        for _ in _content(archive, entry):
            pass


def _inspect_embedded(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """Look through an embedded table or document as through the outer one."""
    if entry.file_size > MOST_UNPACKED_BYTES // 4:
        raise Refused(Refusal.EXPANDS)
    content = b"".join(_content(archive, entry))
    if not content.startswith(b"PK\x03\x04"):
        raise Refused(Refusal.ATTACHMENT)
    _inspect(BytesIO(content), len(content), is_outer=False)


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield pieces of an entry, no more than the directory promises; the checksum is compared at the end."""
    left = entry.file_size
    with archive.open(entry) as part:
        while piece := part.read(_CHUNK_BYTES):
            left -= len(piece)
            if left < 0:
                raise Refused(Refusal.EXPANDS)
            yield piece
    if left:
        raise Refused(Refusal.DAMAGED)


def _parse(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, handler: ContentHandler) -> None:
    parser = DefusedExpatParser(forbid_dtd=True)
    parser.setFeature(feature_namespaces, False)
    parser.setContentHandler(handler)
    try:
        for piece in _content(archive, entry):
            parser.feed(piece)
        parser.close()
    except DefusedXmlException:
        raise Refused(Refusal.SCRIPT) from None
    except SAXException:
        raise Refused(Refusal.DAMAGED) from None


def _local(name: str) -> str:
    return name.rpartition(":")[2]


class _ContentTypes(ContentHandler):
    """Reads which part is of which type, and stops at types that are not accepted."""

    def __init__(self) -> None:
        super().__init__()
        self._by_part: dict[str, str] = {}
        self._by_extension: dict[str, str] = {}

    def startElement(self, name: str, attributes: Any) -> None:
        kind = attributes.get("ContentType", "")
        lowered = kind.lower()
        if any(word in lowered for word in _MACRO_TYPES):
            raise Refused(Refusal.MACROS)
        if "activex" in lowered:
            raise Refused(Refusal.ATTACHMENT)
        if _local(name) == "Override":
            self._by_part[attributes.get("PartName", "").lstrip("/").lower()] = kind
        elif _local(name) == "Default":
            self._by_extension[attributes.get("Extension", "").lower()] = kind

    def kind_of(self, part: str) -> str:
        """Return the type of ``part``, '' when it has none."""
        lowered = part.lower()
        return self._by_part.get(lowered) or self._by_extension.get(lowered.rpartition(".")[2], "")


class _MainPart(ContentHandler):
    """Reads which part the document is."""

    name = ""

    def startElement(self, name: str, attributes: Any) -> None:
        if _local(name) == "Relationship" and attributes.get("Type", "").endswith("/officeDocument"):
            self.name = attributes.get("Target", "")


class _Relationships(ContentHandler):
    """Stops at relations that load something: from elsewhere, or as a document of its own."""

    def startElement(self, name: str, attributes: Any) -> None:
        if _local(name) != "Relationship":
            return
        kind = attributes.get("Type", "").rpartition("/")[2].lower()
        if attributes.get("TargetMode", "").strip().lower() == "external" and kind != "hyperlink":
            raise Refused(Refusal.EXTERNAL)
        if kind in ("vbaproject", "wordvbadata", "keymapcustomizations", "attachedtoolbars"):
            raise Refused(Refusal.MACROS)
        if kind in ("afchunk", "oleobject", "control", "activexcontrolbinary"):
            raise Refused(Refusal.ATTACHMENT)


class _Text(ContentHandler):
    """Stops at fields that start another program; their words may be spread over many elements."""

    def __init__(self) -> None:
        super().__init__()
        # The instructions of the fields that are open, the innermost last.
        self._fields = [""]
        self._is_instruction = False

    def startElement(self, name: str, attributes: Any) -> None:
        local = _local(name)
        if local == "instrText":
            self._is_instruction = True
        elif local == "fldSimple":
            self._require_harmless(_attribute(attributes, "instr"))
        elif local == "fldChar":
            self._mark(_attribute(attributes, "fldCharType"))
        elif local == "altChunk":
            raise Refused(Refusal.ATTACHMENT)
        elif local == "ddeLink":
            raise Refused(Refusal.SCRIPT)

    def endElement(self, name: str) -> None:
        if _local(name) == "instrText":
            self._is_instruction = False

    def characters(self, content: str) -> None:
        if self._is_instruction and len(self._fields[-1]) < _LONGEST_INSTRUCTION:
            self._fields[-1] += content

    def endDocument(self) -> None:
        for instruction in self._fields:
            self._require_harmless(instruction)

    def _mark(self, kind: str) -> None:
        if kind == "begin":
            if len(self._fields) > _LONGEST_INSTRUCTION:
                raise Refused(Refusal.TOO_DIFFICULT)
            self._fields.append("")
        elif kind == "end":
            self._require_harmless(self._fields.pop())
            if not self._fields:
                self._fields.append("")

    @staticmethod
    def _require_harmless(instruction: str) -> None:
        if _COMMAND.match(instruction):
            raise Refused(Refusal.SCRIPT)


def _attribute(attributes: Any, local: str) -> str:
    for name in attributes.getNames():
        if _local(name) == local:
            return attributes.getValue(name)
    return ""
