"""Attached files that unpack to floods or claim what is not there: name to octets as they come after DATA."""

import gzip
import io
import struct
import zipfile
import zlib

from tests.hostile.letters import HEAD, KB, MB, Make, attached, part, with_parts


def zipped(names: list[str], inner: bytes = b"x", method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name in names:
            archive.writestr(name, inner)
    return buffer.getvalue()


def _matryoshka(depth: int) -> bytes:
    octets = zipped(["zeros.txt"], bytes(20 * MB))
    for _ in range(depth):
        octets = zipped([f"{n}.zip" for n in range(8)], octets)
    return octets


def _overlapping(entries: int) -> bytes:
    """A directory of which every entry is the same 10 MB of zeros, as David Fifield's bomb has it."""
    body = zlib.compress(bytes(10 * MB), 9)[2:-4]
    local = struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 8, 0, 0, 0, len(body), 10 * MB, 5, 0) + b"a.txt" + body
    entry = struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 8, 0, 0, 0, len(body), 10 * MB, 9, 0, 0, 0, 0, 0, 0)
    directory = b"".join(entry + b"%05d.zip" % n for n in range(entries))
    counted = min(entries, 65_535)
    return (
        local
        + directory
        + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, counted, counted, len(directory), len(local), 0)
    )


def _chunk(kind: bytes, octets: bytes) -> bytes:
    return struct.pack(">I", len(octets)) + kind + octets + struct.pack(">I", zlib.crc32(kind + octets))


