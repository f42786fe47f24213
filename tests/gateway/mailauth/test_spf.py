"""SPF beyond the RFC's suite: what we add around pyspf."""

import time
from ipaddress import ip_address

import pytest

from gateway.dns.budget import Budget
from gateway.dns.zone import Zone, ZoneResolver
from gateway.mailauth.results import SpfResult
from gateway.mailauth.spf import SpfIdentity, check_spf


async def check(
    resolver: ZoneResolver | Budget,
    ip: str = "192.0.2.1",
    sender: str = "ann@example.test",
    helo: str = "mail.example.test",
) -> SpfResult:
    return await check_spf(SpfIdentity(ip_address(ip), helo, sender, "mfrom"), resolver)


def zone(record: str, **more: dict[str, list[str]]) -> ZoneResolver:
    names: dict[str, dict[str, list[str]]] = {"example.test": {"TXT": [record]}}
    names.update({name.replace("_dot_", "."): types for name, types in more.items()})
    return ZoneResolver(Zone.of(names))


@pytest.mark.parametrize(
    ("record", "result", "mechanism"),
    [
        ("v=spf1 ip4:192.0.2.1 -all", "pass", "ip4:192.0.2.1"),
        ("v=spf1 -all", "fail", "-all"),
        ("v=spf1 ~all", "softfail", "~all"),
        ("v=spf1 ?all", "neutral", "?all"),
        ("v=spf1", "neutral", ""),
        ("v=spf1 bogus:x -all", "permerror", ""),
        ("hello", "none", ""),
    ],
)
async def test_what_a_record_says(record: str, result: str, mechanism: str) -> None:
    found = await check(zone(record))
    assert (found.result, found.mechanism, found.domain) == (result, mechanism, "example.test")


async def test_the_null_sender_is_the_helo_name() -> None:
    resolver = ZoneResolver(Zone.of({"mail.example.test": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]}}))
    found = await check(resolver, sender="")
    assert (found.result, found.domain) == ("pass", "mail.example.test")


@pytest.mark.parametrize("helo", ["", "localhost", "[192.0.2.1]", "a..b", "x" * 300, "\x00.\xff"])
async def test_a_helo_that_is_no_name_is_not_asked_about(helo: str) -> None:
    resolver = zone("v=spf1 -all")
    assert (await check(resolver, sender="", helo=helo)).result == "none"


async def test_explanation_is_fetched_for_a_fail_only_and_made_harmless() -> None:
    words = "Go\r\n away\x1b[31m %{i}"
    for record, asked in (("v=spf1 -all exp=why.test", 1), ("v=spf1 +all exp=why.test", 0)):
        resolver = ZoneResolver(Zone.of({"example.test": {"TXT": [record]}, "why.test": {"TXT": [words]}}))
        found = await check(resolver)
        assert resolver.asked["TXT", "why.test"] == asked
        if found.result == "fail":
            assert found.explanation == "Go  away [31m 192.0.2.1"


@pytest.mark.parametrize(
    "broken",
    ["TXT example.test", "TXT include.test", "A host.test", "MX mx.test"],
)
async def test_no_answer_is_never_a_fail(broken: str) -> None:
    record = "v=spf1 include:include.test a:host.test mx:mx.test -all"
    names = {
        "example.test": {"TXT": [record]},
        "include.test": {"TXT": ["v=spf1 ?all"]},
        "host.test": {"A": ["192.0.2.9"]},
        "mx.test": {"MX": ["10 host.test"]},
    }
    assert (await check(ZoneResolver(Zone.of(names)))).result == "fail"
    found = await check(ZoneResolver(Zone.of(names, fail=[broken])))
    assert found.result == "temperror"


async def test_a_spent_budget_is_a_temperror() -> None:
    names = {"example.test": {"TXT": ["v=spf1 include:a.test -all"]}, "a.test": {"TXT": ["v=spf1 -all"]}}
    found = await check(Budget(ZoneResolver(Zone.of(names)), max_queries=1, deadline_s=9))
    assert (found.result, "budget" in found.explanation) == ("temperror", True)


