"""Servers that are down, silent, broken or lying."""

import asyncio

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from gateway.dns.cache import CachingResolver
from gateway.dns.resolver import Status
from gateway.dns.settings import UpstreamSettings
from gateway.dns.upstream import Server, UpstreamResolver, system_servers
from gateway.dns.zone import Zone
from gateway.dns.zone_server import respond, serve_zone
from tests.support.dns_server import QUICK, scripted_server, upstream_over

ZONE = Zone.of({"example.test": {"A": ["192.0.2.1"]}}, slow=["A silent.test"])


def _refused(data: bytes) -> list[bytes]:
    response = dns.message.make_response(dns.message.from_wire(data))
    response.set_rcode(dns.rcode.REFUSED)
    return [response.to_wire()]


def _true(data: bytes) -> bytes:
    reply = respond(ZONE, data, over_udp=True)
    assert reply is not None
    return reply


def _with_wrong_id(data: bytes) -> bytes:
    reply = bytearray(_true(data))
    reply[0] ^= 0xFF
    return bytes(reply)


def _about_another_name(data: bytes) -> bytes:
    query = dns.message.make_query("other.test.", "A")
    query.id = dns.message.from_wire(data).id
    return dns.message.make_response(query).to_wire()


def _about_another_type(data: bytes) -> bytes:
    query = dns.message.make_query("example.test.", "MX")
    query.id = dns.message.from_wire(data).id
    return dns.message.make_response(query).to_wire()


def _with_more(data: bytes, section: str) -> bytes:
    """The true answer with an address for another name slipped in."""
    response = dns.message.from_wire(_true(data))
    other = dns.rrset.from_text("bank.test.", 86_400, "IN", "A", "198.51.100.66")
    getattr(response, section).append(other)
    return response.to_wire()


@pytest.mark.parametrize("section", ["answer", "authority", "additional"])
async def test_what_was_not_asked_for_is_not_believed(section: str) -> None:
    async with scripted_server(lambda data: [_with_more(data, section)]) as (server, seen):
        cached = CachingResolver(UpstreamResolver([server], QUICK))
        assert (await cached.query("example.test", "A")).hosts() == ("192.0.2.1",)
        assert len(cached) == 1
        await cached.query("bank.test", "A")
        assert len(seen) == 2  # it is asked for like any other name
        await cached.aclose()


async def test_an_answer_for_another_name_alone_is_no_answer() -> None:
    def other(data: bytes) -> list[bytes]:
        response = dns.message.make_response(dns.message.from_wire(data))
        response.answer.append(dns.rrset.from_text("bank.test.", 300, "IN", "A", "198.51.100.66"))
        return [response.to_wire()]

    async with scripted_server(other) as (server, _):
        assert (await UpstreamResolver([server], QUICK).query("example.test", "A")).hosts() == ()


async def test_a_server_that_is_slow_is_waited_for_only_so_long() -> None:
    loop = asyncio.get_running_loop()
    async with scripted_server(lambda data: []) as (server, _):
        started = loop.time()
        answer = await UpstreamResolver([server], UpstreamSettings(try_s=0.1, rounds=3, total_s=0.2)).query(
            "a.test", "A"
        )
    assert answer.status is Status.TIMEOUT and loop.time() - started < 1.0


async def test_a_silent_server_is_a_time_out_and_not_a_no() -> None:
    async with scripted_server(lambda data: []) as (server, _):
        answer = await UpstreamResolver([server], QUICK).query("example.test", "A")
    assert answer.status is Status.TIMEOUT and answer.is_temporary


async def test_the_zone_server_keeps_silent_where_told() -> None:
    async with upstream_over(ZONE, QUICK) as upstream:
        assert (await upstream.query("silent.test", "A")).status is Status.TIMEOUT


async def test_the_next_server_is_asked_and_then_preferred() -> None:
    async with scripted_server(_refused) as (bad, seen), serve_zone(ZONE) as good:
        resolver = UpstreamResolver([bad, Server(good.host, good.port)], QUICK)
        for _ in range(3):
            assert (await resolver.query("example.test", "A")).hosts() == ("192.0.2.1",)
    assert len(seen) == 1


async def test_all_servers_refuse() -> None:
    async with scripted_server(_refused) as (bad, seen):
        answer = await UpstreamResolver([bad], UpstreamSettings(try_s=0.5, rounds=2)).query("example.test", "A")
    assert answer.status is Status.SERVFAIL and len(seen) == 2


@pytest.mark.parametrize(
    "forgery",
    [
        pytest.param(_with_wrong_id, id="wrong-id"),
        pytest.param(_about_another_name, id="another-question"),
        pytest.param(lambda data: b"\x00garbage", id="garbage"),
        pytest.param(_about_another_type, id="another-type"),
        pytest.param(lambda data: data, id="our-own-question"),
        pytest.param(lambda data: data[:2] + b"\x84", id="cut-off"),
    ],
)
async def test_a_forged_answer_does_not_hide_the_true_one(forgery: object) -> None:
    assert callable(forgery)
    async with scripted_server(lambda data: [forgery(data), _true(data)]) as (server, _):
        answer = await UpstreamResolver([server], QUICK).query("example.test", "A")
    assert answer.hosts() == ("192.0.2.1",)


async def test_truncated_without_tcp_behind_it_is_temporary() -> None:
    def truncated(data: bytes) -> list[bytes]:
        response = dns.message.make_response(dns.message.from_wire(data))
        response.flags |= dns.flags.TC
        return [response.to_wire()]

    async with scripted_server(truncated) as (server, _):
        assert (await UpstreamResolver([server], QUICK).query("example.test", "A")).is_temporary


def test_no_servers_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="at least one"):
        UpstreamResolver([])


def test_system_servers(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("etc") / "resolv.conf"
    path.write_text("# nameserver 192.0.2.9\nnameserver 192.0.2.1\nsearch test\nnameserver 2001:db8::1\n")
    assert system_servers(path) == (Server("192.0.2.1"), Server("2001:db8::1"))
    assert system_servers(path / "missing") == (Server("127.0.0.1"),)
