"""Alignment, the walk up the tree, and what the owner asks for."""

import time
from collections.abc import Sequence
from dataclasses import replace

import pytest

from gateway.dns.budget import Budget
from gateway.dns.zone import Zone, ZoneResolver
from gateway.mailauth.dmarc import check_dmarc
from gateway.mailauth.dmarc_walk import MAX_QUERIES, targets
from gateway.mailauth.results import DkimResult, DmarcResult, SpfResult
from gateway.mailauth.settings import AuthSettings
from tests.gateway.mailauth.mailroom import parsed


def zone(records: dict[str, str], fail: Sequence[str] = (), **names: dict[str, list[str]]) -> ZoneResolver:
    published = {f"_dmarc.{domain}": {"TXT": [text]} for domain, text in records.items()}
    return ZoneResolver(Zone.of({**published, **names}, fail=fail))


async def check(
    resolver: ZoneResolver | Budget,
    author: str = "ann@example.test",
    spf: tuple[str, str] = ("none", ""),
    dkim: Sequence[tuple[str, str]] = (),
    header: bytes | None = None,
    suffixes: bool = True,
) -> DmarcResult:
    fields = header if header is not None else f"From: {author}\r\n".encode()
    return await check_dmarc(
        parsed(fields + b"Subject: x\r\n\r\nhello\r\n"),
        SpfResult(spf[0], spf[1]),  # type: ignore[arg-type]
        tuple(DkimResult(result, domain) for result, domain in dkim),  # type: ignore[arg-type]
        resolver,
        replace(AuthSettings(), suffix_fallback=suffixes),
    )


@pytest.mark.parametrize(
    ("record", "spf", "dkim", "result"),
    [
        pytest.param("p=reject", ("pass", "example.test"), [], "pass", id="spf"),
        pytest.param("p=reject", ("pass", "bounce.example.test"), [], "pass", id="spf-relaxed"),
        pytest.param("p=reject; aspf=s", ("pass", "bounce.example.test"), [], "fail", id="spf-strict"),
        pytest.param("p=reject; aspf=s", ("pass", "example.test"), [], "pass", id="spf-strict-same"),
        pytest.param("p=reject", ("pass", "evil.test"), [], "fail", id="spf-of-another"),
        pytest.param("p=reject", ("pass", "badexample.test"), [], "fail", id="name-that-ends-alike"),
        pytest.param("p=reject", ("softfail", "example.test"), [], "fail", id="softfail-is-not-pass"),
        pytest.param("p=reject", ("none", ""), [("pass", "example.test")], "pass", id="dkim"),
        pytest.param("p=reject", ("none", ""), [("pass", "a.b.example.test")], "pass", id="dkim-relaxed"),
        pytest.param("p=reject; adkim=s", ("none", ""), [("pass", "a.example.test")], "fail", id="dkim-strict"),
        pytest.param("p=reject", ("none", ""), [("policy", "example.test")], "fail", id="dkim-not-good-enough"),
        pytest.param(
            "p=reject", ("none", ""), [("fail", "example.test"), ("pass", "example.test")], "pass", id="any-signature"
        ),
        pytest.param("p=reject", ("temperror", "example.test"), [], "temperror", id="spf-unknown"),
        pytest.param("p=reject", ("temperror", "evil.test"), [], "fail", id="unknown-spf-of-another"),
        pytest.param("p=reject", ("none", ""), [("temperror", "example.test")], "temperror", id="dkim-unknown"),
        pytest.param(
            "p=reject", ("temperror", "example.test"), [("pass", "example.test")], "pass", id="one-pass-is-enough"
        ),
    ],
)
async def test_alignment(record: str, spf: tuple[str, str], dkim: list[tuple[str, str]], result: str) -> None:
    found = await check(zone({"example.test": f"v=DMARC1; {record}"}), spf=spf, dkim=dkim)
    assert (found.result, found.record_domain) == (result, "example.test")
    assert found.disposition == ("reject" if result == "fail" else "none")


