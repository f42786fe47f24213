"""Transfer decoding, charset decoding, and the choice of bodies and attachments."""

import base64

import pytest

from store.message.body import attachments, decode_part, html_bodies, part_text, text_bodies
from store.message.mime import parse_message
from store.message.model import Message, Part


def encoded(encoding: str, body: bytes, kind: str = "text/plain; charset=utf-8") -> Message:
    return parse_message(f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode() + body)


DECODED: list[tuple[str, str, bytes, bytes]] = [
    ("7bit", "7bit", b"as it is =20\r\n", b"as it is =20\r\n"),
    ("unknown", "x-token", b"as it is", b"as it is"),
    ("base64", "base64", b"aGVsbG8=\r\n", b"hello"),
    ("base64 in lines", "BASE64", b"aGVs\r\nbG8=\r\n", b"hello"),
    ("base64 with garbage", "base64", b"aG!V*s bG8=", b"hello"),
    ("base64 without padding", "base64", b"aGVsbG8", b"hello"),
    ("base64 one too many", "base64", b"aGVsbG8hA", b"hello!"),
    ("base64 twice", "base64", b"aGVsbG8=\r\naGVsbG8=\r\n", b"hellohello"),
    ("base64 and a footer", "base64", b"aGVsbG8=\r\n____\r\nlist footer", b"hello"),
    ("base64 of nothing", "base64", b"", b""),
    ("base64 that is none", "base64", b"!!!", b""),
    ("quoted-printable", "quoted-printable", b"=C3=A4 a=\r\nb=3D", b"\xc3\xa4 ab="),
    ("quoted-printable damaged", "quoted-printable", b"a=ZZ =", b"a=ZZ "),
    ("uuencode", "x-uuencode", b"begin 644 x.txt\r\n#86)C\r\n`\r\nend\r\n", b"abc"),
    ("uuencode damaged", "uuencode", b"begin 644 x\n#86)CX\n\x80\x80\nend\n", b"abc"),
]


@pytest.mark.parametrize(("encoding", "body", "octets"), [row[1:] for row in DECODED], ids=[row[0] for row in DECODED])
def test_transfer_encodings(encoding: str, body: bytes, octets: bytes) -> None:
    message = encoded(encoding, body)
    assert decode_part(message, message.root) == octets


@pytest.mark.parametrize("encoding", ["7bit", "base64", "quoted-printable"])
def test_decoding_is_limited(encoding: str) -> None:
    body = base64.encodebytes(b"a" * 100_000) if encoding == "base64" else b"a" * 100_000
    message = encoded(encoding, body)
    assert decode_part(message, message.root, 1_000) == b"a" * 1_000


TEXTS: list[tuple[str, str, bytes, str]] = [
    ("utf-8", "text/plain; charset=utf-8", "ä€".encode(), "ä€"),
    ("byte order mark", "text/plain; charset=utf-8", b"\xef\xbb\xbfa", "a"),
    ("latin-1 as browsers read it", "text/plain; charset=iso-8859-1", b"\x80", "€"),
    ("koi8-r", "text/plain; charset=koi8-r", "привет".encode("koi8-r"), "привет"),
    ("shift_jis", "text/plain; charset=Shift_JIS", "日本語①".encode("cp932"), "日本語①"),
    ("ks_c_5601-1987", "text/plain; charset=ks_c_5601-1987", "한국어".encode("cp949"), "한국어"),
    ("utf-16", "text/plain; charset=utf-16le", "ab".encode("utf-16le"), "ab"),
    ("none", "text/plain", "ä".encode(), "ä"),
    ("unknown", "text/plain; charset=nonsense", "ä".encode(), "ä"),
    ("unknown, not UTF-8", "text/plain; charset=nonsense", b"\xe4", "ä"),
    ("lies", "text/plain; charset=us-ascii", b"\xe4", "ä"),
    ("lies about utf-8", "text/plain; charset=utf-8", b"Gr\xfc\xdfe", "Grüße"),
    ("lies about iso-2022-jp", "text/plain; charset=iso-2022-jp", "äöü".encode(), "äöü"),
    ("slightly damaged", "text/plain; charset=utf-8", "äöüäöü".encode() + b"\xff", "äöüäöü\ufffd"),
    ("no text codec", "text/plain; charset=base64", b"abcd", "abcd"),
    ("charset in HTML", "text/html", b'<meta charset="koi8-r">\xc1', '<meta charset="koi8-r">а'),
    ("line ends", "text/plain", b"a\r\nb\nc", "a\nb\nc"),
]


@pytest.mark.parametrize(("kind", "body", "text"), [row[1:] for row in TEXTS], ids=[row[0] for row in TEXTS])
def test_text(kind: str, body: bytes, text: str) -> None:
    message = encoded("8bit", body, kind)
    assert part_text(message, message.root) == text


def test_text_is_cut_between_characters() -> None:
    message = encoded("8bit", b"a" + "€".encode() * 1_000)
    assert part_text(message, message.root, 100) == "a" + "€" * 99
    assert part_text(message, message.root, 1) == "a"


JMAP_EXAMPLE = b"""Content-Type: multipart/mixed; boundary=1

--1
Content-Disposition: inline

A
--1
Content-Type: multipart/mixed; boundary=2

--2
Content-Type: multipart/alternative; boundary=3

--3
Content-Type: multipart/mixed; boundary=4

--4
Content-Disposition: inline

B
--4
Content-Type: image/jpeg
Content-Disposition: inline

C
--4
Content-Disposition: inline

D
--4--
--3
Content-Type: multipart/related; boundary=5

--5
Content-Type: text/html

E
--5
Content-Type: image/jpeg

F
--5--
--3--
--2
Content-Type: image/jpeg
Content-Disposition: attachment

G
--2
Content-Type: application/x-excel

H
--2
Content-Type: message/rfc822

Subject: J

J
--2--
--1
Content-Disposition: inline

K
--1--
"""


def letters(message: Message, parts: tuple[Part, ...]) -> str:
    return "".join(message.octets[part.body_end - 1 : part.body_end].decode() for part in parts)


def test_bodies_and_attachments_of_the_example_in_rfc_8621() -> None:
    message = parse_message(JMAP_EXAMPLE)
    assert letters(message, text_bodies(message)) == "ABCDK"
    assert letters(message, html_bodies(message)) == "AEK"
    assert letters(message, attachments(message)) == "CFGHJ"


def test_the_only_body_serves_both_readers() -> None:
    message = parse_message(
        b"Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/html\n\n<p>x\n--b--\n"
    )
    assert text_bodies(message) == html_bodies(message) == message.root.children


def test_a_multipart_without_parts_is_shown_as_text() -> None:
    message = parse_message(b"Content-Type: multipart/mixed; boundary=never\n\nhidden text\n")
    assert text_bodies(message) == (message.root,)
    assert part_text(message, message.root) == "hidden text\n"


def test_a_named_text_is_an_attachment_unless_it_is_first() -> None:
    part = b"--b\nContent-Type: text/plain; name=x.txt\n\nx\n"
    message = parse_message(b"Content-Type: multipart/mixed; boundary=b\n\n" + part + part + b"--b--\n")
    assert text_bodies(message) == message.root.children[:1]
    assert attachments(message) == message.root.children[1:]
