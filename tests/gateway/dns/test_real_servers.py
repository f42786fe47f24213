"""Knot and Unbound over the loopback: what we make of the real thing, DNSSEC on and off."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gateway.dns.resolver import Status
from gateway.dns.settings import UpstreamSettings
from gateway.dns.upstream import Server, UpstreamResolver
from gateway.dnslists.asking import UNREACHABLE, DnsLists, Subject
from gateway.dnslists.definition import REFUSED, DnsList
from gateway.mailauth.authenticate import authenticate
from gateway.mailauth.results import AuthResults
from gateway.mailauth.settings import AuthSettings
from tests.gateway.mailauth.mailroom import MAIL, envelope, parsed, rsa_key, sign
from tests.support import dns_servers
from tests.support.dns_servers import FixtureZone, txt

PATIENCE = UpstreamSettings(try_s=3.0, rounds=1, total_s=6.0)
_MAIL = f"""
@ TXT "v=spf1 mx -all"
@ MX 10 mail
mail A 192.0.2.1
_dmarc TXT "v=DMARC1; p=reject; rua=mailto:d@reports.test"
sel._domainkey TXT {txt(rsa_key().record)}
big TXT {txt("v=spf1 " + "ip4:198.51.100.1 " * 200 + "-all")}
alias CNAME mail
"""
_LIST = """
2.0.0.127 A 127.0.0.2
1.2.0.192 A 127.0.0.2
9.2.0.192 A 127.0.0.4
7.2.0.192 A 127.255.255.254
"""
ZONES = {
    "plain.test": FixtureZone(_MAIL),
    "signed.test": FixtureZone(_MAIL, is_signed=True),
    "bogus.test": FixtureZone(_MAIL, is_bogus=True),
    "bl.test": FixtureZone(_LIST),
    "2.0.192.in-addr.arpa": FixtureZone("1 PTR mail.plain.test.\n"),
}


@dataclass(frozen=True)
class World:
    """The servers of these tests."""

    knot: Server
    validating: Server
    trusting: Server


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Knot and two Unbounds. Without them the tests are skipped; in CI they fail."""
    reason = dns_servers.missing()
    if reason is not None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)

    def folder(name: str) -> Path:
        return tmp_path_factory.mktemp(name)

    with (
        dns_servers.silent_server() as silent,
        dns_servers.authority(ZONES, folder("knot")) as knot,
        dns_servers.resolver(
            ZONES, knot, folder("validating"), validates=True, elsewhere={"mute.test": silent}
        ) as validating,
        dns_servers.resolver(ZONES, knot, folder("trusting"), validates=False) as trusting,
    ):
        yield World(knot, validating, trusting)


def asks(server: Server) -> UpstreamResolver:
    return UpstreamResolver([server], PATIENCE)


async def authenticated(server: Server, domain: str) -> AuthResults:
    mail = sign(MAIL.replace(b"example.test", domain.encode()), domain=domain)
    sent = envelope(helo=f"mail.{domain}", mail_from=f"ann@{domain}")
    return await authenticate(sent, parsed(mail), asks(server), AuthSettings("mx.us.test"))


@pytest.mark.parametrize(
    ("resolver", "name", "status", "proved"),
    [
        pytest.param("validating", "mail.signed.test", Status.OK, True, id="proved"),
        pytest.param("validating", "mail.plain.test", Status.OK, False, id="unsigned"),
        pytest.param("validating", "mail.bogus.test", Status.SERVFAIL, False, id="bogus"),
        pytest.param("validating", "gone.signed.test", Status.NXDOMAIN, True, id="denial-proved"),
        pytest.param("validating", "alias.signed.test", Status.OK, True, id="alias"),
        pytest.param("trusting", "mail.signed.test", Status.OK, False, id="dnssec-off"),
        pytest.param("trusting", "mail.bogus.test", Status.OK, False, id="bogus-unseen"),
        pytest.param("trusting", "gone.plain.test", Status.NXDOMAIN, False, id="no-name"),
        pytest.param("knot", "mail.plain.test", Status.OK, False, id="authority"),
        pytest.param("knot", "mail.elsewhere.test", Status.SERVFAIL, False, id="refused"),
    ],
)
async def test_what_servers_say(world: World, resolver: str, name: str, status: Status, proved: bool) -> None:
    answer = await asks(getattr(world, resolver)).query(name, "A")
    assert (answer.status, answer.authenticated) == (status, proved)
    if status is Status.OK:
        assert answer.hosts() == ("192.0.2.1",)


@pytest.mark.parametrize("resolver", ["knot", "validating", "trusting"])
async def test_an_answer_too_big_for_a_datagram_comes_over_tcp(world: World, resolver: str) -> None:
    [record] = (await asks(getattr(world, resolver)).query("big.signed.test", "TXT")).txt()
    assert len(record) > 3_000 and record.endswith(b"-all")


@pytest.mark.parametrize("domain", ["plain.test", "signed.test"])
@pytest.mark.parametrize("resolver", ["validating", "trusting"])
async def test_a_true_mail_passes(world: World, resolver: str, domain: str) -> None:
    found = await authenticated(getattr(world, resolver), domain)
    assert (found.spf_helo.result, found.spf_mailfrom.result) == ("none", "pass")
    assert [one.result for one in found.dkim] == ["pass"]
    assert (found.dmarc.result, found.iprev.result) == ("pass", "pass")


async def test_a_zone_that_lies_is_could_not_tell_and_never_a_fail(world: World) -> None:
    found = await authenticated(world.validating, "bogus.test")
    assert (found.spf_mailfrom.result, found.dkim[0].result, found.dmarc.result) == ("temperror",) * 3
    assert found.dmarc.disposition == ""


async def test_a_zone_whose_servers_are_silent_is_could_not_tell(world: World) -> None:
    mail = sign(MAIL.replace(b"example.test", b"mute.test"), domain="mute.test")
    sent = envelope(helo="mail.mute.test", mail_from="ann@mute.test")
    hasty = UpstreamResolver([world.validating], UpstreamSettings(try_s=0.3, rounds=1, total_s=0.5))
    found = await authenticate(sent, parsed(mail), hasty, AuthSettings("mx.us.test"))
    assert (found.spf_mailfrom.result, found.dkim[0].result, found.dmarc.result) == ("temperror",) * 3


async def test_a_block_list_is_asked(world: World) -> None:
    listed = DnsList(
        "bl", "bl.test", "", frozenset({"client"}), {"127.0.0.2": "client-spam"}, {}, frozenset({"127.0.0.9"})
    )
    lists = DnsLists(asks(world.validating), [listed])

    async def says(ip: str) -> list[str]:
        return [one.meaning for one in await lists.ask([Subject("client", ip, "client")])]

    assert await says("192.0.2.1") == ["client-spam"]
    assert await says("192.0.2.2") == []
    assert await says("192.0.2.9") == []
    assert await says("192.0.2.7") == [REFUSED]
    unreachable = DnsLists(asks(world.knot), [replace(listed, zone="far.test")])
    assert [one.meaning for one in await unreachable.ask([Subject("client", "192.0.2.1", "client")])] == [UNREACHABLE]