@pytest.mark.parametrize(
    ("record", "author", "policy", "disposition"),
    [
        pytest.param("p=reject", "example.test", "reject", "reject", id="own-record"),
        pytest.param("p=reject; sp=quarantine", "a.example.test", "quarantine", "quarantine", id="sp"),
        pytest.param("p=quarantine", "a.example.test", "quarantine", "quarantine", id="sp-defaults-to-p"),
        pytest.param("p=none; sp=none; np=reject", "gone.example.test", "reject", "reject", id="np"),
        pytest.param("p=none; sp=quarantine; np=reject", "there.example.test", "quarantine", "quarantine", id="exists"),
        pytest.param(
            "p=reject; sp=quarantine", "gone.example.test", "quarantine", "quarantine", id="np-defaults-to-sp"
        ),
        pytest.param("p=reject; t=y", "example.test", "reject", "quarantine", id="testing-reject"),
        pytest.param("p=quarantine; t=y", "example.test", "quarantine", "none", id="testing-quarantine"),
        pytest.param("p=reject; pct=0", "example.test", "reject", "quarantine", id="old-way-of-testing"),
        pytest.param("p=reject; pct=50", "example.test", "reject", "reject", id="share-is-gone"),
        pytest.param("p=reject; pct=0; t=n", "example.test", "reject", "reject", id="t-before-pct"),
        pytest.param("p=none", "example.test", "none", "none", id="none"),
        pytest.param("P = Reject ; adkim = x ; zz=1 ;;", "example.test", "reject", "reject", id="tolerated"),
        pytest.param("p=bogus; rua=mailto:a@b.test", "example.test", "none", "none", id="bad-p-with-reports"),
        pytest.param("rua=mailto:a@b.test", "example.test", "none", "none", id="no-p-with-reports"),
        pytest.param(
            "p=reject; sp=bogus; rua=mailto:a@b.test", "example.test", "none", "none", id="bad-sp-with-reports"
        ),
        pytest.param("p=reject; fo=9; ri=x; psd=q", "example.test", "reject", "reject", id="broken-other-tags"),
    ],
)
async def test_what_the_owner_asks_for(record: str, author: str, policy: str, disposition: str) -> None:
    resolver = zone({"example.test": f"v=DMARC1; {record}"}, **{"there.example.test": {"A": ["192.0.2.1"]}})
    found = await check(resolver, f"ann@{author}")
    assert (found.result, found.policy, found.disposition) == ("fail", policy, disposition)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("v=DMARC2; p=reject", id="version"),
        pytest.param("v=dmarc1; p=reject", id="version-in-small-letters"),
        pytest.param("p=reject; v=DMARC1", id="version-not-first"),
        pytest.param("v=DMARC1; p=bogus", id="bad-p-without-reports"),
        pytest.param("v=DMARC1", id="nothing"),
        pytest.param("v=spf1 -all", id="spf"),
        pytest.param("v=DMARC1; p=reject; " + "x=y; " * 2_000, id="too-long"),
    ],
)
async def test_records_that_are_none(text: str) -> None:
    found = await check(zone({"example.test": text}), spf=("pass", "example.test"))
    assert (found.result, found.aligned_spf) == ("none", True)


async def test_two_records_are_none() -> None:
    two = {"_dmarc.example.test": {"TXT": ["v=DMARC1; p=reject", "v=DMARC1; p=none"]}}
    assert (await check(ZoneResolver(Zone.of(two)))).result == "none"


async def test_other_text_beside_the_record_does_not_matter() -> None:
    mixed = {"_dmarc.example.test": {"TXT": ["v=spf1 -all", "v=DMARC1; p=reject"]}}
    assert (await check(ZoneResolver(Zone.of(mixed)))).policy == "reject"


@pytest.mark.parametrize(
    ("records", "author", "organisation", "record_domain"),
    [
        pytest.param({"a.test": "p=none"}, "x.y.a.test", "a.test", "a.test", id="above"),
        pytest.param({"a.test": "p=none", "y.a.test": "p=none"}, "x.y.a.test", "a.test", "a.test", id="fewest-labels"),
        pytest.param(
            {"a.test": "p=none", "y.a.test": "p=none; psd=n"}, "x.y.a.test", "y.a.test", "y.a.test", id="psd-n"
        ),
        pytest.param({"test": "p=none; psd=y", "a.test": "p=none"}, "x.a.test", "a.test", "a.test", id="psd-y-above"),
        pytest.param({"test": "p=reject; psd=y"}, "x.a.test", "a.test", "test", id="policy-of-the-suffix"),
        pytest.param({"a.test": "p=none; psd=y"}, "a.test", "a.test", "a.test", id="psd-y-at-the-start"),
        pytest.param(
            {"x.a.test": "p=none", "a.test": "p=none"}, "x.a.test", "a.test", "x.a.test", id="own-policy-first"
        ),
    ],
)
async def test_the_walk(records: dict[str, str], author: str, organisation: str, record_domain: str) -> None:
    found = await check(zone({k: f"v=DMARC1; {v}" for k, v in records.items()}), f"ann@{author}")
    assert (found.domain, found.record_domain) == (organisation, record_domain)


