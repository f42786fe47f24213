"""A mail in a file has no SMTP dialogue: what its header still tells, and what it must not be taken for."""

import pytest

from gateway.main.offline import Told, envelope_of

WRITTEN = b"From: Anna <anna@a.example>\r\nDelivered-To: ben@b.example\r\n"


@pytest.mark.parametrize(
    ("header", "told", "sender"),
    [
        pytest.param(b"Return-Path: <list@l.example>\r\n", Told(), "list@l.example", id="as-delivered"),
        pytest.param(b"Return-Path: <>\r\n", Told(), None, id="bounce"),
        pytest.param(b"", Told(), "anna@a.example", id="never-delivered-is-no-bounce"),
        pytest.param(b"Return-Path: <>\r\n", Told(mail_from="x@c.example"), "x@c.example", id="told"),
    ],
)
def test_sender_of_a_file(header: bytes, told: Told, sender: str | None) -> None:
    envelope = envelope_of(header + WRITTEN + b"\r\ntext\r\n", told)
    assert envelope.mail_from == sender
    assert [r.address for r in envelope.rcpt_to] == ["ben@b.example"]
