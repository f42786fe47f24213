"""Structure, offsets and defects of ``parse_message``."""

import pytest

from store.message.mime import parse_message
from store.message.model import Limits, Message

NESTED = (
    b"From: a@a.example\r\nSubject: nested\r\nContent-Type: multipart/mixed; boundary=outer\r\n\r\n"
    b"preamble\r\n--outer\r\n\r\nfirst\r\n--outer  \r\nContent-Type: multipart/alternative; boundary=inner\r\n\r\n"
    b"--inner\r\nContent-Type: text/plain\r\n\r\nplain\r\n--inner\r\nContent-Type: text/html\r\n\r\n<p>html\r\n"
    b"--inner--\r\ninner epilogue\r\n--outer\r\nContent-Type: message/rfc822\r\n\r\n"
    b"Subject: attached\r\n\r\nsingle\r\n--outer\r\nContent-Type: message/rfc822\r\n\r\n"
    b"Subject: deeper\r\nContent-Type: multipart/mixed; boundary=last\r\n\r\n--last\r\n\r\nend\r\n--last--\r\n"
    b"--outer--\r\nepilogue\r\n"
)


def names(message: Message) -> set[str]:
    return {defect.name for defect in message.defects}


def leaves(message: Message) -> list[tuple[str, str, bytes]]:
    parts = (part for part in message.root.walk() if not part.children and part.message is None)
    return [(part.number, part.type, message.octets[part.body_start : part.body_end]) for part in parts]


@pytest.mark.parametrize("ending", [b"\r\n", b"\n"], ids=["crlf", "lf"])
def test_parts_are_numbered_and_bounded(ending: bytes) -> None:
    message = parse_message(NESTED.replace(b"\r\n", ending))
    assert [(part.number, part.type) for part in message.root.walk()] == [
        ("", "multipart/mixed"),
        ("1", "text/plain"),
        ("2", "multipart/alternative"),
        ("2.1", "text/plain"),
        ("2.2", "text/html"),
        ("3", "message/rfc822"),
        ("3.1", "text/plain"),
        ("4", "message/rfc822"),
        ("4", "multipart/mixed"),
        ("4.1", "text/plain"),
    ]
    assert [body for _, _, body in leaves(message)] == [b"first", b"plain", b"<p>html", b"single", b"end"]
    assert message.defects == ()


def test_header_offsets_end_after_the_blank_line() -> None:
    message = parse_message(NESTED)
    html = message.root.children[1].children[1]
    assert NESTED[html.header_start : html.body_start] == b"Content-Type: text/html\r\n\r\n"
    attached = message.root.children[2].message
    assert attached is not None
    assert NESTED[attached.header_start : attached.body_start] == b"Subject: attached\r\n\r\n"


