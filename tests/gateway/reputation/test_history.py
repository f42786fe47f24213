"""What is remembered of a sender, and what a stranger cannot make us remember."""

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address

import pytest

from gateway.envelope import Envelope
from gateway.mailauth.results import AuthResults, DkimResult, DmarcResult, SpfResult
from gateway.pipeline.facts import DataFacts
from gateway.reputation.campaign import KEEP_MS, fingerprint
from gateway.reputation.facts import SenderHistory
from gateway.reputation.history import is_authentic, network_of, record, sender_history
from store.blob.view import Blobs
from store.changes.announce import Announcer
from store.changes.engine import Store
from store.kv.memory import MemoryKeyValueStore
from store.policy import entries
from store.policy.entries import PolicyEntry
from store.schema import expiring
from tests.support.facts import NOW, authenticated, envelope, facts, mail

PROVEN = authenticated("shop.example")
NOW_MS = int(NOW.timestamp() * 1000)
CAMPAIGN = (
    "Dear {name}, your invoice {number} is overdue since last week. Please see https://{host}/pay?id={number} and "
    "settle the amount of {number} dollars today, or we shall hand the matter over to our lawyers without a word."
)


@pytest.fixture
def store() -> Store:
    kv = MemoryKeyValueStore()
    return Store(kv, Blobs(kv), Announcer())


def campaign(name: str, number: int, host: str) -> DataFacts:
    return facts(mail(CAMPAIGN.format(name=name, number=number, host=host)))


async def remember(store: Store, of: DataFacts, *, unwanted: bool = False, trap: bool = False, times: int = 1) -> None:
    for _ in range(times):
        await store.write(
            lambda txn: record(txn, of.envelope, of.content, of.auth, of.view, is_unwanted=unwanted, is_trap=trap)
        )


async def history(store: Store, of: DataFacts) -> SenderHistory:
    return await sender_history(store, of.envelope, of.content, of.auth, of.view)


async def allow(store: Store, kind: str, subject: str, expires_ms: int = 0) -> None:
    await store.write(lambda txn: entries.put(txn, PolicyEntry(kind, subject, "admin", "", NOW_MS, expires_ms)))


async def test_a_stranger_has_no_history(store: Store) -> None:
    assert await history(store, facts(mail(), auth=PROVEN)) == SenderHistory()


async def test_proven_mail_is_counted(store: Store) -> None:
    one = facts(mail(), auth=PROVEN)
    await remember(store, one, times=3)
    await remember(store, one, unwanted=True)
    found = await history(store, one)
    assert (found.seen, found.ham, found.spam) == (4, 3, 1)


async def test_unproven_mail_neither_earns_nor_borrows_a_name(store: Store) -> None:
    forged, real = facts(mail()), facts(mail(), auth=PROVEN)
    await remember(store, forged, unwanted=True, times=5)
    assert (await history(store, real)).spam == 0
    await remember(store, real, times=5)
    assert (await history(store, forged)).is_first_contact


async def test_a_colleague_of_a_known_sender_counts_for_less(store: Store) -> None:
    await remember(store, facts(mail(), auth=PROVEN), times=8)
    colleague = facts(mail(From="Bo <bo@shop.example>"), auth=PROVEN)
    assert (await history(store, colleague)).ham == 2


async def test_users_of_a_free_mailbox_share_nothing(store: Store) -> None:
    auth = authenticated("gmail.com")
    await remember(store, facts(mail(From="a@gmail.com"), auth=auth), times=8)
    assert (await history(store, facts(mail(From="b@gmail.com"), auth=auth))).is_first_contact


async def test_an_allow_entry_needs_a_proven_sender(store: Store) -> None:
    await allow(store, "allow", "@shop.example")
    assert (await history(store, facts(mail(), auth=PROVEN))).is_allowed
    assert not (await history(store, facts(mail()))).is_allowed


@pytest.mark.parametrize("subject", ["ana@shop.example", "@shop.example", "bounce@mailer.test"])
async def test_a_block_entry_needs_no_proof(store: Store, subject: str) -> None:
    await allow(store, "block", subject)
    assert (await history(store, facts(mail(), envelope=envelope("bounce@mailer.test")))).is_blocked


