"""What hostile mails are made of."""

import base64
from collections.abc import Callable

HEAD = (
    b"From: Ana Ruiz <ana@shop.example>\r\nTo: maria@example.com\r\nSubject: The plan\r\n"
    b"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@shop.example>\r\nMIME-Version: 1.0\r\n"
)
Make = Callable[[], bytes]
KB, MB = 1_000, 1_000_000


def plain(body: bytes, head: bytes = b"") -> bytes:
    return HEAD + head + b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + body + b"\r\n"


def page(markup: bytes) -> bytes:
    return HEAD + b"Content-Type: text/html; charset=utf-8\r\n\r\n" + markup + b"\r\n"


def headed(fields: bytes) -> bytes:
    """Fields on top of an ordinary mail; they end with CRLF."""
    return fields + HEAD + b"\r\nHello Maria, here is the plan for tomorrow.\r\n"


def with_parts(parts: list[bytes], kind: bytes = b"mixed") -> bytes:
    head = HEAD + b'Content-Type: multipart/%s; boundary="b"\r\n\r\n--b\r\n\r\nsee attached\r\n' % kind
    return head + b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"


def part(name: bytes, octets: bytes, kind: bytes = b"application/octet-stream") -> bytes:
    encoded = base64.encodebytes(octets).replace(b"\n", b"\r\n")
    return (
        b"Content-Type: " + kind + b"\r\nContent-Transfer-Encoding: base64\r\n"
        b'Content-Disposition: attachment; filename="' + name + b'"\r\n\r\n' + encoded
    )


def attached(name: bytes, octets: bytes, kind: bytes = b"application/octet-stream") -> bytes:
    return with_parts([part(name, octets, kind)])