MIXED = b"Content-Type: multipart/mixed; boundary=b\n\n"
ENCODED = MIXED.replace(b"\n\n", b"\nContent-Transfer-Encoding: base64\n\n")
UNSEPARATED = MIXED.replace(b"\n\n", b"\n")
BODIES: list[tuple[str, bytes, list[bytes], set[str]]] = [
    ("empty", b"", [b""], {"header.none"}),
    ("only a blank line", b"\r\nbody", [b"body"], {"header.none"}),
    ("no header at all", b"Hello there,\nyou\n", [b"Hello there,\nyou\n"], {"header.none", "header.separator-missing"}),
    ("header without body", b"Subject: x", [b""], set()),
    ("header without blank line", b"Subject: x\nnot a field\n", [b"not a field\n"], {"header.separator-missing"}),
    ("line without colon", b"Subject: x\njunk line\nTo: a@a.test\n\nbody", [b"body"], {"header.no-colon"}),
    ("mbox line", b"From a@a.test Mon Jan  1\nSubject: x\n\nbody", [b"body"], {"header.mbox-from"}),
    ("starts folded", b" folded\nSubject: x\n\nbody", [b"body"], {"header.starts-folded"}),
    ("NUL", b"Subject: \0x\n\nbo\0dy", [b"bo\0dy"], {"header.nul", "body.nul"}),
    ("8-bit", b"Subject: \xe4\n\nbody", [b"body"], {"header.8bit"}),
    ("bare CR", b"Subject: x\n\nbo\rdy", [b"bo\rdy"], {"line.bare-cr"}),
    ("mixed endings", b"Subject: x\r\nTo: y\n\nbody", [b"body"], {"line.mixed-endings"}),
    ("long line", b"Subject: x\n\n" + b"y" * 999, [b"y" * 999], {"line.too-long"}),
    ("longest line", b"Subject: x\n\n" + b"y" * 998 + b"\n", [b"y" * 998 + b"\n"], set()),
    ("twice From", b"From: a@a.test\nFrom: b@b.test\n\nbody", [b"body"], {"header.duplicate"}),
    ("close missing", MIXED + b"--b\n\none\n--b\n\ntwo", [b"one", b"two"], {"mime.close-missing"}),
    ("boundary never met", MIXED + b"text\n", [b"text\n"], {"mime.boundary-missing"}),
    ("no boundary", b"Content-Type: multipart/mixed\n\n--b\n\nx\n", [b"--b\n\nx\n"], {"mime.boundary-missing"}),
    ("boundary is a prefix", MIXED + b"--b\n\n--bb\n--b--\n", [b"--bb"], set()),
    ("white space after boundary", MIXED + b"--b \t\n\none\n--b-- \n", [b"one"], set()),
    ("boundary within a line", MIXED + b"--b\n\nx --b\n--b--", [b"x --b"], set()),
    ("empty part", MIXED + b"--b\n\n--b--\n", [b""], set()),
    ("delimiter twice", MIXED + b"--b\n--b\n\none\n--b--\n", [b"one"], set()),
    ("closed at once", MIXED + b"--b--\ntext", [b"--b--\ntext"], {"mime.multipart-empty"}),
    ("body right after header", UNSEPARATED + b"--b\nA: b\n\none\n--b--", [b"one"], {"header.separator-missing"}),
    ("part without header", MIXED + b"--b\nno field here\n--b--", [b"no field here"], {"header.separator-missing"}),
    ("type unreadable", b"Content-Type: ???\n\nbody", [b"body"], {"mime.type-unreadable"}),
    ("encoded multipart", ENCODED + b"--b\n\none\n--b--", [b"one"], {"mime.multipart-encoded"}),
    ("two types", b"Content-Type: text/html\nContent-Type: text/plain\n\nbody", [b"body"], {"mime.header-duplicate"}),
]  # fmt: skip


@pytest.mark.parametrize(("octets", "bodies", "defects"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES])
def test_bodies_and_defects(octets: bytes, bodies: list[bytes], defects: set[str]) -> None:
    message = parse_message(octets)
    assert [body for _, _, body in leaves(message)] == bodies
    assert names(message) == defects


def test_fields_keep_what_was_sent() -> None:
    message = parse_message(b"Subject : one\r\n two\r\nX-\xe4: y\r\nEmpty:\r\n\r\n")
    assert [(field.name, field.raw) for field in message.headers.fields] == [
        ("Subject", b" one\r\n two"),
        ("X-\ufffd", b" y"),
        ("Empty", b""),
    ]


def test_a_digest_holds_mails() -> None:
    message = parse_message(
        b"Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: inside\n\ntext\n--b\n"
        b"Content-Type: text/plain\n\nnot a mail\n--b--\n"
    )
    first, second = message.root.children
    assert first.type == "message/rfc822"
    assert first.message is not None
    assert first.message.headers.text("subject") == "inside"
    assert second.message is None