async def test_an_expired_entry_does_not_count(store: Store) -> None:
    await allow(store, "block", "@shop.example", expires_ms=NOW_MS)
    assert not (await history(store, facts(mail()))).is_blocked


async def test_a_network_that_wrote_to_a_trap_is_known(store: Store) -> None:
    await remember(store, facts(mail(From="x@one.test")), trap=True)
    neighbour = facts(mail(From="y@two.test"), envelope=at("192.0.2.99"))
    elsewhere = facts(mail(From="y@two.test"), envelope=at("198.51.100.9"))
    assert (await history(store, neighbour)).trap_hits == 1
    assert (await history(store, elsewhere)).trap_hits == 0


async def test_a_text_seen_at_a_trap_is_known_when_it_comes_for_somebody_else(store: Store) -> None:
    await remember(store, campaign("Trap", 4711, "one.test"), trap=True)
    again = campaign("Maria", 99, "two.test")
    assert (await history(store, again)).trap_campaign
    other = facts(
        mail("Hello Maria, the minutes of our meeting are in the shared folder, as promised on Monday evening. Ana")
    )
    assert not (await history(store, other)).trap_campaign


async def test_a_campaign_is_forgotten(store: Store) -> None:
    seen = campaign("Trap", 4711, "one.test")
    await remember(store, seen, trap=True)
    late = replace(seen, envelope=replace(seen.envelope, received_at=NOW + timedelta(milliseconds=KEEP_MS)))
    assert not (await history(store, late)).trap_campaign
    assert await store.write(lambda txn: expiring.sweep(txn.kv, NOW_MS)) == 0
    assert await store.write(lambda txn: expiring.sweep(txn.kv, NOW_MS + KEEP_MS)) == 1


async def test_mail_to_people_leaves_no_fingerprint(store: Store) -> None:
    seen = campaign("Maria", 1, "one.test")
    await remember(store, seen, unwanted=True)
    assert not (await history(store, seen)).trap_campaign


def test_short_text_has_no_fingerprint() -> None:
    assert fingerprint(facts(mail("Thanks, see you tomorrow.")).view) is None


def test_obfuscation_does_not_change_the_fingerprint() -> None:
    plain = campaign("Ana", 1, "a.test")
    hidden = facts(
        mail(CAMPAIGN.format(name="Bo", number=2, host="b.test").replace("invoice", "invоice"))
    )  # Cyrillic о
    assert fingerprint(plain.view) == fingerprint(hidden.view) is not None


ALIGNED_SPF = AuthResults(spf_mailfrom=SpfResult("pass", "mail.shop.example"))
ALIGNED_DKIM = AuthResults(dkim=(DkimResult("pass", "shop.example"),))
OTHER_DKIM = AuthResults(dkim=(DkimResult("pass", "mailer.test"),))
FAILED = AuthResults(spf_mailfrom=SpfResult("fail", "shop.example"), dmarc=DmarcResult("fail"))


@pytest.mark.parametrize(
    ("auth", "proven"),
    [
        pytest.param(PROVEN, True, id="dmarc"),
        pytest.param(ALIGNED_SPF, True, id="aligned spf"),
        pytest.param(ALIGNED_DKIM, True, id="aligned dkim"),
        pytest.param(OTHER_DKIM, False, id="somebody else's signature"),
        pytest.param(FAILED, False, id="failed"),
        pytest.param(AuthResults(), False, id="nothing"),
    ],
)
def test_who_is_proven(auth: AuthResults, proven: bool) -> None:
    assert is_authentic("ana@shop.example", envelope(), auth) is proven


@pytest.mark.parametrize(
    ("ip", "same"),
    [
        ("192.0.2.200", "192.0.2.7"),
        ("2001:db8:1:2::1", "2001:db8:1:ff::9"),
        ("::ffff:192.0.2.1", "192.0.2.77"),
    ],
)
def test_neighbours_share_a_network(ip: str, same: str) -> None:
    assert network_of(ip_address(ip)) == network_of(ip_address(same)) != b""


def test_loopback_has_no_network() -> None:
    assert network_of(ip_address("127.0.0.1")) == b""


def at(ip: str) -> Envelope:
    one = envelope()
    return replace(one, peer=replace(one.peer, ip=ip_address(ip)))
