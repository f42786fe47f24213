"""A mail of any shape gets a row."""

import pytest

from store.blob.contract import BlobId
from store.kv.contract import MAX_VALUE_OCTETS
from store.mail.emails import NewEmail, row_of
from store.mail.model import EmailId, ThreadId
from store.mail.parsing import digest_octets
from store.schema.rows import pack

_MIME = b"MIME-Version: 1.0\r\nContent-Type: "
_WIDE = "\U0001f600".encode()
HOSTILE = {
    "recipients": b"To: " + b", ".join(b"Some Name <somebody%d@long.example.test>" % n for n in range(5_000)),
    "wide-names": b"".join(
        name
        + b": "
        + b", ".join(b'"' + _WIDE * 500 + b'" <' + b"x" * 900 + b"%d@example.test>" % n for n in range(20))
        + b"\r\n"
        for name in (b"To", b"Cc", b"Bcc", b"From", b"Sender", b"Reply-To")
    ).rstrip(),
    "parts": _MIME
    + b"multipart/mixed; boundary=b\r\n\r\n"
    + b"".join(b"--b\r\nContent-Type: text/plain; name=%d\r\n\r\nx\r\n" % n for n in range(3_000))
    + b"--b--",
    "parameters": _MIME + b"text/plain; " + b"; ".join(b"p%d=%s" % (n, b"v" * 3_000) for n in range(64)),
    "references": b"References: " + b" ".join(b"<" + _WIDE * 240 + b"%d@example.test>" % n for n in range(400)),
    "charset": _MIME + b"text/plain; charset=" + b"c" * 200_000,
    "type": _MIME + b"t" * 100_000 + b"/" + b"u" * 100_000,
    "file": _MIME + b"text/plain; name=" + b"n" * 200_000 + b"\r\nContent-ID: <" + b"i" * 20_000 + b">",
    "subject": b"Subject: " + _WIDE * 50_000,
}


@pytest.mark.parametrize("octets", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_mail_fits_a_row(octets: bytes) -> None:
    digest = digest_octets(octets + b"\r\n\r\nbody\r\n")
    row = pack(row_of(EmailId(1), ThreadId(1), NewEmail(BlobId(bytes(32)), digest, 0)))
    assert len(row) <= MAX_VALUE_OCTETS


def test_what_fits_is_kept_whole() -> None:
    digest = digest_octets(b"To: " + b", ".join(b"n%d@example.test" % n for n in range(300)) + b"\r\n\r\n")
    assert len(digest.addresses["To"]) == 300
    assert digest.imap_envelope and digest.imap_bodystructure


def test_renderings_go_before_addresses() -> None:
    digest = digest_octets(b"To: " + b", ".join(b"name%d@example.test" % n for n in range(1_900)) + b"\r\n\r\n")
    assert digest.imap_envelope == b""
    assert len(digest.addresses["To"]) == 1_900
