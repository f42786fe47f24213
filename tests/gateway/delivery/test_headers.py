"""The trace line, written from what a client says about itself."""

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address

import pytest

from gateway.delivery.headers import received
from gateway.envelope import Peer
from tests.support.facts import envelope, facts

AT = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)

NAMES = {
    "a host name": ("mx1.sender.example", "from mx1.sender.example (unknown [192.0.2.7]) by mx.example.test"),
    "an address literal": ("[IPv6:2001:db8::1]", "from [IPv6:2001:db8::1] (unknown [192.0.2.7]) by mx.example.test"),
    "nothing": ("", "from unknown (unknown [192.0.2.7]) by mx.example.test"),
    "clauses of its own": (
        "x) by evil; from trusted.example (good",
        "from x??by?evil??from?trusted.example??good (unknown [192.0.2.7]) by mx.example.test",
    ),
}


@pytest.mark.parametrize(("helo", "start"), NAMES.values(), ids=NAMES)
def test_the_name_a_client_gives_cannot_write_clauses_of_its_own(helo: str, start: str) -> None:
    told = replace(envelope(), peer=Peer(ip_address("192.0.2.7"), 25, helo))
    seen = facts("Subject: hi\n\nhello\n", envelope=told)
    assert received(seen, "mx.example.test", AT).startswith(start)
