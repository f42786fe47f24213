"""Everything together, and everything going wrong."""

import time
from dataclasses import replace

import msgspec
import pytest

from gateway.dns.resolver import Answer
from gateway.mailauth.authenticate import authenticate, warm_up
from gateway.mailauth.results import AuthResults
from gateway.mailauth.settings import AuthSettings
from tests.gateway.mailauth.mailroom import MAIL, envelope, parsed, resolver, sign

SETTINGS = AuthSettings("mx.receiver.test")


async def test_a_true_mail() -> None:
    found = await authenticate(envelope(), parsed(sign()), resolver(), SETTINGS)
    assert (found.spf_helo.result, found.spf_mailfrom.result, found.iprev.result) == ("pass", "pass", "pass")
    assert [one.result for one in found.dkim] == ["pass"]
    assert (found.dmarc.result, found.dmarc.aligned_spf, found.dmarc.aligned_dkim) == ("pass", True, True)
    assert found.authenticated_domains == {"example.test"} and not found.notes


async def test_a_forged_mail() -> None:
    peer = envelope("198.51.100.7", "evil.test", "ann@example.test")
    found = await authenticate(peer, parsed(MAIL), resolver(), SETTINGS)
    assert (found.spf_mailfrom.result, found.dkim, found.iprev.result) == ("fail", (), "permerror")
    assert (found.dmarc.result, found.dmarc.disposition) == ("fail", "reject")
    assert found.authenticated_domains == frozenset()


async def test_a_forwarded_mail_keeps_its_signature() -> None:
    found = await authenticate(envelope("198.51.100.7", "list.test"), parsed(sign()), resolver(), SETTINGS)
    assert (found.spf_mailfrom.result, found.dmarc.result, found.dmarc.aligned_spf) == ("fail", "pass", False)


@pytest.mark.parametrize(
    ("ip", "user"),
    [
        ("127.0.0.1", ""),
        ("::1", ""),
        ("10.1.2.3", ""),
        ("192.168.1.1", ""),
        ("fd00::1", ""),
        ("169.254.0.1", ""),
        ("::ffff:10.0.0.1", ""),
        ("198.51.100.7", "ann"),
    ],
)
async def test_mail_from_inside_is_not_asked_about(ip: str, user: str) -> None:
    zone = resolver()
    found = await authenticate(envelope(ip, user=user), parsed(MAIL), zone, SETTINGS)
    assert (found.spf_helo.result, found.spf_mailfrom.result) == ("none", "none")
    assert ("TXT", "example.test") not in zone.asked
    assert user or found.iprev.result == "none"


async def test_the_dns_is_down() -> None:
    class Down:
        async def query(self, name: str, rdtype: str) -> Answer:
            from gateway.dns.resolver import Status, failed

            return failed(name, rdtype, Status.TIMEOUT)

    found = await authenticate(envelope(), parsed(sign()), Down(), SETTINGS)
    results = [found.spf_helo, found.spf_mailfrom, *found.dkim, found.dmarc, found.iprev]
    assert {one.result for one in results} == {"temperror"}


async def test_the_dns_is_slow() -> None:
    slow = ["TXT example.test", "TXT sel._domainkey.example.test", "TXT _dmarc.example.test"]
    quick = replace(SETTINGS, deadline_s=0.05)
    started = time.monotonic()
    found = await authenticate(envelope(), parsed(sign()), resolver(slow=slow), quick)
    assert time.monotonic() - started < 2.0
    assert (found.spf_mailfrom.result, found.dkim[0].result, found.dmarc.result) == ("temperror",) * 3
    assert found.iprev.result == "pass"


async def test_each_part_has_its_own_time() -> None:
    quick = replace(SETTINGS, spf_s=0.02, dkim_s=0.02, dmarc_s=0.02)
    slow = ["TXT example.test", "TXT sel._domainkey.example.test", "TXT _dmarc.example.test"]
    found = await authenticate(envelope(), parsed(sign()), resolver(slow=slow), quick)
    assert (found.spf_mailfrom.result, found.dkim[0].result, found.dmarc.result) == ("temperror",) * 3
    assert [note.partition(":")[0] for note in found.notes] == ["spf mfrom", "dkim", "dmarc"] or len(found.notes) == 3


async def test_the_budget_is_spent() -> None:
    zone = resolver()
    found = await authenticate(envelope(), parsed(sign()), zone, replace(SETTINGS, max_queries=3))
    assert zone.asked.total() == 3
    assert "fail" not in {found.spf_mailfrom.result, found.dkim[0].result, found.dmarc.result, found.iprev.result}


async def test_a_part_that_breaks_is_a_temperror_with_a_note() -> None:
    class Broken:
        async def query(self, name: str, rdtype: str) -> Answer:
            raise ZeroDivisionError(name)

    found = await authenticate(envelope(), parsed(sign()), Broken(), SETTINGS)
    results = [found.spf_helo, found.spf_mailfrom, *found.dkim, found.dmarc, found.iprev]
    assert {one.result for one in results} == {"temperror"}
    assert len(found.notes) == 5


@pytest.mark.parametrize(
    "mail",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\r\n", id="blank"),
        pytest.param(b"\x00\xff\r\nno colon\r\n", id="octets"),
        pytest.param(b"From: a@example.test\r\nDKIM-Signature:\r\nARC-Seal:\r\n\r\n", id="empty-fields"),
        pytest.param(
            b" folded first\r\nFrom: a@example.test\r\nDKIM-Signature: v=1; d=a; s=b\r\n\r\n", id="folded-first"
        ),
        pytest.param(b"no colon here\r\nDKIM-Signature: v=1; d=a.test; s=b\r\n\r\nx\r\n", id="junk"),
    ],
)
async def test_a_bad_mail_is_judged_all_the_same(mail: bytes) -> None:
    found = await authenticate(envelope(), parsed(mail), resolver(), SETTINGS)
    assert found.spf_mailfrom.result == "pass" and not found.notes
    assert found.authenticated_domains == {"example.test"}


async def test_results_survive_json() -> None:
    found = await authenticate(envelope(), parsed(sign()), resolver(), SETTINGS)
    assert msgspec.json.decode(msgspec.json.encode(found), type=AuthResults) == found


async def test_hosts_named_by_the_sender_are_never_looked_up() -> None:
    zone = resolver()
    await authenticate(envelope(), parsed(sign()), zone, SETTINGS)
    assert not [name for _, name in zone.asked if "reports" in name]


async def test_warming_up() -> None:
    await warm_up()
