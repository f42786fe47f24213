"""What the demo's mails carry, made at the moment: a true PDF, a program that is none, a locked archive."""

import struct
import zlib
from random import Random

#: Begins like a program for Windows, and says what it is; no machine runs it.
PROGRAM = b"MZ" + b"\0" * 58 + b"\x40\0\0\0" + b"This is not a program. It is a harmless sample from the demo.\r\n" * 8

_PAGE = b"BT /F1 14 Tf 72 760 Td (%s) Tj 0 -24 Td (%s) Tj 0 -24 Td (%s) Tj ET"
_LINES = (
    b"Weber Druck: invoice",
    b"2,400 catalogues, natural paper",
    b"Payable within 30 days, same account as always",
)


def attachment(name: str, seed: int) -> bytes:
    """The content that ``{{attach name}}`` stands for. Raises KeyError for a name not known."""
    match name:
        case "invoice.pdf":
            return pdf()
        case "program":
            return PROGRAM
        case "locked.zip":
            return locked_zip(b"complaint.js", b"// a harmless sample\r\n" * 20, b"7731", seed)
    raise KeyError(name)


def pdf() -> bytes:
    """One page with three lines of text, with a correct cross-reference table."""
    page = _PAGE % _LINES
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(page), page),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )
    out = bytearray(b"%PDF-1.4\n")
    starts = []
    for number, content in enumerate(objects, 1):
        starts.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % start for start in starts)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    return bytes(out)


def locked_zip(name: bytes, content: bytes, password: bytes, seed: int) -> bytes:
    """An archive of one stored file, encrypted the traditional way, which ``zipfile`` reads but never writes."""
    crc = zlib.crc32(content)
    cipher = _ZipCipher(password)
    lead = Random(seed).randbytes(11) + bytes([crc >> 24])
    data = cipher.encrypt(lead + content)
    shared = struct.pack("<HHHHHIIIHH", 20, 1, 0, 0, 0x21, crc, len(data), len(content), len(name), 0)
    local = b"PK\x03\x04" + shared + name + data
    central = b"PK\x01\x02" + struct.pack("<H", 20) + shared + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local), 0)
    return local + central + end


class _ZipCipher:
    """The three keys of APPNOTE 6.1.5. Weak, and still what such lures use: every program opens it."""

    def __init__(self, password: bytes) -> None:
        self._keys = (0x12345678, 0x23456789, 0x34567890)
        for octet in password:
            self._turn(octet)

    def encrypt(self, plain: bytes) -> bytes:
        out = bytearray()
        for octet in plain:
            word = (self._keys[2] | 2) & 0xFFFF
            out.append(octet ^ (word * (word ^ 1) >> 8 & 0xFF))
            self._turn(octet)
        return bytes(out)

    def _turn(self, octet: int) -> None:
        first, second, third = self._keys
        first = _crc_step(first, octet)
        second = ((second + (first & 0xFF)) * 134_775_813 + 1) & 0xFFFFFFFF
        self._keys = (first, second, _crc_step(third, second >> 24))


def _crc_step(crc: int, octet: int) -> int:
    """One octet of CRC-32 without the inversion at both ends, which zlib's function does."""
    return zlib.crc32(bytes([octet]), crc ^ 0xFFFFFFFF) ^ 0xFFFFFFFF