def test_an_encoded_mail_within_a_mail_is_not_read() -> None:
    message = parse_message(b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeAoK\n")
    assert message.root.message is None


def test_attributes_of_a_part() -> None:
    root = parse_message(
        b'Content-Type: Text/HTML (comment); CharSet="UTF-8"; name=plain.html\n'
        b"Content-Disposition: Attachment; filename*=utf-8''%e2%82%ac.html\n"
        b"Content-Transfer-Encoding: Base64 (really)\nContent-ID: <one@a.example>\n\n"
    ).root
    assert (root.type, root.charset, root.encoding) == ("text/html", "UTF-8", "base64")
    assert (root.disposition, root.filename, root.content_id) == ("attachment", "€.html", "one@a.example")


def test_an_unknown_disposition_is_an_attachment() -> None:
    assert parse_message(b"Content-Disposition: hidden; filename=x.exe\n\n").root.disposition == "attachment"


def nested_multiparts(depth: int) -> bytes:
    head = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i) for i in range(depth))
    return head + b"\r\ninnermost\r\n" + b"".join(b"--b%d--\r\n" % i for i in reversed(range(depth)))


def flat(count: int) -> bytes:
    part = b"--b\r\nContent-Type: application/pdf; name=x.pdf\r\nContent-Disposition: attachment\r\n\r\nabc\r\n"
    return b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + part * count + b"--b--\r\n"


def test_depth_is_limited() -> None:
    message = parse_message(nested_multiparts(500))
    assert sum(1 for _ in message.root.walk()) == Limits().depth + 1
    assert "mime.depth" in names(message)
    assert "mime.depth" not in names(parse_message(nested_multiparts(49)))


def test_no_setting_lets_recursion_overflow() -> None:
    message = parse_message(nested_multiparts(3_000), Limits(depth=1_000_000))
    assert sum(1 for _ in message.root.walk()) == 101


def test_mails_within_mails_are_limited() -> None:
    message = parse_message(b"Content-Type: message/rfc822\r\n\r\n" * 500 + b"x")
    assert sum(1 for _ in message.root.walk()) == Limits().depth + 1
    assert "mime.depth" in names(message)


def test_a_thousand_attachments_are_all_found() -> None:
    message = parse_message(flat(1_000))
    assert len(message.root.children) == 1_000
    assert message.defects == ()


def test_parts_are_limited() -> None:
    message = parse_message(flat(5_000))
    assert sum(1 for _ in message.root.walk()) <= Limits().parts
    assert "mime.parts" in names(message)


@pytest.mark.parametrize("line", [b"--bx\n", b"--b\n"], ids=["no delimiter", "nothing between"])
def test_false_delimiters_are_limited(line: bytes) -> None:
    message = parse_message(MIXED + line * 100_000)
    assert "mime.boundary-noise" in names(message)


@pytest.mark.parametrize(
    "header",
    [b"Subject: " + b"a" * 10_000_000, b"Subject: " + b"a\r\n " * 2_500_000, b"X: " + b" " * 10_000_000],
    ids=["one line", "folded", "white space"],
)
def test_a_large_header_is_cut_and_its_body_found(header: bytes) -> None:
    message = parse_message(header + b"\r\nTo: a@a.example\r\n\r\nbody")
    assert "header.too-large" in names(message)
    assert sum(len(field.raw) for field in message.headers.fields) <= Limits().header_octets
    assert [body for _, _, body in leaves(message)] == [b"body"]


def test_many_fields_are_cut_and_the_body_found() -> None:
    message = parse_message(b"A: b\r\n" * 100_000 + b"\r\nbody")
    assert "header.too-many" in names(message)
    assert len(message.headers.fields) == Limits().header_fields
    assert [body for _, _, body in leaves(message)] == [b"body"]


def test_defects_are_limited() -> None:
    lines = b"".join(b"--b\nContent-Type: bad%d\n\nx\n" % i for i in range(1_000))
    assert len(parse_message(MIXED + lines + b"--b--").defects) == 64
