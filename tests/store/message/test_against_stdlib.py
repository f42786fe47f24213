"""The standard library's parser (compat32) as a second opinion on structure and decoded bodies."""

import email
from email.message import Message as StdlibMessage

import pytest

from store.message.body import decode_part
from store.message.mime import parse_message
from store.message.model import Message, Part

HEAD = b"From: a@a.example\nSubject: x\nMIME-Version: 1.0\n"
MIXED = HEAD + b"Content-Type: multipart/mixed; boundary=o\n\n"
INNER = b"Content-Type: multipart/alternative; boundary=i\n\n--i\n\nx\n--i\nContent-Type: text/html\n\ny\n"
EXTENDED = b"Content-Type: multipart/mixed; boundary=oo\n\n--oo\n\nx\n--oo--\n"
SECTIONED = HEAD + b"Content-Type: multipart/mixed; boundary*0=on; boundary*1=e\n\n"
SPACED = HEAD + b'Content-Type: multipart/mixed; boundary="a b"\n\n'
MAILS: list[tuple[str, bytes]] = [
    ("plain", HEAD + b"\nbody\n"),
    ("latin-1 in quoted-printable", HEAD + b"Content-Transfer-Encoding: quoted-printable\n\n=E4 =\nb=20\n"),
    ("base64", HEAD + b"Content-Type: application/pdf\nContent-Transfer-Encoding: base64\n\naGVs\nbG8=\n"),
    ("preamble and epilogue", SPACED + b"pre\n--a b\n\none\n--a b--\npost\n"),
    ("empty parts", MIXED + b"--o\n\n--o\nA: b\n\n--o--\n"),
    ("nested", MIXED + b"--o\n" + INNER + b"--i--\n\n--o\n\nz\n--o--\n"),
    ("inner not closed", MIXED + b"--o\n" + INNER + b"--o\n\nz\n--o--\n"),
    ("boundary extends another", MIXED + b"--o\n" + EXTENDED + b"--o--\n"),
    ("attached mail", MIXED + b"--o\nContent-Type: message/rfc822\n\nSubject: in\n\ntext\n--o--\n"),
    ("boundary in continuations", SECTIONED + b"--one\n\nx\n--one--\n"),
    ("no boundary parameter", HEAD + b"Content-Type: multipart/mixed\n\n--b\n\nx\n--b--\n"),
]

Shape = list[tuple[str, int, bytes]]


def ours(message: Message) -> Shape:
    shape: Shape = []

    def add(part: Part) -> None:
        below = part.children or ((part.message,) if part.message else ())
        shape.append((part.type, len(below), b"" if below else decode_part(message, part)))
        for child in below:
            add(child)

    add(message.root)
    return shape


def theirs(message: "StdlibMessage[str, str]") -> Shape:
    shape: Shape = []

    def add(part: "StdlibMessage[str, str]") -> None:
        payload = part.get_payload()
        below = [child for child in payload if isinstance(child, StdlibMessage)] if isinstance(payload, list) else []
        octets = b"" if below else part.get_payload(decode=True)
        if octets is None and isinstance(payload, str):
            octets = payload.encode("ascii", "surrogateescape")
        shape.append((part.get_content_type(), len(below), octets if isinstance(octets, bytes) else b""))
        for child in below:
            add(child)

    add(message)
    return shape


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("octets", [row[1] for row in MAILS], ids=[row[0] for row in MAILS])
def test_both_parsers_see_the_same(octets: bytes, ending: bytes) -> None:
    octets = octets.replace(b"\n", ending)
    assert ours(parse_message(octets)) == theirs(email.message_from_bytes(octets))
