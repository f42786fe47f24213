"""Zones as text, and the server's handling of packets."""

import asyncio

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dns.resolver import Mx, Status
from gateway.dns.zone import BadZone, Zone, ZoneResolver
from gateway.dns.zone_server import respond, serve_zone

TEXT = """
fail = ["TXT broken.test"]
slow = ["A silent.test"]
ttl_s = 60
["example.test"]
MX = ["10 mx.example.test."]
TXT = ["v=spf1 mx -all"]
"""
ZONE = Zone.parse(TEXT)


async def test_a_zone_in_toml() -> None:
    resolver = ZoneResolver(ZONE)
    assert (await resolver.query("example.test", "MX")).mx() == (Mx(10, "mx.example.test"),)
    assert (await resolver.query("broken.test", "TXT")).status is Status.SERVFAIL
    assert resolver.asked == {("MX", "example.test"): 1, ("TXT", "broken.test"): 1}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[", id="no-toml"),
        pytest.param('["a.test"]\nMX = ["mx.test"]', id="no-preference"),
        pytest.param('["a.test"]\nA = "192.0.2.1"', id="no-list"),
        pytest.param('["a..test"]\nA = ["192.0.2.1"]', id="no-name"),
        pytest.param('["a.test"]\nWKS = ["x"]', id="no-such-type"),
    ],
)
def test_bad_zones_are_refused(text: str) -> None:
    with pytest.raises(BadZone):
        Zone.parse(text)


async def test_slow_is_as_slow_as_the_caller_is_patient() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await ZoneResolver(ZONE).query("silent.test", "A")


def test_a_denial_says_how_long_it_holds() -> None:
    query = dns.message.make_query("nowhere.test.", "A")
    response = dns.message.from_wire(respond(ZONE, query.to_wire(), over_udp=True) or b"")
    assert response.rcode() == dns.rcode.NXDOMAIN and response.flags & dns.flags.AA
    assert response.authority[0].ttl == 60


@pytest.mark.parametrize(("payload", "fits"), [(None, False), (512, False), (4096, True)])
def test_truncation_at_what_the_asker_can_take(payload: int | None, fits: bool) -> None:
    zone = Zone.of({"long.test": {"TXT": ["x" * 700]}})
    query = dns.message.make_query("long.test.", "TXT", use_edns=payload is not None and 0, payload=payload or 0)
    wire = respond(zone, query.to_wire(), over_udp=True) or b""
    assert len(wire) <= (payload or 512)
    assert bool(dns.message.from_wire(wire).flags & dns.flags.TC) is not fits


async def test_several_questions_on_one_tcp_connection() -> None:
    async with serve_zone(ZONE) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        for name in ("example.test.", "nowhere.test."):
            wire = dns.message.make_query(name, "TXT").to_wire()
            writer.write(len(wire).to_bytes(2, "big") + wire)
            size = int.from_bytes(await reader.readexactly(2), "big")
            assert dns.message.from_wire(await reader.readexactly(size)).question[0].name.to_text() == name
    assert await reader.read() == b""  # the server has gone, though this client stayed
    writer.close()
    await writer.wait_closed()


@given(st.binary(max_size=80))
def test_no_packet_breaks_the_server(data: bytes) -> None:
    reply = respond(ZONE, data, over_udp=True)
    assert reply is None or len(reply) <= 4096
