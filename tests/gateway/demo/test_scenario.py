"""The demo's world is what it says: every mail reads, authenticates as stated, and names nobody real."""

import re
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from gateway.config import parse
from gateway.demo.scenario import Sample, Scenario, scenario
from gateway.dns.zone import Zone, ZoneResolver
from gateway.envelope import Envelope, Peer, Recipient, reception_id
from gateway.mailauth.authenticate import authenticate
from gateway.mailauth.results import AuthResults
from gateway.mailauth.settings import AuthSettings
from store.message.mime import parse_message

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
WORLD = scenario(NOW)
DOCUMENTATION = tuple(map(ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")))
RESERVED = (".example", ".test", ".invalid")
ACTIONS = {"accept", "junk", "quarantine", "reject", "trap"}

each = pytest.mark.parametrize("sample", WORLD.samples, ids=lambda s: s.name)


async def judged(sample: Sample, world: Scenario) -> AuthResults:
    peer = Peer(ip_address(sample.client_ip), 25, sample.helo)
    to = tuple(map(Recipient, sample.rcpt_to))
    envelope = Envelope(reception_id(NOW, 1), peer, sample.mail_from, to, NOW)
    return await authenticate(envelope, parse_message(sample.octets), ZoneResolver(world.zone), AuthSettings())


@each
async def test_authenticates_as_stated(sample: Sample) -> None:
    found = await judged(sample, WORLD)
    passed = [one.result for one in found.dkim]
    dkim = "pass" if "pass" in passed else passed[0] if passed else "none"
    assert (found.spf_mailfrom.result, dkim, found.dmarc.result, found.arc.result) == (
        sample.expect_spf,
        sample.expect_dkim,
        sample.expect_dmarc,
        sample.expect_arc,
    )
    assert not found.notes


@each
def test_reads_without_defects(sample: Sample) -> None:
    message = parse_message(sample.octets)
    assert message.headers.text("Subject") and message.headers.first("From") and message.headers.first("Date")
    assert not message.defects
    authors = message.headers.all("From")[0].addresses()
    assert len(authors) == 1 and "@" in authors[0].email
    assert "{{" not in sample.octets.decode("utf-8", "replace") and "@rsa@" not in WORLD.zone_text


@each
def test_lines_are_what_smtp_takes(sample: Sample) -> None:
    lines = sample.octets.split(b"\r\n")
    assert lines[-1] == b"" and not any(b"\r" in line or b"\n" in line for line in lines)
    assert max(map(len, lines)) <= 998
    assert sample.octets.partition(b"\r\n\r\n")[0].isascii()


@each
def test_belongs_to_nobody(sample: Sample) -> None:
    text = sample.octets.decode("utf-8", "replace")
    hosts = re.findall(r"(?:@|://)((?:[\w-]+\.)+[\w-]+)", text)
    hosts = [host.lower() for host in hosts if not re.fullmatch(r"[\d.]+", host)]
    assert not [h for h in hosts if not h.endswith(RESERVED) and h != "example.com"]
    shown = [ip_address(ip) for ip in re.findall(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])", text)]
    for ip in (*shown, ip_address(sample.client_ip)):
        assert any(ip in network for network in DOCUMENTATION if network.version == ip.version), ip


@each
def test_is_stated_in_known_words(sample: Sample) -> None:
    assert sample.expect_action and set(sample.expect_action) <= ACTIONS
    assert sample.expect_category and sample.title


def test_the_zone_belongs_to_nobody() -> None:
    for name in WORLD.zone.names:
        assert name.endswith((*RESERVED, "example.com", ".arpa")), name
    assert Zone.parse(WORLD.zone_text) == WORLD.zone


def test_there_are_enough_of_all_kinds() -> None:
    names = [sample.name for sample in WORLD.samples]
    assert len(names) == len(set(names)) >= 38
    folder = Path(__file__).parents[3] / "gateway" / "demo" / "samples"
    assert sorted(names) == sorted(path.stem for path in folder.glob("*.eml"))
    waves = {sample.wave for sample in WORLD.samples}
    assert waves == {"ham", "bulk", "grey", "planted", "spam", "phish", "bec", "malware", "auth", "trap"}
    assert sum(sample.expect_action == ("accept",) for sample in WORLD.samples) >= 18
    assert sum(sample.is_planted for sample in WORLD.samples) == 1


def test_only_keys_differ_between_runs() -> None:
    def without_keys(world: Scenario) -> list[bytes]:
        return [re.sub(rb"\bbh?=[\w+/=\s]+", b"", sample.octets) for sample in world.samples]

    again = scenario(NOW)
    assert without_keys(again) == without_keys(WORLD)
    assert again.zone_text != WORLD.zone_text
    assert without_keys(scenario(NOW, seed=1)) != without_keys(WORLD)


def test_the_configuration_is_one(tmp_path: Path) -> None:
    config = parse(WORLD.config, tmp_path)
    local = {account.address for account in WORLD.accounts}
    assert any(account.is_admin for account in WORLD.accounts)
    for sample in WORLD.samples:
        traps = [to for to in sample.rcpt_to if to in config.traps.addresses]
        assert all(to in local or to in traps for to in sample.rcpt_to)
        assert (sample.expect_action == ("trap",)) == (len(traps) == len(sample.rcpt_to))
