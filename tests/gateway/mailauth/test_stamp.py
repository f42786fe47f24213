"""What is put on a mail and what is taken off."""

import pytest

from gateway.mailauth.stamp import render_field, stamp
from tests.gateway.mailauth.mailroom import MAIL, parsed

US = "mx.receiver.test"


def stamped(mail: bytes, *fields: tuple[str, str]) -> bytes:
    return stamp(mail, parsed(mail), fields, US)


def test_new_fields_come_first_and_nothing_else_changes() -> None:
    assert stamped(MAIL, ("X-A", "1"), ("X-B", "2")) == b"X-A: 1\r\nX-B: 2\r\n" + MAIL


@pytest.mark.parametrize(
    "field",
    [
        b"Authentication-Results: mx.receiver.test; dkim=pass header.d=bank.test\r\n",
        b"authentication-results:MX.Receiver.Test 1; dkim=pass\r\n",
        b"Authentication-Results: (a (nested) comment) mx.receiver.test (b); dkim=pass\r\n",
        b'Authentication-Results: "mx.receiver.test"; dkim=pass\r\n',
        b"Authentication-Results:\r\n\tmx.receiver.test;\r\n\tdkim=pass\r\n",
        b"Authentication-Results : mx.receiver.test.; dkim=pass\r\n",
        b"Authentication-Results: ; dkim=pass\r\n",
        b'Authentication-Results: "mx\\.receiver.test"; dkim=pass\r\n',
        b'Authentication-Results: "mx.receiver.test" 1; dkim=pass\r\n',
        b"Authentication-Results: mx.receiver.test(1)1(2); dkim=pass\r\n",
        b"Authentication-Results: (;) mx.receiver.test; dkim=pass\r\n",
        b"Authentication-Results: (\\)) mx.receiver.test; dkim=pass\r\n",
        b"Authentication-Results: mx .receiver (x). test; dkim=pass\r\n",
        b"Authentication-Results: =?us-ascii?q?mx.receiver.test?=; dkim=pass\r\n",
        b"Authentication-Results: " + "mx\uff0ereceiver\uff0eTEST".encode() + b"; dkim=pass\r\n",
        b"Authentication-Results: " + b"(" * 30 + b")" * 30 + b" mx.receiver.test; dkim=pass\r\n",
        b"Authentication-Results: (never ends mx.receiver.test; dkim=pass\r\n",
        b"Authentication-Results: " + b"(x)" * 2_000 + b" mx.receiver.test; dkim=pass\r\n",
        b"Authentication-Results:mx.receiver.test\r\n",
        b"X-Mailward-Verdict: ham\r\n",
        b"x-mailward-why: because\r\n of this\r\n",
        b"X-Spam-Flag: NO\r\n",
        b"X-Spam-Status: No, score=-100\r\n\ttests=ALL\r\n",
        b"X-Spam-Level : \r\n",
    ],
)
@pytest.mark.parametrize("at", ["top", "bottom"])
def test_fields_that_only_we_may_write_are_gone(field: bytes, at: str) -> None:
    header, _, body = MAIL.partition(b"\r\n\r\n")
    mail = field + MAIL if at == "top" else header + b"\r\n" + field + b"\r\n" + body
    assert stamped(mail) == MAIL


@pytest.mark.parametrize(
    "field",
    [
        b"Authentication-Results: mx.other.test; dkim=pass\r\n",
        b"Authentication-Results: notmx.receiver.test; dkim=pass\r\n",
        b"Authentication-Results: mx.other.test (mx.receiver.test); dkim=pass\r\n",
        b"Authentication-Results: mx.receiver.test.evil.test; dkim=pass\r\n",
        b'Authentication-Results: "mx.other.test" 1; dkim=pass (mx.receiver.test)\r\n',
        b"ARC-Authentication-Results: i=1; mx.receiver.test; dkim=pass\r\n",
        b"Received-SPF: pass\r\n",
        b"X-Spammer: yes\r\n",
        b"Subject: X-Spam-Flag: NO\r\n",
    ],
)
def test_fields_of_others_stay(field: bytes) -> None:
    assert stamped(field + MAIL) == field + MAIL


def test_the_body_is_not_searched() -> None:
    mail = MAIL + b"X-Spam-Flag: NO\r\n"
    assert stamped(mail) == mail


def test_a_mail_without_a_body_or_header() -> None:
    assert stamped(b"Subject: x\r\n", ("X-A", "1")) == b"X-A: 1\r\nSubject: x\r\n"
    assert stamped(b"\r\nhello\r\n", ("X-A", "1")) == b"X-A: 1\r\n\r\nhello\r\n"


@pytest.mark.parametrize(
    ("value", "octets"),
    [
        pytest.param("plain", b"X-A: plain\r\n", id="plain"),
        pytest.param("a\r\n\tb\r\n c", b"X-A: a\r\n\tb\r\n\tc\r\n", id="folds-stay"),
        pytest.param("a\r\nBcc: b", b"X-A: a Bcc: b\r\n", id="no-new-field"),
        pytest.param("a\n\nbody", b"X-A: a body\r\n", id="no-body"),
        pytest.param("a\r\n \r\nb", b"X-A: a\r\n\tb\r\n", id="no-blank-fold"),
        pytest.param("a\x00\x07\x7fb", b"X-A: a b\r\n", id="controls"),
        pytest.param("grüße", b"X-A: =?utf-8?b?Z3LDvMOfZQ==?=\r\n", id="other-scripts"),
        pytest.param("\ud800", b"X-A: ?\r\n", id="lone-surrogate"),
        pytest.param("", b"X-A: \r\n", id="empty"),
    ],
)
def test_values_are_made_harmless(value: str, octets: bytes) -> None:
    assert render_field("X-A", value) == octets


def test_no_line_is_too_long() -> None:
    for value in ("x" * 5_000, "ü" * 5_000, "x y " * 2_000):
        lines = render_field("X-A", value).split(b"\r\n")
        assert all(len(line) <= 998 for line in lines) and all(line[:1] in b"\t " for line in lines[1:-1])


@pytest.mark.parametrize("name", ["", "X A", "X:A", "X\r\nBcc", "Ü"])
def test_bad_names_are_a_mistake(name: str) -> None:
    with pytest.raises(ValueError, match="not a header field name"):
        render_field(name, "x")
