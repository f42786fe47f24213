"""Whatever the octets are, nothing raises and what comes out holds together."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from store.message.body import attachments, decode_part, html_bodies, part_text, text_bodies
from store.message.headers import decode_unstructured, message_ids, parse_addresses, parse_date
from store.message.imap_structure import envelope, structures
from store.message.mime import parse_message
from store.message.model import Limits, Part
from store.message.preview import preview
from store.message.sections import find_part

PIECES = [
    b"\n",
    b"\r\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b":",
    b";",
    b",",
    b"=",
    b'"',
    b"\\",
    b"(",
    b")",
    b"<",
    b">",
    b"@",
    b"--b",
    b"--c",
    b"--",
    b"From ",
    b"From: ",
    b"Subject: ",
    b"Content-Type: ",
    b"Content-Disposition: attachment",
    b"filename*0*=",
    b"filename=",
    b"Content-Transfer-Encoding: base64\n",
    b"multipart/mixed; boundary=b\n\n",
    b"multipart/digest; boundary=c\n\n",
    b"message/rfc822\n\n",
    b"text/html; charset=",
    b"utf-8",
    b"iso-2022-jp",
    b"=?utf-8?q?",
    b"=?utf-7?b?",
    b"?=",
    b"\xe4",
    b"\xc3\xa4",
    b"a",
    b"QUJD",
    b"=E4",
    b"Date: 1 Jan 2020 10:00:00 ",
    b"Content-Language: ",
    b"To: ",
    b"uuencode\n\nbegin 644 x\n",
    b"{3}",
]
OCTETS = st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(PIECES), max_size=60).map(b"".join))
LITERAL = re.compile(rb"\{(\d+)\}\r\n")


def without_strings(wire: bytes) -> bytes:
    """The rendering with its quoted strings and literals taken out."""
    left, pos = [], 0
    while pos < len(wire):
        if wire.startswith(b'"', pos):
            match = re.compile(rb'"(?:[^"\\\r\n\0\x80-\xff]|\\["\\])*"').match(wire, pos)
            assert match, "a quoted string that RFC 3501 does not allow"
            pos = match.end()
        elif literal := LITERAL.match(wire, pos):
            pos = literal.end() + int(literal[1])
        else:
            left.append(wire[pos : pos + 1])
            pos += 1
    return b"".join(left)


def assert_nested(part: Part, start: int, end: int) -> None:
    assert start <= part.header_start <= part.body_start <= part.body_end <= end
    before = part.body_start
    for child in part.children:
        assert_nested(child, before, part.body_end)
        before = child.body_end
    if part.message is not None:
        assert_nested(part.message, part.body_start, part.body_end)


@settings(max_examples=300, deadline=None)
@given(OCTETS, st.sampled_from([Limits(), Limits(60, 3, 4, 2, 2, 2)]))
def test_mail(octets: bytes, limits: Limits) -> None:
    message = parse_message(octets, limits)
    assert_nested(message.root, 0, len(octets))
    for wire in (envelope(message), *structures(message)):
        plain = without_strings(wire)
        assert plain.count(b"(") == plain.count(b")")
        assert set(plain) <= set(b"() NIL0123456789")
    for part in message.root.walk():
        assert find_part(message, part.number) is not None
        assert len(decode_part(message, part, 20)) <= 20
        assert len(preview(part_text(message, part, 50), 10)) <= 10
        assert part.filename is not None
    shown = (*text_bodies(message), *html_bodies(message), *attachments(message))
    assert all(not part.children for part in shown)


@settings(max_examples=300, deadline=None)
@given(OCTETS)
def test_values(raw: bytes) -> None:
    assert not set(decode_unstructured(raw)) & set("\n\r\0\t")
    assert len(parse_addresses(raw, 3)) <= 3
    moment = parse_date(raw)
    assert moment is None or moment.utcoffset() is not None
    assert all(found for found in message_ids(raw))