def png(width: int, height: int, *, depth: int = 8, colours: int = 0, extra: bytes = b"") -> bytes:
    """A picture of one colour, as small as it packs."""
    channels = {0: 1, 2: 3, 6: 4}[colours]
    row = b"\0" * (1 + (width * channels * depth + 7) // 8)
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + extra + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _claimed(width: int, height: int) -> bytes:
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + _chunk(b"IDAT", zlib.compress(bytes(MB))) + _chunk(b"IEND", b"")


def _noise(width: int, height: int) -> bytes:
    """Squares like those of a code everywhere, which a reader has to look at one by one."""
    finder = [0xFE, 0x82, 0xBA, 0xBA, 0xBA, 0x82, 0xFE, 0x00]
    rows = b"".join(b"\0" + bytes([finder[y % 8]]) * ((width + 7) // 8) for y in range(height))
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def _gif(width: int, height: int, frames: int) -> bytes:
    frame = b"\x2c" + struct.pack("<4HB", 0, 0, width, height, 0) + b"\x02\x02\x4c\x01\x00"
    return (
        b"GIF89a" + struct.pack("<2H3B", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff" + frame * frames + b"\x3b"
    )


def _pdf(streams: int, unpacked: int) -> bytes:
    packed = zlib.compress(b"/URI (" * (unpacked // 6), 9)
    return b"%PDF-1.7\n" + (b"1 0 obj <</Type /ObjStm>>\nstream\r\n" + packed + b"\nendstream\n") * streams


def _office(target: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", b"<Types/>")
        archive.writestr("word/document.xml", b"<a>" * 100_000)
        for n in range(500):
            archive.writestr(f"word/_rels/{n}.rels", target)
    return buffer.getvalue()


def _tnef(attributes: int) -> bytes:
    return b"\x78\x9f\x3e\x22\x00\x00" + (b"\x02\x10\x80\x01\x00\x04\x00\x00\x00abcd\x00\x00") * attributes


ARCHIVES: dict[str, Make] = {
    "a zip bomb of 1 GB": lambda: attached(b"a.zip", zipped([f"{n}" for n in range(50)], bytes(20 * MB))),
    "a zip in a zip, six deep": lambda: attached(b"a.zip", _matryoshka(6)),
    "a zip of 1,000 zips": lambda: attached(b"a.zip", zipped([f"{n}.zip" for n in range(1_000)], zipped(["a.exe"]))),
    "a zip of 100,000 entries": lambda: attached(b"a.zip", zipped([f"{n}" for n in range(100_000)], b"", 0)),
    "a zip whose entries overlap": lambda: attached(b"a.zip", _overlapping(60_000)),
    "forty zips of 9,000 zips": lambda: with_parts([part(b"a.zip", _overlapping(9_000))] * 40),
    "a zip of names of 60 KB": lambda: attached(b"a.zip", zipped(["a" * 60_000 + str(n) for n in range(80)], b"")),
    "8 MB of local headers": lambda: attached(b"a.zip", b"PK\x03\x04" * (2 * MB)),
    "8 MB of ends": lambda: attached(b"a.zip", b"PK\x03\x04" + b"PK\x05\x06" * (2 * MB)),
    "a gzip bomb": lambda: attached(b"a.gz", gzip.compress(bytes(500 * MB), 9)),
    "a gzip without a name's end": lambda: attached(b"a.gz", b"\x1f\x8b\x08\x08" + b"a" * 5 * MB),
    "a 7z": lambda: attached(b"a.7z", b"7z\xbc\xaf\x27\x1c" + b"\x06" * (10 * MB)),
    "a rar": lambda: attached(b"a.rar", b"Rar!\x1a\x07\x00" + b"\xff" * MB),
    "twenty zips of 1 GB": lambda: with_parts([part(b"a.zip", zipped(["a"], bytes(50 * MB)))] * 20),
}

DOCUMENTS: dict[str, Make] = {
    "a PDF of packed bombs": lambda: attached(b"a.pdf", _pdf(100, 20 * MB)),
    "a PDF of long /URI (": lambda: attached(b"a.pdf", b"%PDF-1.7\n" + (b"/URI(" + b"a" * 2_047 + b"(") * 4_000),
    "a PDF of short /URI (": lambda: attached(b"a.pdf", b"%PDF-1.7\n" + (b"/URI(" + b"\\a" * 300 + b"(") * 13_000),
    "a PDF of 8 MB of /URI (": lambda: attached(b"a.pdf", b"%PDF-1.7\n" + b"/URI (" * (8 * MB // 6)),
    "a PDF of /URI and escapes": lambda: attached(b"a.pdf", b"%PDF-1.7\n" + b"/URI(" + b"\\" * (8 * MB)),
    "a PDF of /URI <": lambda: attached(b"a.pdf", b"%PDF-1.7\n" + b"/URI <" + b"a " * (4 * MB)),
    "a PDF of /ObjStm": lambda: attached(b"a.pdf", b"%PDF-1.7\n" + b"/ObjStm " * MB),
    "an RTF of braces": lambda: attached(b"a.rtf", b"{\\rtf1" + b"{\\object" * MB),
    "an RTF of templates": lambda: attached(b"a.rtf", b"{\\rtf1" + b"{\\*\\template " * (MB // 2)),
    "an OLE file of 12 MB": lambda: attached(
        b"a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"_\0V\0B\0A\0"[:7] * (12 * MB // 7)
    ),
    "an OLE file of Attribut": lambda: attached(
        b"a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"Attribut" * (MB + MB // 2)
    ),
    "a OneNote file": lambda: attached(
        b"a.one", b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3" + bytes(10 * MB)
    ),
    "an Office file of remote parts": lambda: attached(
        b"a.docx", _office(b'<Relationship TargetMode = "External" Type="x/attachedTemplate" ' * 900)
    ),
    "an attached page of 4 MB": lambda: attached(b"a.html", b"<html>" + b"<script>eval(unescape('%3C" * (4 * MB // 26)),
    "an attached page of blanks": lambda: attached(b"a.html", b"<html>" + (b"type" + b" " * 5) * (4 * MB // 9)),
    "an attached page of fromCharCode": lambda: attached(
        b"a.html", b"<html>" + (b"String.fromCharCode(" + b"11," * 19) * (4 * MB // 77)
    ),
    "an attached page of download=": lambda: attached(
        b"a.html", b"<html>" + b"download='aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" * 80_000
    ),
    "an attached page of base64": lambda: attached(b"a.html", b"<html>" + b"'UEsDB" * (4 * MB // 6)),
    "an SVG of entities": lambda: attached(b"a.svg", b"<svg>" + b"&a;" * MB),
    "an invitation of 100,000 events": lambda: (
        HEAD
        + b"Content-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\n"
        + b"BEGIN:VEVENT\r\nORGANIZER:mailto:a@b.example\r\nRRULE:FREQ=SECONDLY\r\nEND:VEVENT\r\n" * 100_000
    ),
    "an invitation of blanks": lambda: (
        HEAD + b"Content-Type: text/calendar\r\n\r\n" + b"METHOD:REQUEST" + b" \t" * (16 * KB) + b"x\r\n"
    ),
    "an invitation of organisers": lambda: (
        HEAD + b"Content-Type: text/calendar\r\n\r\nMETHOD:REQUEST\r\n" + b"ORGANIZER" * 100_000
    ),
    "a winmail.dat of 200,000 attributes": lambda: attached(b"winmail.dat", _tnef(200_000), b"application/ms-tnef"),
}

PICTURES: dict[str, Make] = {
    "a PNG of 60,000 by 60,000": lambda: attached(b"a.png", _claimed(60_000, 60_000), b"image/png"),
    "a PNG of 4,000 by 4,000": lambda: attached(b"a.png", png(4_000, 4_000), b"image/png"),
    "four RGBA PNGs of 16 megapixels": lambda: with_parts(
        [part(b"a.png", png(3_990, 3_990, colours=6), b"image/png")] * 4
    ),
    "four 16-bit RGB PNGs of 16 megapixels": lambda: with_parts(
        [part(b"a.png", png(3_990, 3_990, depth=16, colours=2), b"image/png")] * 4
    ),
    "four PNGs full of finder patterns": lambda: with_parts([part(b"a.png", _noise(1_200, 1_200), b"image/png")] * 4),
    "a PNG with a text bomb": lambda: attached(
        b"a.png",
        png(100, 100, extra=_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(200 * MB), 9)) * 20),
        b"image/png",
    ),
    "a PNG with a colour profile bomb": lambda: attached(
        b"a.png", png(100, 100, extra=_chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(200 * MB), 9))), b"image/png"
    ),
    "a GIF of 60,000 frames": lambda: attached(b"a.gif", _gif(3_000, 3_000, 60_000), b"image/gif"),
    "a BMP that claims 16 megapixels": lambda: attached(
        b"a.bmp",
        b"BM"
        + struct.pack("<IHHI", 54, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, 3_900, 3_900, 1, 32, 0, 0, 0, 0, 0, 0),
        b"image/bmp",
    ),
    "a WebP that ends early": lambda: attached(
        b"a.webp", b"RIFF\xff\xff\xff\x00WEBPVP8X\x0a\0\0\0\x10\0\0\0\xff\x3f\0\xff\x3f\0", b"image/webp"
    ),
}