async def test_two_customers_of_one_suffix_do_not_align() -> None:
    resolver = zone({"host.test": "v=DMARC1; p=none; psd=y", "a.host.test": "v=DMARC1; p=reject"})
    found = await check(resolver, "ann@a.host.test", spf=("pass", "b.host.test"))
    assert (found.result, found.domain) == ("fail", "a.host.test")


async def test_a_part_of_an_organisation_that_stands_alone() -> None:
    resolver = zone({"a.test": "v=DMARC1; p=none", "own.a.test": "v=DMARC1; p=reject; psd=n"})
    assert (await check(resolver, "ann@own.a.test", spf=("pass", "a.test"))).result == "fail"
    assert (await check(resolver, "ann@a.test", spf=("pass", "own.a.test"))).result == "fail"
    assert (await check(resolver, "ann@own.a.test", spf=("pass", "m.own.a.test"))).result == "pass"


def test_at_most_eight_steps() -> None:
    assert targets("a.test") == ("a.test", "test")
    deep = "j.i.h.g.f.e.d.c.b.a.test"
    assert len(targets(deep)) == MAX_QUERIES
    assert targets(deep)[:2] == (deep, "f.e.d.c.b.a.test")


async def test_without_a_record_the_suffix_list_tells_the_organisation() -> None:
    resolver = zone({})
    found = await check(resolver, "ann@a.example.co.uk", spf=("pass", "b.example.co.uk"))
    assert (found.result, found.domain, found.aligned_spf) == ("none", "example.co.uk", True)
    strict = await check(resolver, "ann@a.example.co.uk", spf=("pass", "b.example.co.uk"), suffixes=False)
    assert (strict.domain, strict.aligned_spf) == ("a.example.co.uk", False)


@pytest.mark.parametrize(
    "fail",
    [
        pytest.param(["TXT _dmarc.a.example.test"], id="own-name"),
        pytest.param(["TXT _dmarc.example.test"], id="organisation"),
        pytest.param(["TXT _dmarc.test"], id="suffix"),
    ],
)
async def test_no_answer_is_never_a_fail(fail: list[str]) -> None:
    found = await check(zone({}, fail=fail), "ann@a.example.test", spf=("pass", "evil.test"))
    assert (found.result, found.disposition) == ("temperror", "")


async def test_an_identifier_whose_walk_is_unknown_is_not_a_fail() -> None:
    resolver = zone({"example.test": "v=DMARC1; p=reject"}, fail=["TXT _dmarc.mail.example.test"])
    found = await check(resolver, spf=("pass", "mail.example.test"))
    assert found.result in ("pass", "temperror")


async def test_a_spent_budget_is_a_temperror() -> None:
    budget = Budget(zone({"example.test": "v=DMARC1; p=reject"}), max_queries=0, deadline_s=9)
    assert (await check(budget)).result == "temperror"


async def test_hosts_that_a_record_names_are_never_looked_up() -> None:
    record = "v=DMARC1; p=reject; rua=mailto:a@victim.test,https://victim.test/x; ruf=mailto:b@other-victim.test"
    resolver = zone({"example.test": record})
    await check(resolver, spf=("pass", "example.test"))
    assert {name for _, name in resolver.asked} == {"_dmarc.example.test", "_dmarc.test"}


