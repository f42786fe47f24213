"""Lists asked over a real DNS server: one that is slow, broken, refusing or lying does nothing to a mail."""

from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from gateway.checks import dnslists as check
from gateway.dns.zone import Zone, ZoneResolver
from gateway.dnslists.asking import AskSettings, DnsLists, Subject
from gateway.dnslists.definition import known_lists
from gateway.pipeline.facts import DataFacts
from gateway.pipeline.run import ask
from tests.support.dns_server import QUICK, upstream_over
from tests.support.facts import authenticated, facts, html_mail, mail

CLIENT = Subject("client", "192.0.2.7", "client")
ZEN, DBL, SURBL, DWL = (known_lists()[name] for name in ("spamhaus-zen", "spamhaus-dbl", "surbl", "dnswl-domains"))


def zone_of(names: dict[str, list[str]], fail: tuple[str, ...] = (), slow: tuple[str, ...] = ()) -> Zone:
    return Zone.of({name: {"A": answers} for name, answers in names.items()}, fail, slow)


async def signals(lists: DnsLists, of: DataFacts) -> dict[str, str]:
    return {e.signal.name: e.detail for e in await ask(check.check(lists), of)}


def lure(**overrides: object) -> DataFacts:
    page = html_mail('<p>Your parcel waits, see <a href="https://www.parcel-fee.example/pay">here</a> please.</p>')
    return facts(page, **overrides)


async def test_client_and_domains_are_looked_up_over_the_network() -> None:
    zone = zone_of(
        {
            "7.2.0.192.zen.spamhaus.org": ["127.0.0.2", "127.0.0.10"],
            "parcel-fee.example.dbl.spamhaus.org": ["127.0.1.4"],
            "parcel-fee.example.multi.surbl.org": ["127.0.0.24"],
        }
    )
    async with upstream_over(zone) as resolver:
        seen = await signals(DnsLists(resolver, (ZEN, DBL, SURBL)), lure())
    assert seen == {
        "dnslist.client-spam": "192.0.2.7 (client) by spamhaus-zen",
        "dnslist.client-dynamic": "192.0.2.7 (client) by spamhaus-zen",
        "dnslist.domain-phish": "parcel-fee.example (link) by spamhaus-dbl, surbl",
        "dnslist.domain-malware": "parcel-fee.example (link) by surbl",
    }


async def test_a_good_signer_speaks_for_the_mail() -> None:
    resolver = ZoneResolver(zone_of({"shop.example.dwl.dnswl.org": ["127.0.5.3"]}))
    seen = await signals(DnsLists(resolver, (DWL,)), facts(mail(), auth=authenticated("shop.example")))
    assert set(seen) == {"dnslist.signed-trusted"}
    assert await signals(DnsLists(resolver, (DWL,)), facts(mail())) == {}


@pytest.mark.parametrize("answers", [["127.255.255.254"], ["127.255.255.252"], ["198.51.100.1"]])
async def test_a_refusal_is_never_a_listing(answers: list[str]) -> None:
    resolver = ZoneResolver(zone_of({"*.zen.spamhaus.org": answers, "*.dbl.spamhaus.org": answers}))
    assert set(await signals(DnsLists(resolver, (ZEN, DBL)), lure())) == {"dnslist.refused"}


async def test_a_broken_list_is_told_and_the_others_still_count() -> None:
    zone = zone_of({"parcel-fee.example.dbl.spamhaus.org": ["127.0.1.4"]}, fail=("A 7.2.0.192.zen.spamhaus.org",))
    async with upstream_over(zone, QUICK) as resolver:
        seen = await signals(DnsLists(resolver, (ZEN, DBL)), lure())
    assert set(seen) == {"dnslist.unreachable", "dnslist.domain-phish"}
    assert seen["dnslist.unreachable"] == "spamhaus-zen"


async def test_a_silent_list_costs_its_time_only() -> None:
    zone = zone_of({"parcel-fee.example.dbl.spamhaus.org": ["127.0.1.4"]}, slow=("A 7.2.0.192.zen.spamhaus.org",))
    lists = DnsLists(ZoneResolver(zone), (ZEN, DBL), settings=AskSettings(seconds_per_mail=0.2))
    assert set(await signals(lists, lure())) == {"dnslist.unreachable", "dnslist.domain-phish"}


async def test_questions_are_bounded_however_many_domains_a_mail_names() -> None:
    links = "".join(f'<a href="https://x.shop-{n}.example/">offer</a> ' for n in range(300))
    resolver = ZoneResolver(zone_of({}))
    settings = AskSettings(queries_per_mail=10)
    seen = await signals(DnsLists(resolver, (DBL, SURBL), settings=settings), facts(html_mail(f"<p>{links}</p>")))
    assert resolver.asked.total() == 10
    assert seen == {}, "what is not asked is not unreachable"


async def test_own_domains_inside_addresses_and_our_people_are_not_asked_about() -> None:
    plain = facts(mail("Hello, the plan is at https://example.com/plan as promised, see you there."))
    resolver = ZoneResolver(zone_of({}))
    inside = replace(plain.envelope, peer=replace(plain.envelope.peer, ip=ip_address("10.1.2.3")))
    ours = replace(plain.envelope, peer=replace(plain.envelope.peer, user="maria@example.com"))
    for envelope in (inside, ours):
        await signals(DnsLists(resolver, (ZEN, DBL)), replace(plain, envelope=envelope))
    asked = {name for _, name in resolver.asked}
    assert not [name for name in asked if name.endswith("zen.spamhaus.org") or name.startswith("example.com")]
    assert "shop.example.dbl.spamhaus.org" in asked


async def test_a_key_asks_the_paid_zone() -> None:
    resolver = ZoneResolver(zone_of({}))
    await DnsLists(resolver, (ZEN,), key="secretkey").ask([CLIENT])
    assert [name for _, name in resolver.asked] == ["7.2.0.192.secretkey.zen.dq.spamhaus.net"]


async def test_ipv6_is_asked_by_nibbles() -> None:
    resolver = ZoneResolver(zone_of({}))
    await DnsLists(resolver, (ZEN,)).ask([Subject("client", "2001:db8::1", "client")])
    assert [name for _, name in resolver.asked] == [
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.zen.spamhaus.org"
    ]


async def test_an_offline_copy_is_asked_instead_and_read_again_when_it_changes(tmp_path: Path) -> None:
    file, now = tmp_path / "zen", [0.0]
    file.write_text(":127.0.0.2:\n192.0.2.7\n")
    resolver = ZoneResolver(zone_of({"7.2.0.192.zen.spamhaus.org": ["127.0.0.9"]}))
    lists = DnsLists(resolver, (ZEN,), files={"spamhaus-zen": file}, clock=lambda: now[0])
    lists.load()
    assert [each.meaning for each in await lists.ask([CLIENT])] == ["client-spam"]
    file.write_text("198.51.100.0/24 :127.0.0.2:\n")
    now[0] += 120
    assert await lists.ask([CLIENT]) == []
    file.write_text("!!! no list at all !!!/\n")
    now[0] += 120
    assert [each.meaning for each in await lists.ask([Subject("client", "198.51.100.1", "client")])] == ["client-spam"]
    assert not resolver.asked


def test_every_meaning_has_a_signal() -> None:
    for each in known_lists().values():
        meanings = {*each.answers.values(), *each.bits.values(), *([each.means] if each.means else [])}
        assert meanings <= set(check.SIGNALS), each.name
