"""Word's newer documents: a zip of XML. The directory of the zip is looked at before anything is unpacked."""

from __future__ import annotations

import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
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
_MOST_OPEN_FIELDS = 10_000

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
# Marks of an encoding, halves of letters of two bytes, and spaces: what may stand before the first '<' of XML.
_BEFORE_XML = b"\xef\xbb\xbf\xfe\xff\0 \t\r\n"

_WORD_NAMESPACES = (
    "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "http://purl.oclc.org/ooxml/wordprocessingml/main",
)
# Stands in an instruction for a field inside of it; no XML holds it.
_INNER = "\0"
# Fields that start another program; and one that spells a field by the numbers of its letters.
_COMMAND = re.compile(r"[\s\0]*(DDE(AUTO)?\b|QUOTE(\s+\d+){3})", re.IGNORECASE)
# Fields that load a file, and what they name when it is not on the reader's own disk: a URL (a drive has one letter),
# a share of the network, or whatever the field inside results in.
_LOADING = re.compile(r"[\s\0]*(INCLUDE(PICTURE|TEXT)?|LINK|IMPORT|DATABASE|RD)\b", re.IGNORECASE)
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]+:[/\\]|[\s\"'“”„=;][/\\]{2}\S|\0", re.IGNORECASE)
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
        types = _read_types(archive, names)
        if is_outer:
            _require_word(archive, names, types)
        for entry in entries:
            _inspect_entry(archive, entry, types, is_outer=is_outer)


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


def _read_types(archive: zipfile.ZipFile, names: list[str]) -> _ContentTypes:
    types = _ContentTypes()
    for name in names:
        if name.lower() == _TYPES_PART.lower():
            _parse(archive, archive.getinfo(name), types)
    return types


def _require_word(archive: zipfile.ZipFile, names: list[str], types: _ContentTypes) -> None:
    if _TYPES_PART not in names or "_rels/.rels" not in names:
        raise Refused(Refusal.NOT_WHAT_IT_SAYS)
    main = _MainPart()
    _parse(archive, archive.getinfo("_rels/.rels"), main)
    name = main.name.lstrip("/")
    if name not in names or not name.lower().endswith(".xml") or types.kind_of(name) != _MAIN_TYPE:
        raise Refused(Refusal.NOT_WHAT_IT_SAYS)


def _inspect_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, types: _ContentTypes, *, is_outer: bool) -> None:
    name = entry.filename
    if _MACRO_PART.search(name):
        raise Refused(Refusal.MACROS)
    if _OBJECT_PART.search(name):
        raise Refused(Refusal.ATTACHMENT)
    if _EMBEDDED_PART.search(name) and not entry.is_dir():
        if not is_outer or not _OFFICE_PART.search(name):
            raise Refused(Refusal.ATTACHMENT)
        _inspect_embedded(archive, entry)
    else:
        _inspect_part(archive, entry, types.kind_of(name))


def _inspect_part(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, kind: str) -> None:
    """Look through a part that is XML by its name, its type or its first bytes: Word goes by none of them alone."""
    name = entry.filename.lower()
    if name.endswith(".rels"):
        _parse(archive, entry, _Relationships())
    # Every part has a type; what is unpacked from a directory is empty.
    is_said_to_be_xml = name.endswith((".xml", ".vml", ".rels")) or kind.endswith("xml") or not (kind or entry.is_dir())
    text = _Text()
    start = _start(archive, entry)
    if is_said_to_be_xml or start.startswith(b"<"):
        try:
            _parse(archive, entry, text)
        except _NotWellFormedError:
            # The first letter of a font or a picture may be a '<' by chance.
            if is_said_to_be_xml or text.has_begun or start.startswith(b"<?xml"):
                raise Refused(Refusal.DAMAGED) from None
    for _ in _content(archive, entry):
        pass


