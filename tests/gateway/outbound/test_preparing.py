"""What a submission agent adds and takes away, and what it leaves alone."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from gateway.outbound.preparing import prepared, received
from tests.support.facts import envelope

SENT = envelope("maria@example.com", "x@far.example")
DATE = b"Date: Mon, 02 Mar 2026 09:00:00 +0000\r\n"
ID = b"Message-ID: <01jd3k8s7qx7m2wz@example.com>\r\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(b"From: a@b\r\n\r\nHi\r\n", DATE + ID + b"From: a@b\r\n\r\nHi\r\n", id="both-missing"),
        pytest.param(
            b"date: x\r\nMESSAGE-ID: <1@a>\r\n\r\nHi\r\n", b"date: x\r\nMESSAGE-ID: <1@a>\r\n\r\nHi\r\n", id="complete"
        ),
        pytest.param(
            b"Date: x\r\nBCC: a@b,\r\n c@d\r\nMessage-ID: <1@a>\r\nResent-Bcc: e@f\r\n\r\nBcc: stays\r\n",
            b"Date: x\r\nMessage-ID: <1@a>\r\n\r\nBcc: stays\r\n",
            id="bcc-goes-with-its-folds",
        ),
        pytest.param(
            b"Return-Path: <x@y>\r\nX-Mailward-Verdict: ham\r\nAuthentication-Results: mx.example.com; dkim=pass\r\n"
            b"Authentication-Results: other.example; spf=pass\r\nDate: x\r\nMessage-ID: <1@a>\r\n\r\n",
            b"Authentication-Results: other.example; spf=pass\r\nDate: x\r\nMessage-ID: <1@a>\r\n\r\n",
            id="what-only-we-may-say",
        ),
        pytest.param(b"\r\nno header", DATE + ID + b"\r\nno header", id="no-header"),
        pytest.param(b"Subject: x\r\n", DATE + ID + b"Subject: x\r\n\r\n", id="no-body"),
        pytest.param(b"Subject: x", DATE + ID + b"Subject: x\r\n\r\n", id="cut-off"),
        pytest.param(b"", DATE + ID + b"\r\n", id="nothing"),
    ],
)
def test_a_mail_is_made_ready(before: bytes, after: bytes) -> None:
    assert prepared(before, SENT, "mx.example.com") == after


@pytest.mark.parametrize(
    ("peer", "hidden", "line"),
    [
        ({"tls": "TLSv1.3"}, True, "from client.invalid by mx.example.com with ESMTPSA (TLSv1.3) id"),
        ({}, False, "from mx.shop.example ([192.0.2.7]) by mx.example.com with ESMTPA id"),
        ({"ip": ip_address("2001:db8::1"), "helo": "a (b) by c"}, False, "from a??b??by?c ([IPv6:2001:db8::1]) by mx"),
    ],
    ids=["hidden", "shown", "hostile"],
)
def test_our_trace(peer: dict[str, object], hidden: bool, line: str) -> None:
    sent = replace(SENT, peer=replace(SENT.peer, **peer))  # type: ignore[arg-type]
    written = received(sent, "mx.example.com", hide_client=hidden).decode()
    assert line in written and written.endswith("01jd3k8s7qx7m2wz; Mon, 02 Mar 2026 09:00:00 +0000\r\n")
