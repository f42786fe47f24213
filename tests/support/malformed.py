"""Mails that no honest program sends: what a gateway meets every day."""

import base64
import io
import zipfile
from collections.abc import Iterator

HEAD = b"From: bob@partner.example\r\nTo: ana@example.com\r\nSubject: s\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n"


def _nested(depth: int) -> bytes:
    out = [HEAD, b"MIME-Version: 1.0\r\n"]
    for level in range(depth):
        out.append(b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (level, level))
    out.append(b"Content-Type: text/plain\r\n\r\ndeep\r\n")
    out += [b"--b%d--\r\n" % level for level in reversed(range(depth))]
    return b"".join(out)


def _attachments(count: int) -> bytes:
    part = (
        b"--b\r\nContent-Type: application/octet-stream\r\n"
        b'Content-Disposition: attachment; filename="f%d.bin"\r\n\r\nx\r\n'
    )
    return (
        HEAD
        + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
        + b"".join(part % n for n in range(count))
        + b"--b--\r\n"
    )


def _attached(name: bytes, octets: bytes, kind: bytes = b"application/zip") -> bytes:
    body = base64.encodebytes(octets).replace(b"\n", b"\r\n")
    return (
        HEAD
        + b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\nsee attached\r\n--b\r\n'
        b"Content-Type: " + kind + b"\r\nContent-Transfer-Encoding: base64\r\n"
        b'Content-Disposition: attachment; filename="' + name + b'"\r\n\r\n' + body + b"--b--\r\n"
    )


def _zip_bomb() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.txt", b"\0" * 20_000_000)
    return buffer.getvalue()


def kinds() -> Iterator[tuple[str, bytes]]:
    """Name and octets, as they go after DATA (dots not yet stuffed)."""
    yield "empty", b""
    yield "only-an-empty-line", b"\r\n"
    yield "no-headers", b"\r\njust text\r\n"
    yield "text-without-header", b"this is not a header at all\r\nnor is this\r\n"
    yield "header-10-mb", HEAD + b"X-Long: " + b"a " * 5_000_000 + b"\r\n\r\nbody\r\n"
    yield "headers-50000", HEAD + b"X-A: b\r\n" * 50_000 + b"\r\nbody\r\n"
    yield "mime-500-deep", _nested(500)
    yield "attachments-1000", _attachments(1_000)
    yield "charset-unknown", HEAD + b"Content-Type: text/plain; charset=klingon-8\r\n\r\n\xff\xfe\xfd\r\n"
    yield "charset-lies", HEAD + b"Content-Type: text/plain; charset=utf-8\r\n\r\n\xc3\x28\xa0\xa1\r\n"
    yield "lone-cr", HEAD + b"\r\none\rtwo\r\n"
    yield "lone-lf", HEAD + b"\r\none\ntwo\r\n"
    yield "smuggle-lf-dot", HEAD + b"\r\none\n.\nMAIL FROM:<x@y.test>\r\n"
    yield "nul", HEAD + b"\r\none\0two\r\n"
    yield (
        "base64-wrong",
        HEAD + b"Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!=abc\r\nZZZ\r\n",
    )
    yield (
        "multipart-cut",
        HEAD + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\ncut he',
    )
    yield "boundary-missing", HEAD + b"Content-Type: multipart/mixed\r\n\r\n--b\r\ntext\r\n"
    yield "zip-bomb", _attached(b"zeros.zip", _zip_bomb())
    yield "rtl-name", _attached("invoice\u202efdp.exe".encode(), b"MZ" + b"\0" * 200, b"application/pdf")
    yield "html-100000-divs", HEAD + b"Content-Type: text/html\r\n\r\n" + b"<div>" * 100_000 + b"\r\n"
    yield "line-of-1-mb", HEAD + b"\r\n" + b"x" * 1_000_000 + b"\r\n"
    yield (
        "recipients-5000",
        HEAD + b"Cc: " + b",\r\n ".join(b"u%d@example.com" % n for n in range(5_000)) + b"\r\n\r\nx\r\n",
    )
    yield "from-twice", b"From: a@partner.example\r\n" + HEAD + b"\r\nwho am I\r\n"
    yield "8-bit-headers", HEAD + b"Subject: \xff\xfe\x80 caf\xe9\r\nX-\xe9: \x81\r\n\r\nx\r\n"
    yield "message-in-message-100", (HEAD + b"Content-Type: message/rfc822\r\n\r\n") * 100 + b"x\r\n"
    yield "pyzor-killer", HEAD + b"Content-Type: text/html\r\n\r\n<![foo bar<p>hello</p>\r\n"
