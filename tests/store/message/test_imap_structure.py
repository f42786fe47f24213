"""ENVELOPE, BODY and BODYSTRUCTURE on the wire. RFC 3501 §7.4.2."""

import pytest

from store.message.imap_structure import STRINGS_OCTETS, envelope, structures
from store.message.mime import parse_message

NILS = b"NIL NIL NIL NIL NIL NIL NIL NIL"

ENVELOPES: list[tuple[str, bytes, bytes]] = [
    ("empty", b"", b"(NIL NIL " + NILS + b")"),
    ("date and subject", b'Date: today\r\nSubject: a "b"\r\n \\c\r\n', b'("today" "a \\"b\\" \\\\c" ' + NILS + b")"),
    ("subject is empty", b"Subject:\r\n", b'(NIL "" ' + NILS + b")"),
    ("encoded word stays", b"Subject: =?utf-8?q?=C3=A4?=\r\n", b'(NIL "=?utf-8?q?=C3=A4?=" ' + NILS + b")"),
    ("8-bit is a literal", b"Subject: \xc3\xa4\r\n", b"(NIL {2}\r\n\xc3\xa4 " + NILS + b")"),
    ("NUL goes", b"Subject: a\0b\r\n", b'(NIL "ab" ' + NILS + b")"),
    (
        "sender and reply-to follow from",
        b"From: Jane <j@x.example>\r\n",
        b"(NIL NIL " + b'(("Jane" NIL "j" "x.example")) ' * 3 + b"NIL NIL NIL NIL NIL)",
    ),
    (
        "group",
        b"To: Team: a@x.example, b@x.example;\r\n",
        b'(NIL NIL NIL NIL NIL ((NIL NIL "Team" NIL)(NIL NIL "a" "x.example")(NIL NIL "b" "x.example")'
        b"(NIL NIL NIL NIL)) NIL NIL NIL NIL)",
    ),
    ("no host", b"Cc: root\r\n", b'(NIL NIL NIL NIL NIL NIL ((NIL NIL "root" "")) NIL NIL NIL)'),
    (
        "ids",
        b"Message-ID: <a@x.example>\r\nIn-Reply-To: <b@x.example>\r\n",
        b'(NIL NIL NIL NIL NIL NIL NIL NIL "<b@x.example>" "<a@x.example>")',
    ),
]


@pytest.mark.parametrize(("header", "wire"), [row[1:] for row in ENVELOPES], ids=[row[0] for row in ENVELOPES])
def test_envelope(header: bytes, wire: bytes) -> None:
    assert envelope(parse_message(header + b"\r\n")) == wire


MIXED = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
STRUCTURES: list[tuple[str, bytes, bytes, bytes]] = [
    ("default", b"\r\na\r\nb\r\n", b'("text" "plain" NIL NIL NIL "7bit" 6 2)', b" NIL NIL NIL NIL"),
    (
        "text",
        b"Content-Type: text/html; charset=utf-8\r\nContent-ID: <1@x>\r\nContent-Description: d\r\n"
        b"Content-Transfer-Encoding: base64\r\nContent-MD5: m\r\nContent-Language: en, de\r\n"
        b"Content-Location: l\r\nContent-Disposition: Attachment; filename*=utf-8''%C3%A4\r\n\r\n",
        b'("text" "html" ("charset" "utf-8") "<1@x>" "d" "base64" 0 0)',
        b' "m" ("attachment" ("filename*" "utf-8\'\'%C3%A4")) ("en" "de") "l"',
    ),
    (
        "other",
        b"Content-Type: image/png\r\nContent-Disposition: inline\r\n\r\nxyz",
        b'("image" "png" NIL NIL NIL "7bit" 3)',
        b' NIL ("inline" NIL) NIL NIL',
    ),
    ("no part found", MIXED + b"x\r\n", b'("text" "plain" ("boundary" "b") NIL NIL "7bit" 3 1)', b" NIL NIL NIL NIL"),
    (
        "encoded mail",
        b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nQQ==",
        b'("application" "octet-stream" NIL NIL NIL "base64" 4)',
        b" NIL NIL NIL NIL",
    ),
    (
        "mail",
        b"Content-Type: message/rfc822\r\n\r\nSubject: s\r\n\r\nx\r\n",
        b'("message" "rfc822" NIL NIL NIL "7bit" 17 (NIL "s" '
        + NILS
        + b') ("text" "plain" NIL NIL NIL "7bit" 3 1%b) 3)',
        b" NIL NIL NIL NIL",
    ),
]


@pytest.mark.parametrize(
    ("octets", "wire", "extension"), [row[1:] for row in STRUCTURES], ids=[row[0] for row in STRUCTURES]
)
def test_structure_of_one_part(octets: bytes, wire: bytes, extension: bytes) -> None:
    message = parse_message(octets)
    assert structures(message)[0] == wire.replace(b"%b", b"")
    assert structures(message)[1] == wire.replace(b"%b", extension)[:-1] + extension + b")"


def test_structure_of_a_multipart() -> None:
    message = parse_message(MIXED + b"--b\r\n\r\na\r\n--b\r\nContent-Type: image/png\r\n\r\nbc\r\n--b--\r\n")
    assert structures(message)[0] == (
        b'(("text" "plain" NIL NIL NIL "7bit" 1 0)("image" "png" NIL NIL NIL "7bit" 2) "mixed")'
    )
    assert structures(message)[1].endswith(b' "mixed" ("boundary" "b") NIL NIL NIL)')


def test_size_is_limited() -> None:
    part = b"--b\r\nContent-Type: a/b; name=" + b"x" * 5_000 + b"\r\n\r\nx\r\n"
    message = parse_message(MIXED + part * 1_000 + b"--b--\r\n")
    wire = structures(message)[1]
    assert STRINGS_OCTETS < len(wire) < STRINGS_OCTETS + 100_000
    assert wire.count(b"(") == wire.count(b")")
