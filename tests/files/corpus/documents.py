"""Documents: PDF, Word's older and its newer format."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable

import pikepdf
from pikepdf import Array, Dictionary, Name, String

from nxfs.files.errors import Refusal
from nxfs.files.formats import IMAGES, MEGABYTE, OLE_TYPES, WORD_TYPE
from tests.files.corpus.compound import compound
from tests.files.corpus.pictures import PAYLOAD, archive
from tests.files.corpus.sample import ACCEPTED, Sample

_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_STRICT_WORD = "http://purl.oclc.org/ooxml/wordprocessingml/main"
_MAIN_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
_HEADER_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.header+xml"
_BEGIN, _SEPARATE, _END = (f'<w:r><w:fldChar w:fldCharType="{kind}"/></w:r>' for kind in ("begin", "separate", "end"))
_SCRIPT = Dictionary(S=Name.JavaScript, JS=String("app.alert(1)"))


def pdf(change: Callable[[pikepdf.Pdf], None] | None = None, **options: object) -> bytes:
    """Return a PDF of one page after ``change``."""
    with pikepdf.new() as document:
        document.add_blank_page()
        if change is not None:
            change(document)
        file = io.BytesIO()
        document.save(file, deterministic_id="encryption" not in options, **options)
    return file.getvalue()


def _action(name: str, **values: object) -> Callable[[pikepdf.Pdf], None]:
    def change(document: pikepdf.Pdf) -> None:
        document.Root.OpenAction = Dictionary({"/S": Name(name), **{f"/{key}": value for key, value in values.items()}})

    return change


def _open_script(document: pikepdf.Pdf) -> None:
    document.Root.OpenAction = _SCRIPT


def _script_of_annotation(document: pikepdf.Pdf) -> None:
    box = Array([0, 0, 9, 9])
    link = Dictionary(Type=Name.Annot, Subtype=Name.Link, Rect=box, AA=Dictionary(E=_SCRIPT))
    document.pages[0].Annots = Array([document.make_indirect(link)])


def _script_of_page(document: pikepdf.Pdf) -> None:
    document.pages[0].AA = Dictionary(O=_SCRIPT)


def _script_in_names(document: pikepdf.Pdf) -> None:
    scripts = Dictionary(Names=Array([String("x"), document.make_indirect(Dictionary(S=Name("/JavaScript")))]))
    document.Root.Names = Dictionary(JavaScript=scripts)


def _attached(document: pikepdf.Pdf) -> None:
    document.attachments["evil.exe"] = b"MZ"


def _file_annotation(document: pikepdf.Pdf) -> None:
    note = Dictionary(Type=Name.Annot, Subtype=Name.FileAttachment, Rect=Array([0, 0, 9, 9]))
    document.pages[0].Annots = Array([document.make_indirect(note)])


def _form(document: pikepdf.Pdf) -> None:
    document.Root.AcroForm = Dictionary(XFA=document.make_stream(b"<xdp/>"), Fields=Array([]))


def _link(document: pikepdf.Pdf) -> None:
    action = Dictionary(S=Name.URI, URI=String("https://example.org"))
    link = Dictionary(Type=Name.Annot, Subtype=Name.Link, Rect=Array([0, 0, 9, 9]), A=action)
    document.pages[0].Annots = Array([document.make_indirect(link)])


def _without_pages() -> bytes:
    return b"%PDF-1.4\n1 0 obj\n<</Type/Catalog>>\nendobj\ntrailer\n<</Root 1 0 R>>\n%%EOF\n"


def _hidden_name() -> bytes:
    """Return a PDF that writes a name of a script with numbers of letters, in an object nobody refers to."""
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>",
        b"<</S/J#61vaScript/J#53(app.alert(1))>>",
    )
    body, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"xref\n0 5\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
    return body + table + b"trailer\n<</Size 5/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % len(body)


def _bomb_in_object_stream() -> bytes:
    """Return a PDF with a script in a stream of objects that unpacks to 400 MB, which only the script needs."""
    objects = b"5 0 <</S/JavaScript/JS(app.alert(1))>>"
    packer = zlib.compressobj(1)
    spaces = b" " * MEGABYTE
    packed = packer.compress(objects) + b"".join([packer.compress(spaces) for _ in range(400)]) + packer.flush()
    head = b"<</Type/ObjStm/N 1/First 4/Filter/FlateDecode/Length %d>>\nstream\n" % len(packed)
    bodies = (
        b"<</Type/Catalog/Pages 2 0 R/OpenAction 5 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>",
        head + packed + b"\nendstream",
    )
    body, table = b"%PDF-1.5\n", struct.pack(">BIH", 0, 0, 65535)
    for number, content in enumerate(bodies, 1):
        table += struct.pack(">BIH", 1, len(body), 0)
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table += struct.pack(">BIH", 2, 4, 0) + struct.pack(">BIH", 1, len(body), 0)
    directory = b"<</Type/XRef/Size 7/W[1 4 2]/Root 1 0 R/Length %d>>\nstream\n" % len(table)
    end = b"\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n" % len(body)
    return body + b"6 0 obj\n" + directory + table + end


def doc(streams: dict[str, bytes] | None = None, flags: int = 0) -> bytes:
    """Return an older Word document with ``streams`` more."""
    header = struct.pack("<HHHHHH", 0xA5EC, 0xC1, 0, 0x409, 0, flags)
    return compound({"WordDocument": header, "1Table": b"table", **(streams or {})})


def docx(
    parts: dict[str, bytes] | None = None, *, kind: str = _MAIN_TYPE, main: str = "word/document.xml", types: str = ""
) -> bytes:
    """Return a newer Word document; ``parts`` replace or add parts, ``types`` are entries of the list of types."""
    content = {
        "[Content_Types].xml": _types(kind, types, main=main),
        "_rels/.rels": _relations(("officeDocument", main, "")),
        main: _document("<w:r><w:t>Hello</w:t></w:r>"),
        "word/_rels/document.xml.rels": _relations(("hyperlink", "https://example.org", "External")),
        **(parts or {}),
    }
    return zipped(content)


def zipped(content: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip with the same bytes every time."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as written:
        for name, part in content.items():
            written.writestr(zipfile.ZipInfo(name), part, compression)
    return file.getvalue()


def _types(kind: str, more: str = "", *, main: str = "word/document.xml") -> bytes:
    by_extension = {
        "xml": "application/xml",
        "rels": "application/vnd.openxmlformats-package.relationships+xml",
        "png": "image/png",
        "bin": "application/octet-stream",
    }
    types = "".join(_type_of(extension, each) for extension, each in by_extension.items())
    types += f'<Override PartName="/{main}" ContentType="{kind}"/>{more}'
    return f'<?xml version="1.0"?><Types xmlns="{_PACKAGE}/content-types">{types}</Types>'.encode()


def _type_of(extension: str, kind: str) -> str:
    return f'<Default Extension="{extension}" ContentType="{kind}"/>'


def _relations(*relations: tuple[str, str, str]) -> bytes:
    found = "".join(
        f'<Relationship Id="r{number}" Type="{_OFFICE}/{kind}" Target="{target}"'
        + (f' TargetMode="{mode}"/>' if mode else "/>")
        for number, (kind, target, mode) in enumerate(relations)
    )
    return f'<?xml version="1.0"?><Relationships xmlns="{_PACKAGE}/relationships">{found}</Relationships>'.encode()


def _document(content: str, before: str = "") -> bytes:
    return (
        f'<?xml version="1.0"?>{before}<w:document xmlns:w="{_WORD}"><w:body>{content}</w:body></w:document>'.encode()
    )


def _instruction(*pieces: str) -> str:
    return "".join(f"<w:r><w:instrText>{piece}</w:instrText></w:r>" for piece in pieces)


def _field(*pieces: str) -> bytes:
    return _document(f"{_BEGIN}{_instruction(*pieces)}{_END}")


def _with(content: str) -> Callable[[], bytes]:
    """Return what builds a document with ``content`` in its text."""
    return lambda: docx({"word/document.xml": _document(content)})


def _with_field(*pieces: str) -> Callable[[], bytes]:
    return lambda: docx({"word/document.xml": _field(*pieces)})


def _with_simple_field(instruction: str) -> Callable[[], bytes]:
    return _with(f'<w:fldSimple w:instr="{instruction}"/>')


def _with_part(name: str, content: bytes, kind: str | None = None) -> Callable[[], bytes]:
    """Return what builds a document with another part, of the type ``kind`` or without one."""
    types = "" if kind is None else f'<Override PartName="/{name}" ContentType="{kind}"/>'
    return lambda: docx({name: content}, types=types)


def _main_without_xml(content: bytes) -> Callable[[], bytes]:
    """Return what builds a document whose text is in a part that is not called .xml."""
    return lambda: docx({"word/document.dat": content}, main="word/document.dat")


def _with_one_instruction(instruction: str) -> Callable[[], bytes]:
    return _with_simple_field(instruction.replace('"', "&quot;"))


def _alternative(content: str) -> str:
    """Return ``content`` as what Word shows when it knows something that it does not know."""
    namespace = "http://schemas.openxmlformats.org/markup-compatibility/2006"
    choice = f'<mc:Choice xmlns:x="urn:x" Requires="x">{content}</mc:Choice>'
    return f'<mc:AlternateContent xmlns:mc="{namespace}">{choice}</mc:AlternateContent>'


def _many_entries() -> bytes:
    return zipped({f"{number:x}": b"" for number in range(100_000)}, zipfile.ZIP_STORED)


def _laughs() -> bytes:
    entities = '<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10))
    return docx({"word/document.xml": _document("&a9;", f"<!DOCTYPE x [{entities}]>")})


def _external_entity() -> bytes:
    return _document("&a;", '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>')


def _gap() -> bytes:
    """Return a document with a payload between its parts and their directory."""
    content = docx()
    start = content.index(b"PK\x01\x02")
    end = bytearray(content[-22:])
    end[16:20] = struct.pack("<I", start + len(PAYLOAD))
    return content[:start] + PAYLOAD + content[start:-22] + bytes(end)


def _encrypted_entry() -> bytes:
    content = bytearray(docx())
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        position = content.index(signature)
        content[position + place] |= 1
    return bytes(content)


def _link_entry() -> bytes:
    file = io.BytesIO(docx())
    with zipfile.ZipFile(file, "a") as written:
        entry = zipfile.ZipInfo("word/link.xml")
        entry.external_attr = 0o120777 << 16
        written.writestr(entry, "/etc/passwd")
    return file.getvalue()


def _twice() -> bytes:
    first = docx()
    return (
        first.replace(b"1ord/document.xml", b"word/document.xml")
        if b"1ord" in first
        else _renamed_entry(
            {"word/second.xml": b"<a/>"}, b"word/second.xml", b"word/styleS.xml", {"word/styles.xml": b"<a/>"}
        )
    )


def _renamed_entry(parts: dict[str, bytes], old: bytes, new: bytes, more: dict[str, bytes] | None = None) -> bytes:
    return docx({**parts, **(more or {})}).replace(old, new)


def _slip(name: bytes) -> Callable[[], bytes]:
    """Return what builds a document with a part called ``name``."""
    placeholder = "word/" + "q" * (len(name) - 5)
    return lambda: _renamed_entry({placeholder: b"<a/>"}, placeholder.encode(), name)


def _embedding(name: str, content: bytes) -> Callable[[], bytes]:
    return lambda: docx({f"word/embeddings/{name}": content})


def _table(parts: dict[str, bytes] | None = None) -> bytes:
    return zipped({"[Content_Types].xml": _types("application/x"), "xl/workbook.xml": b"<workbook/>", **(parts or {})})


def _pdf(name: str, build: Callable[[], bytes], verdict: Refusal | str) -> Sample:
    return Sample(f"pdf {name}", "paper.pdf", "application/pdf", build, verdict)


def _docx(name: str, build: Callable[[], bytes], verdict: Refusal | str) -> Sample:
    return Sample(f"docx {name}", "paper.docx", WORD_TYPE, build, verdict)


def _doc(name: str, build: Callable[[], bytes], verdict: Refusal | str) -> Sample:
    return Sample(f"doc {name}", "paper.doc", OLE_TYPES[0], build, verdict)


def _pdfs() -> list[Sample]:
    packed = pikepdf.ObjectStreamMode.generate
    locked = pikepdf.Encryption(owner="owner", user="")
    script, attachment = Refusal.SCRIPT, Refusal.ATTACHMENT
    return [
        _pdf("ordinary", pdf, ACCEPTED),
        _pdf("with a link", lambda: pdf(_link), ACCEPTED),
        _pdf("with packed objects", lambda: pdf(_link, object_stream_mode=packed), ACCEPTED),
        _pdf("with spaces behind", lambda: pdf() + b" \r\n\0\n", ACCEPTED),
        _pdf("empty", bytes, Refusal.EMPTY),
        _pdf("truncated", lambda: pdf()[:-40], Refusal.DAMAGED),
        _pdf("header only", lambda: b"%PDF-1.7\n%%EOF", Refusal.DAMAGED),
        _pdf("without pages", _without_pages, Refusal.DAMAGED),
        _pdf("with a script on opening", lambda: pdf(_open_script), script),
        _pdf("with a script in packed objects", lambda: pdf(_script_of_annotation, object_stream_mode=packed), script),
        _pdf("with a script in an annotation", lambda: pdf(_script_of_annotation), script),
        _pdf("with a script of a page", lambda: pdf(_script_of_page), script),
        _pdf("with a script among the names", lambda: pdf(_script_in_names), script),
        _pdf("with a hidden script nobody refers to", _hidden_name, script),
        _pdf("that launches", lambda: pdf(_action("/Launch", F=String("cmd.exe"))), script),
        _pdf("that submits", lambda: pdf(_action("/SubmitForm", F=String("https://example.org"))), script),
        _pdf("that imports", lambda: pdf(_action("/ImportData", F=String("x"))), script),
        _pdf("that goes to an embedded file", lambda: pdf(_action("/GoToE")), script),
        _pdf("with XFA", lambda: pdf(_form), script),
        _pdf("with an embedded file", lambda: pdf(_attached), attachment),
        _pdf("with a file in an annotation", lambda: pdf(_file_annotation), attachment),
        _pdf("under a password", lambda: pdf(encryption=pikepdf.Encryption(owner="o", user="u")), Refusal.ENCRYPTED),
        _pdf("encrypted without a password", lambda: pdf(encryption=locked), Refusal.ENCRYPTED),
        _pdf("with data behind", lambda: pdf() + PAYLOAD, Refusal.DISGUISED),
        _pdf("with a zip behind", lambda: pdf() + archive(), Refusal.DISGUISED),
        _pdf("behind a zip", lambda: archive() + pdf(), Refusal.NOT_WHAT_IT_SAYS),
        _pdf("behind html", lambda: PAYLOAD + pdf(), Refusal.FORMAT_NOT_ALLOWED),
        _pdf("bomb of objects", _bomb_in_object_stream, Refusal.EXPANDS),
        _pdf("that is a program", lambda: b"MZ" + bytes(600), Refusal.FORMAT_NOT_ALLOWED),
        _pdf("that is html", lambda: PAYLOAD, Refusal.FORMAT_NOT_ALLOWED),
        Sample("pdf as jpg", "a.jpg", "image/jpeg", pdf, Refusal.NOT_WHAT_IT_SAYS),
        Sample("pdf among images", "a.pdf", "application/pdf", pdf, Refusal.FORMAT_NOT_ALLOWED, rule=IMAGES),
    ]  # fmt: skip


def _docs() -> list[Sample]:
    return [
        _doc("ordinary", doc, ACCEPTED),
        _doc("empty", bytes, Refusal.EMPTY),
        _doc("truncated", lambda: doc()[:-3000], Refusal.DAMAGED),
        _doc("header only", lambda: doc()[:100], Refusal.DAMAGED),
        _doc("with macros", lambda: doc({"Macros/VBA/dir": b"x"}), Refusal.MACROS),
        _doc("with macros elsewhere", lambda: doc({"Odd/_VBA_PROJECT": b"x"}), Refusal.MACROS),
        _doc("with an object", lambda: doc({"ObjectPool/_1/\x01Ole10Native": b"x"}), Refusal.ATTACHMENT),
        _doc("encrypted", lambda: doc(flags=0x0100), Refusal.ENCRYPTED),
        _doc("that is a table", lambda: compound({"Workbook": b"x"}), Refusal.NOT_WHAT_IT_SAYS),
        _doc("that is an installer", lambda: compound({"\x05SummaryInformation": b"x"}), Refusal.NOT_WHAT_IT_SAYS),
        _docx("under a password", lambda: compound({"EncryptedPackage": b"x"}), Refusal.ENCRYPTED),
    ]


def _docxs() -> list[Sample]:
    def related(*relation: str) -> Callable[[], bytes]:
        return lambda: docx({"word/_rels/document.xml.rels": _relations(relation)})

    expands, disguised, script = Refusal.EXPANDS, Refusal.DISGUISED, Refusal.SCRIPT
    attachment, macros, external = Refusal.ATTACHMENT, Refusal.MACROS, Refusal.EXTERNAL
    macro_type = "application/vnd.ms-word.document.macroEnabled.main+xml"
    font_type = "application/vnd.openxmlformats-officedocument.obfuscatedFont"
    dde = _field("DDEAUTO c:\\cmd.exe")
    return [
        _docx("ordinary", docx, ACCEPTED),
        _docx("with a page number", _with_field("PAGE"), ACCEPTED),
        _docx("with a field that links", _with_field(' HYPERLINK "https://example.org" '), ACCEPTED),
        _docx("with a citation", _with_field(" ADDIN CITE ", '{"title": "The DDE link", "url": "https://a.no/"}',
              "x" * 30_000), ACCEPTED),
        _docx("with a picture from a mail", _with_field(' INCLUDEPICTURE "cid:image001.png@01D7" \\* MERGEFORMAT '),
              ACCEPTED),
        _docx("with a picture from its disk", _with_field(r' INCLUDEPICTURE "C:\\Users\\kari\\a.png" \d '), ACCEPTED),
        _docx("with a link to a table on its disk",
              _with_field(r' LINK Excel.Sheet.12 C:\\kari\\a.xlsx "Ark1!R1C1" \a \f 0 '), ACCEPTED),
        _docx("with a field in the result of a picture", _with(
            f"{_BEGIN}{_instruction('INCLUDEPICTURE a.png ')}{_SEPARATE}{_BEGIN}{_instruction('PAGE')}{_END}{_END}"),
            ACCEPTED),
        _docx("with alternatives in its text", _with(_alternative("<w:r><w:t>x</w:t></w:r>")), ACCEPTED),
        _docx("with a font that begins like XML",
              _with_part("word/fonts/font1.odttf", b"<a" + bytes(range(256)), font_type), ACCEPTED),
        _docx("with a drawing", _with_part("word/media/a.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>',
              "image/svg+xml"), ACCEPTED),
        _docx("with a directory", lambda: docx({"word/media/": b""}), ACCEPTED),
        _docx("with a table inside", _embedding("a.xlsx", _table()), ACCEPTED),
        _docx("empty", bytes, Refusal.EMPTY),
        _docx("truncated", lambda: docx()[:-100], Refusal.DAMAGED),
        _docx("header only", lambda: docx()[:40], Refusal.DAMAGED),
        _docx("with a wrong checksum", lambda: docx({"word/a.bin": PAYLOAD}).replace(
            struct.pack("<I", zlib.crc32(PAYLOAD)), b"\1\2\3\4"), Refusal.DAMAGED),
        _docx("bomb by ratio", lambda: docx({"word/a.xml": bytes(20 * MEGABYTE)}), expands),
        _docx("bomb by total", lambda: docx({f"word/{n}.bin": bytes(1000_000) for n in range(120)}), expands),
        _docx("of 100000 parts", _many_entries, expands),
        _docx("with a path upwards", _slip(b"word/../../../evil"), disguised),
        _docx("with an absolute path", _slip(b"/etc/cron.d/evil"), disguised),
        _docx("with a backslash", _slip(b"word\\..\\..\\evil"), disguised),
        _docx("with a drive", _slip(b"C:/windows/evil.x"), disguised),
        _docx("with a link", _link_entry, disguised),
        _docx("with a part twice", _twice, disguised),
        _docx("behind a program", lambda: b"MZ" + docx(), Refusal.FORMAT_NOT_ALLOWED),
        _docx("with a zip in front", lambda: archive() + docx(), disguised),
        _docx("with data behind", lambda: docx() + PAYLOAD, disguised),
        _docx("with data between", _gap, disguised),
        _docx("with an encrypted part", _encrypted_entry, Refusal.ENCRYPTED),
        _docx("with an external entity", lambda: docx({"word/document.xml": _external_entity()}), script),
        _docx("with a billion laughs", _laughs, script),
        _docx("with macros", lambda: docx({"word/vbaProject.bin": b"x"}), macros),
        _docx("of the type with macros", lambda: docx(kind=macro_type), macros),
        _docx("with macros of another name", related("vbaProject", "word/x.bin", ""), macros),
        _docx("with an external template", related("attachedTemplate", "https://example.org/a.dotm", "External"),
              external),
        _docx("with an external image", related("image", "https://example.org/a.png", "External"), external),
        _docx("with another format inside", related("aFChunk", "a.html", ""), attachment),
        _docx("with ActiveX", lambda: docx({"word/activeX/activeX1.bin": b"x"}), attachment),
        _docx("with an object", _embedding("oleObject1.bin", b"x"), attachment),
        _docx("with a program inside", _embedding("a.exe", b"MZ"), attachment),
        _docx("with macros in a table inside", _embedding("a.xlsx", _table({"xl/vbaProject.bin": b"x"})), macros),
        _docx("with DDE", lambda: docx({"word/document.xml": dde}), script),
        _docx("with DDE in pieces", _with_field(" D", "DEA", "UTO x"), script),
        _docx("with DDE behind spaces", _with_field(" " * 20_000, "DDEAUTO x"), script),
        _docx("with DDE behind a field", _with(
            f"{_BEGIN}{_BEGIN}{_instruction('SET a b')}{_END}{_instruction('DDEAUTO x')}{_END}"), script),
        _docx("with DDE between words that Word passes over", _with(
            f"{_BEGIN}<x:r xmlns:x='urn:x'><x:instrText>PAGE</x:instrText></x:r>{_instruction('DDEAUTO x')}{_END}"),
            script),
        _docx("with DDE behind an alternative", _with(
            f"{_BEGIN}{_alternative(_instruction('PAGE'))}{_instruction('DDEAUTO x')}{_END}"), script),
        _docx("with DDE in a simple field", _with_simple_field(" DDE Excel x "), script),
        _docx("with DDE in a simple field of two instructions", _with(
            '<w:fldSimple xmlns:x="urn:x" x:instr="PAGE" w:instr="DDE Excel x"/>'), script),
        _docx("with DDE in the strict namespace", lambda: docx(
            {"word/document.xml": dde.replace(_WORD.encode(), _STRICT_WORD.encode())}), script),
        _docx("with a main part that is not called XML", _main_without_xml(_document("")), Refusal.NOT_WHAT_IT_SAYS),
        _docx("with DDE in a main part that is not called XML", _main_without_xml(dde), Refusal.NOT_WHAT_IT_SAYS),
        _docx("with an entity in a main part that is not called XML", _main_without_xml(_external_entity()),
              Refusal.NOT_WHAT_IT_SAYS),
        _docx("with DDE in XML by type", _with_part("word/header1.dat", dde, _HEADER_TYPE), script),
        _docx("with DDE in XML by type of the extension", lambda: docx(
            {"word/header1.dat": dde}, types=_type_of("DAT", _HEADER_TYPE)), script),
        _docx("with DDE in XML without a type", _with_part("word/header1.dat", dde), script),
        _docx("with DDE in XML by content", _with_part("word/header1.dat", dde, "image/png"), script),
        _docx("with DDE in XML by content behind spaces",
              _with_part("word/header1.dat", b"\xef\xbb\xbf" + b" " * 200_000 + dde[21:], "image/png"), script),
        _docx("with DDE in XML of two bytes", _with_part(
            "word/header1.dat", dde.decode().encode("utf-16"), "image/png"), script),
        _docx("with DDE in a part called like relations", _with_part("word/header1.rels", dde, _HEADER_TYPE), script),
        _docx("with an entity in XML by type", _with_part("word/a.dat", _external_entity(), _HEADER_TYPE), script),
        _docx("with an entity in XML without a type", _with_part("word/a.dat", _external_entity()), script),
        _docx("with an entity in XML by content", _with_part("word/a.dat", _external_entity(), "image/png"), script),
        _docx("with broken XML by type", _with_part("word/a.dat", PAYLOAD + b"<", _HEADER_TYPE), Refusal.DAMAGED),
        _docx("with broken XML by content", _with_part("word/a.dat", _document("")[:-20], "image/png"),
              Refusal.DAMAGED),
        _docx("with XML in an unknown encoding", _with_part(
            "word/a.dat", dde.replace(b'"?>', b'" encoding="x-1"?>', 1), "image/png"), Refusal.DAMAGED),
        _docx("with a part without a type", _with_part("word/a.dat", b"\x89PNG"), Refusal.DAMAGED),
        _docx("with a picture from a URL", _with_field(' INCLUDEPICTURE "http://example.org/a.png" \\d '), external),
        _docx("with a picture from a URL in pieces", _with_field(" INCLUDE", 'PICTURE "ht', 'tps:', '//example.org"'),
              external),
        _docx("with a picture from a URL far behind", _with_field(' INCLUDEPICTURE "', "x/" * 10_000, '" http://a.no'),
              external),
        _docx("with a picture from a share", _with_field(r' includepicture "\\\\server\\share\\a.png" '), external),
        _docx("with a picture from a share in slashes", _with_field(" INCLUDEPICTURE //server/share/a.png "), external),
        _docx("with a picture from where a field says", _with(
            f"{_BEGIN}{_instruction(' INCLUDEPICTURE ')}{_BEGIN}{_instruction('REF a')}{_END}{_END}"), external),
        _docx("with a picture from where a simple field says", _with(
            f"{_BEGIN}{_instruction('INCLUDEPICTURE ')}<w:fldSimple w:instr='REF a'/>{_END}"), external),
        _docx("with a field that does not end", _with(
            f"{_BEGIN}{_instruction('INCLUDEPICTURE http://a.no/b.png')}"), external),
        _docx("with a picture from a URL in a header", _with_part(
            "word/header1.dat", _field('INCLUDEPICTURE "http://a.no/b.png"'), _HEADER_TYPE), external),
        *[
            _docx(f"with {field} from a {place} in {how}", build(f' {field} "{address}" '), external)
            for field in ("INCLUDETEXT", "LINK Word.Document.12", "IMPORT", "INCLUDE", "RD", "DATABASE \\d")
            for place, address in (("URL", "https://example.org/a.docx"), ("share", r"\\server\share\a.docx"))
            for how, build in (("pieces", lambda text: _with_field(*text)), ("one", _with_one_instruction))
        ],
        _docx("that is a zip", archive, Refusal.NOT_WHAT_IT_SAYS),
        _docx("that is a table", _table, Refusal.NOT_WHAT_IT_SAYS),
        _docx("with broken XML", lambda: docx({"word/document.xml": b"<a><b></a>"}), Refusal.DAMAGED),
        Sample("zip among images", "a.zip", "application/zip", archive, Refusal.FORMAT_NOT_ALLOWED, rule=IMAGES),
    ]  # fmt: skip


def documents() -> list[Sample]:
    """Return all documents of the corpus."""
    return [*_pdfs(), *_docs(), *_docxs()]