async def test_checkdmarc_is_not_shown_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    for n in range(3):
        monkeypatch.setattr(socket.socket, "sendto", refuse)
        monkeypatch.setattr(socket.socket, "connect", refuse)
        record = f"v=DMARC1; p=reject; rua=mailto:a@victim{n}.test; ruf=mailto:b@victim{n}.test"
        assert (await check(zone({"example.test": record}))).policy == "reject"


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        pytest.param(b"", "no From field", id="none"),
        pytest.param(b"From: a@a.test\r\nFrom: b@b.test\r\n", "2 From fields", id="two-fields"),
        pytest.param(b"From: a@a.test\r\nFrom: a@a.test\r\n", "2 From fields", id="two-equal-fields"),
        pytest.param(b"From: a@a.test, b@b.test\r\n", "addresses of several domains in From", id="two-domains"),
        pytest.param(b"From: nobody:;\r\n", "no address in From", id="empty-group"),
        pytest.param(b"From: Ann\r\n", "no address in From", id="name-only"),
        pytest.param(b"From: a@[192.0.2.1]\r\n", "no domain name in From", id="address-literal"),
    ],
)
async def test_mail_without_one_author_domain(header: bytes, reason: str) -> None:
    resolver = zone({})
    found = await check(resolver, header=header)
    assert (found.result, found.reason) == ("permerror", reason)
    assert not resolver.asked


async def test_two_authors_of_one_domain() -> None:
    found = await check(zone({}), header=b"From: a@Example.test, b@example.TEST\r\n")
    assert found.from_domain == "example.test"


async def test_an_author_in_another_script() -> None:
    resolver = zone({"xn--bcher-kva.test": "v=DMARC1; p=reject"})
    found = await check(resolver, header="From: a@bücher.test\r\n".encode(), dkim=[("pass", "xn--bcher-kva.test")])
    assert (found.result, found.from_domain) == ("pass", "xn--bcher-kva.test")


async def test_hostile_records_are_read_quickly() -> None:
    texts = ["v=DMARC1;" + " " * 4_000, "v=DMARC1;" + ";" * 4_000, "v=DMARC1; p=" + "none," * 700]
    started = time.process_time()
    for text in texts:
        assert (await check(zone({"example.test": text}))).result == "none"
    assert time.process_time() - started < 2.0


@pytest.mark.parametrize("text", ["v=DMARC1; p=bogus", "v=DMARC1; sp=reject", "v=DMARC1"])
async def test_a_record_of_ones_own_that_asks_for_nothing_ends_the_search(text: str) -> None:
    """RFC 9989 §4.10.1: no processing, and not the policy of the domain above."""
    found = await check(zone({"a.example.test": text, "example.test": "v=DMARC1; p=reject"}), "ann@a.example.test")
    assert (found.result, found.policy, found.reason) == ("none", "", "the record asks for nothing")


async def test_a_step_between_that_could_not_be_asked_leaves_the_policy_unknown() -> None:
    """RFC 9989 §5.3.6: neither pass nor fail, though a record was found below and one above may be the true one."""
    records = {"b.example.test": "v=DMARC1; p=reject", "example.test": "v=DMARC1; p=none"}
    resolver = zone(records, fail=["TXT _dmarc.example.test"])
    found = await check(resolver, "ann@a.b.example.test", spf=("pass", "evil.test"))
    assert (found.result, found.disposition) == ("temperror", "")


async def test_where_existence_is_unknown_the_milder_policy_holds() -> None:
    resolver = zone({"example.test": "v=DMARC1; p=none; sp=reject; np=none"}, fail=["A gone.example.test"])
    assert (await check(resolver, "ann@gone.example.test")).policy == "none"


async def test_the_name_of_the_version_tag_may_be_in_capitals() -> None:
    assert (await check(zone({"example.test": "V=DMARC1; p=reject"}))).policy == "reject"


@pytest.mark.parametrize(
    ("pct", "disposition"), [("0", "quarantine"), ("1", "reject"), ("50", "reject"), ("x", "reject")]
)
async def test_of_the_old_percentage_nothing_but_zero_is_left(pct: str, disposition: str) -> None:
    """RFC 9989 A.6; a lottery over mail would also make a verdict that nobody can repeat."""
    found = await check(zone({"example.test": f"v=DMARC1; p=reject; pct={pct}"}))
    assert (found.policy, found.disposition) == ("reject", disposition)


async def test_a_walk_asks_eight_names_at_most_and_those_of_the_rfc() -> None:
    """The example of RFC 9989 §4.10."""
    resolver = zone({})
    await check(resolver, "ann@a.b.c.d.e.f.g.h.i.j.mail.example.com")
    own = "a.b.c.d.e.f.g.h.i.j.mail.example.com"
    assert {name.removeprefix("_dmarc.") for kind, name in resolver.asked if kind == "TXT"} == {
        own,
        *(own.split(".", cut)[cut] for cut in (6, 7, 8, 9, 10, 11, 12)),
    }