async def test_hosts_of_an_exchanger_are_asked_for_together() -> None:
    names: dict[str, dict[str, list[str]]] = {
        "example.test": {"TXT": ["v=spf1 mx -all"], "MX": [f"{n} mx{n}.test" for n in range(10)]}
    }
    names.update({f"mx{n}.test": {"A": [f"192.0.2.{n + 10}"]} for n in range(10)})
    resolver = ZoneResolver(Zone.of(names))
    assert (await check(resolver)).result == "fail"
    assert resolver.asked.total() == 12


@pytest.mark.parametrize(
    ("record", "result"),
    [
        pytest.param("v=spf1 " + "ip4:192.0.2.9 " * 1_000 + "-all", "permerror", id="long-record"),
        pytest.param("v=spf1 a:" + "a" * 4_000 + " -all", "permerror", id="long-term"),
        pytest.param("v=spf1 exists:" + "%{s}" * 100 + ".test -all", None, id="many-macros"),
        pytest.param("v=spf1 " + "include:example.test " * 50, "permerror", id="includes-itself"),
        pytest.param("v=spf1 " + " ".join(f"a:n{n}.test" for n in range(50)), "permerror", id="many-look-ups"),
        pytest.param("v=spf1 redirect=example.test", "permerror", id="redirects-to-itself"),
        pytest.param("v=spf1 a:%{d1r-+,/_=*}.%{h}%{p}.test -all", None, id="odd-macros"),
        pytest.param("v=spf1 exists:%{p}.test ptr:%{p} -all", None, id="pointers"),
    ],
)
async def test_hostile_records_end_quickly(record: str, result: str | None) -> None:
    resolver = zone(record)
    started = time.process_time()
    found = await check(resolver)
    assert result is None or found.result == result
    assert resolver.asked.total() < 60 and time.process_time() - started < 1.0


async def test_ipv4_in_ipv6_clothes() -> None:
    found = await check(zone("v=spf1 ip4:192.0.2.1 -all"), ip="::ffff:192.0.2.1")
    assert found.result == "pass"


async def test_internationalised_sender() -> None:
    resolver = ZoneResolver(Zone.of({"xn--bcher-kva.test": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]}}))
    found = await check(resolver, sender="jürgen@bücher.test")
    assert (found.result, found.domain) == ("pass", "xn--bcher-kva.test")


def _looks(terms: int, void: int) -> ZoneResolver:
    """A record with terms that need a look-up, ``void`` of which find nothing."""
    names: dict[str, dict[str, list[str]]] = {f"n{n}.test": {"A": ["192.0.2.9"]} for n in range(void, terms)}
    record = "v=spf1 " + " ".join(f"a:n{n}.test" for n in range(terms)) + " ip4:192.0.2.1 -all"
    return ZoneResolver(Zone.of({**names, "example.test": {"TXT": [record]}}))


@pytest.mark.parametrize(
    ("terms", "void", "result"),
    [(10, 0, "pass"), (11, 0, "permerror"), (2, 2, "pass"), (3, 3, "permerror"), (10, 2, "pass"), (10, 3, "permerror")],
)
async def test_the_limits_of_look_ups_are_exact(terms: int, void: int, result: str) -> None:
    """Ten terms that ask, two that find nothing. RFC 7208 §4.6.4."""
    assert (await check(_looks(terms, void))).result == result


async def test_an_exchanger_may_have_ten_hosts_and_no_more() -> None:
    for count, result in ((10, "fail"), (11, "permerror")):
        names: dict[str, dict[str, list[str]]] = {
            "example.test": {"TXT": ["v=spf1 mx -all"], "MX": [f"{n} mx{n}.test" for n in range(count)]}
        }
        names.update({f"mx{n}.test": {"A": ["192.0.2.9"]} for n in range(count)})
        assert (await check(ZoneResolver(Zone.of(names)))).result == result
