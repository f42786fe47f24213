"""What BODY[section] names. RFC 3501 §6.4.5."""

import pytest

from store.message.mime import parse_message
from store.message.sections import SectionSpec, find_part, section

INNER = b"Subject: inner\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\nX-A: b\r\n\r\none\r\n--i--"
OUTER_HEADER = b"From: a@a.example\r\nX-One: 1\r\n folded\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n"
OUTER_TEXT = (
    b"--o\r\nContent-Type: text/plain\r\n\r\nfirst\r\n--o\r\nContent-Type: message/rfc822\r\n\r\n"
    + INNER
    + b"\r\n--o\r\nContent-Type: message/rfc822\r\n\r\nSubject: single\r\n\r\nbody\r\n--o--\r\n"
)
MULTIPART = OUTER_HEADER + OUTER_TEXT
SINGLE = b"Subject: x\r\nTo: y@y.example\r\n\r\nthe body\r\n"

TABLE: list[tuple[bytes, str, str, bytes]] = [
    (MULTIPART, "", "", MULTIPART),
    (MULTIPART, "", "HEADER", OUTER_HEADER),
    (MULTIPART, "", "TEXT", OUTER_TEXT),
    (MULTIPART, "", "MIME", b""),
    (MULTIPART, "1", "", b"first"),
    (MULTIPART, "1", "MIME", b"Content-Type: text/plain\r\n\r\n"),
    (MULTIPART, "1", "HEADER", b""),
    (MULTIPART, "1", "TEXT", b""),
    (MULTIPART, "1.1", "", b""),
    (MULTIPART, "2", "", INNER),
    (MULTIPART, "2", "MIME", b"Content-Type: message/rfc822\r\n\r\n"),
    (MULTIPART, "2", "HEADER", INNER[: INNER.index(b"--i")]),
    (MULTIPART, "2", "TEXT", INNER[INNER.index(b"--i") :]),
    (MULTIPART, "2.1", "", b"one"),
    (MULTIPART, "2.1", "MIME", b"X-A: b\r\n\r\n"),
    (MULTIPART, "2.2", "", b""),
    (MULTIPART, "3.1", "", b"body"),
    (MULTIPART, "3.1", "MIME", b"Subject: single\r\n\r\n"),
    (MULTIPART, "3", "HEADER", b"Subject: single\r\n\r\n"),
    (MULTIPART, "3.1.1", "", b""),
    (MULTIPART, "4", "", b""),
    (MULTIPART, "0", "", b""),
    (MULTIPART, "9999999999999999", "", b""),
    (MULTIPART, "1.x", "", b""),
    (MULTIPART, "", "NONSENSE", b""),
    (SINGLE, "1", "", b"the body\r\n"),
    (SINGLE, "1", "MIME", b"Subject: x\r\nTo: y@y.example\r\n\r\n"),
    (SINGLE, "2", "", b""),
    (SINGLE, "1.1", "", b""),
    (SINGLE, "", "TEXT", b"the body\r\n"),
]


@pytest.mark.parametrize(("octets", "part", "text", "expected"), TABLE)
def test_sections(octets: bytes, part: str, text: str, expected: bytes) -> None:
    found = section(parse_message(octets), SectionSpec(part, text))
    assert (octets[found[0] : found[1]] if isinstance(found, tuple) else found) == expected


FIELDS: list[tuple[str, str, tuple[str, ...], bytes]] = [
    ("", "HEADER.FIELDS", ("FROM", "x-one", "Missing"), b"From: a@a.example\r\nX-One: 1\r\n folded\r\n\r\n"),
    ("", "HEADER.FIELDS", (), b"\r\n"),
    ("", "HEADER.FIELDS.NOT", ("X-One", "content-type"), b"From: a@a.example\r\n\r\n"),
    ("2", "HEADER.FIELDS", ("Subject",), b"Subject: inner\r\n\r\n"),
    ("1", "HEADER.FIELDS", ("Content-Type",), b""),
]


@pytest.mark.parametrize(("part", "text", "fields", "expected"), FIELDS)
def test_picked_fields(part: str, text: str, fields: tuple[str, ...], expected: bytes) -> None:
    assert section(parse_message(MULTIPART), SectionSpec(part, text, fields)) == expected


def test_a_mail_that_is_a_mail() -> None:
    message = parse_message(b"Content-Type: message/rfc822\r\n\r\nSubject: inside\r\n\r\nbody")
    assert section(message, SectionSpec("1", "HEADER.FIELDS", ("subject",))) == b"Subject: inside\r\n\r\n"
    inner = find_part(message, "1.1")
    assert inner is not None
    assert message.octets[inner.body_start : inner.body_end] == b"body"


def test_every_part_is_found_by_its_number() -> None:
    message = parse_message(MULTIPART)
    for part in message.root.walk():
        found = find_part(message, part.number)
        assert found is not None
        assert found.number == part.number


def test_header_and_text_make_up_the_mail() -> None:
    message = parse_message(MULTIPART)
    header, text = section(message, SectionSpec("", "HEADER")), section(message, SectionSpec("", "TEXT"))
    assert (header, text) == ((0, len(OUTER_HEADER)), (len(OUTER_HEADER), len(MULTIPART)))