def _start(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Return the beginning of an entry, from where XML would begin, letters of two bytes made one."""
    for piece in _content(archive, entry):
        if start := piece.lstrip(_BEFORE_XML):
            return start[:16].replace(b"\0", b"")
    return b""


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


class _NotWellFormedError(Refused):
    """An entry that was to be parsed is no XML."""

    def __init__(self) -> None:
        super().__init__(Refusal.DAMAGED)


def _parse(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, handler: ContentHandler) -> None:
    parser = DefusedExpatParser(forbid_dtd=True)
    parser.setFeature(feature_namespaces, True)
    parser.setContentHandler(handler)
    try:
        for piece in _content(archive, entry):
            parser.feed(piece)
        parser.close()
    except DefusedXmlException:
        raise Refused(Refusal.SCRIPT) from None
    except SAXException:
        raise _NotWellFormedError from None


class _ContentTypes(ContentHandler):
    """Reads which part is of which type, and stops at types that are not accepted."""

    def __init__(self) -> None:
        super().__init__()
        self._by_part: dict[str, str] = {}
        self._by_extension: dict[str, str] = {}

    def startElementNS(self, name: tuple[str | None, str], qname: None, attributes: Any) -> None:
        kind = _plain(attributes, "ContentType").strip().lower()
        if any(word in kind for word in _MACRO_TYPES):
            raise Refused(Refusal.MACROS)
        if "activex" in kind:
            raise Refused(Refusal.ATTACHMENT)
        if name[1] == "Override":
            self._by_part[_plain(attributes, "PartName").lstrip("/").lower()] = kind
        elif name[1] == "Default":
            self._by_extension[_plain(attributes, "Extension").lower()] = kind

    def kind_of(self, part: str) -> str:
        """Return the type of ``part`` in small letters, '' when it has none."""
        lowered = part.lower()
        return self._by_part.get(lowered) or self._by_extension.get(lowered.rpartition(".")[2], "")


class _MainPart(ContentHandler):
    """Reads which part the document is."""

    name = ""

    def startElementNS(self, name: tuple[str | None, str], qname: None, attributes: Any) -> None:
        if name[1] == "Relationship" and _plain(attributes, "Type").endswith("/officeDocument"):
            self.name = _plain(attributes, "Target")


class _Relationships(ContentHandler):
    """Stops at relations that load something: from elsewhere, or as a document of its own."""

    def startElementNS(self, name: tuple[str | None, str], qname: None, attributes: Any) -> None:
        if name[1] != "Relationship":
            return
        kind = _plain(attributes, "Type").rpartition("/")[2].lower()
        if _plain(attributes, "TargetMode").strip().lower() == "external" and kind != "hyperlink":
            raise Refused(Refusal.EXTERNAL)
        if kind in ("vbaproject", "wordvbadata", "keymapcustomizations", "attachedtoolbars"):
            raise Refused(Refusal.MACROS)
        if kind in ("afchunk", "oleobject", "control", "activexcontrolbinary"):
            raise Refused(Refusal.ATTACHMENT)


@dataclass
class _Field:
    """A field: its instruction as far as it is read, and whether more of it is to come before its result."""

    instruction: str = ""
    is_instruction: bool = True

    def add(self, text: str) -> None:
        """Add ``text`` to the instruction, of which the beginning counts: a program may keep its data in the rest."""
        if not self.instruction.strip(_INNER):
            text = text.lstrip()
        if len(self.instruction) <= _LONGEST_INSTRUCTION:
            self.instruction += text

    def mark_inner(self) -> None:
        """Note that a field inside writes a part of the instruction."""
        if self.is_instruction and not self.instruction.endswith(_INNER):
            self.add(_INNER)

    def require_harmless(self) -> None:
        """Stop at an instruction that starts a program or loads something from elsewhere."""
        if _COMMAND.match(self.instruction):
            raise Refused(Refusal.SCRIPT)
        if _LOADING.match(self.instruction):
            is_cut = len(self.instruction) > _LONGEST_INSTRUCTION
            if is_cut or _ELSEWHERE.search(self.instruction):
                raise Refused(Refusal.EXTERNAL)


class _Text(ContentHandler):
    """Stops at fields that do more than show something; their words may be spread over many elements.

    Only Word's own elements count: others, which Word passes over, could be put between the words.
    """

    def __init__(self) -> None:
        super().__init__()
        self.has_begun = False
        # Those that are open, the innermost last. The first is none: it takes what stands outside of all fields.
        self._fields = [_Field(is_instruction=False)]
        self._is_instruction = False

    def startElementNS(self, name: tuple[str | None, str], qname: None, attributes: Any) -> None:
        self.has_begun = True
        namespace, local = name
        if local == "altChunk":
            raise Refused(Refusal.ATTACHMENT)
        if local == "ddeLink":
            raise Refused(Refusal.SCRIPT)
        if local == "AlternateContent" and self._fields[-1].is_instruction:
            # Word reads one of several texts, and which one depends on Word.
            raise Refused(Refusal.SCRIPT)
        if namespace not in _WORD_NAMESPACES:
            return
        if local == "instrText":
            self._is_instruction = True
        elif local == "fldSimple":
            self._fields[-1].mark_inner()
            field = _Field()
            field.add(_own(attributes, namespace, "instr"))
            field.require_harmless()
        elif local == "fldChar":
            self._mark(_own(attributes, namespace, "fldCharType"))

    def endElementNS(self, name: tuple[str | None, str], qname: None) -> None:
        if name[0] in _WORD_NAMESPACES and name[1] == "instrText":
            self._is_instruction = False

    def characters(self, content: str) -> None:
        if self._is_instruction:
            self._fields[-1].add(content)

    def endDocument(self) -> None:
        for field in self._fields:
            field.require_harmless()

    def _mark(self, kind: str) -> None:
        if kind == "begin":
            if len(self._fields) > _MOST_OPEN_FIELDS:
                raise Refused(Refusal.TOO_DIFFICULT)
            self._fields[-1].mark_inner()
            self._fields.append(_Field())
        elif kind == "separate":
            self._fields[-1].is_instruction = False
        elif kind == "end":
            self._fields.pop().require_harmless()
            if not self._fields:
                self._fields.append(_Field(is_instruction=False))


def _plain(attributes: Any, local: str) -> str:
    """Return an attribute without a namespace."""
    return attributes.get((None, local), "")


def _own(attributes: Any, namespace: str, local: str) -> str:
    """Return an attribute of the element's namespace, or without one."""
    return attributes.get((namespace, local)) or _plain(attributes, local)
