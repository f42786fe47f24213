"""Mail to traps: never delivered, counted, learned and reported once a campaign, and a debt of its sender."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.delivery.commit import Commit, Outcome
from gateway.envelope import ReceptionId, Recipient
from gateway.learning.labels import label_of_octets, label_of_view
from gateway.net.pyzor_client import PyzorClient, PyzorSettings
from gateway.observe.stages import Stages
from gateway.pipeline.facts import DataFacts
from gateway.pipeline.judge import Judgement
from gateway.pipeline.verdict import Action, Verdict
from gateway.quarantine.acts import Quarantine
from gateway.reputation.history import sender_history
from gateway.traps import reporting
from gateway.work.runner import Runner
from store.audit import chain
from store.blob.chunks import list_ids
from store.changes.engine import Store
from store.labels import rows as labels
from store.labels.rows import Label
from store.policy import traps
from store.policy.traps import Hits
from store.queue import jobs
from store.queue.jobs import Job
from store.upkeep.collect import Collector
from tests.support.facts import NOW, envelope, facts, mail
from tests.support.mail_store import assert_sound, new_account, new_store
from tests.support.pyzord import free_port, pyzord

NOW_MS = int(NOW.timestamp() * 1000)
TRAP = Recipient("trap@example.com", is_trap=True, trap="trap@example.com")
OTHER = Recipient("ann-old@example.com", is_trap=True, trap="*-old@example.com")
TEXT = (
    "Dear {name}, your invoice {number} is overdue since last week. Please settle the amount of {number} dollars "
    "today, or we shall hand the whole matter over to our lawyers without another word to you."
)


def label_of(reception: str, facts: DataFacts, is_spam: bool, by: str, at_ms: int) -> Label:
    return label_of_view(reception, facts.view, is_spam, by, at_ms)


def came(number: int, text: str, *to: Recipient) -> DataFacts:
    one = replace(envelope(), id=ReceptionId(f"01jd3k8s7qx7m2{number:02d}"), rcpt_to=to or (TRAP,))
    return facts(mail(text), envelope=one)


async def act(store: Store, one: DataFacts, action: Action = Action.ACCEPT, *, reports: bool = False) -> Outcome:
    commit = Commit(store, "mx.example.com", 30, (0.6, 0.85, 1.0), label_of, reports_traps=reports)
    return await commit.act(one, Judgement(Verdict(action, "spam", 0.9, ()), (), False), Stages())


async def learned(store: Store) -> list[str]:
    return [label.id for _, label in await store.read(lambda view: list(labels.after(view, 0)))]


async def hits(store: Store, name: str) -> Hits:
    return await store.read(lambda view: traps.hits(view, name))


SHORT = "Buy now."
CAMPAIGNS = {
    "a text with other names and numbers": [TEXT.format(name="Ann", number=1), TEXT.format(name="Bob", number=234)],
    "a short text": [SHORT, SHORT],
}


@pytest.mark.parametrize("texts", CAMPAIGNS.values(), ids=CAMPAIGNS)
async def test_copies_of_a_campaign_are_counted_and_learned_once(store: Store, texts: list[str]) -> None:
    for number, text in enumerate(texts):
        outcome = await act(store, came(number, text))
        assert (outcome.action, outcome.category) == (Action.ACCEPT, "trap")
    assert await learned(store) == ["01jd3k8s7qx7m200"]
    assert await hits(store, "trap@example.com") == Hits(2, NOW_MS)
    assert [e.act for e in await store.read(lambda view: list(chain.entries(view)))] == ["trap.learn"]


async def test_another_text_is_another_campaign(store: Store) -> None:
    await act(store, came(1, SHORT))
    await act(store, came(2, "Sell now."))
    assert len(await learned(store)) == 2


async def test_each_trap_of_a_mail_is_counted_under_its_name(store: Store) -> None:
    await act(store, came(1, SHORT, TRAP, OTHER))
    assert (await hits(store, "trap@example.com")).count == (await hits(store, "*-old@example.com")).count == 1


async def test_the_senders_debt_grows_with_every_copy(store: Store) -> None:
    one = came(1, SHORT)
    for _ in range(3):
        await act(store, one)
    found = await sender_history(store, one.envelope, one.content, one.auth, one.view)
    assert (found.trap_hits, found.network_spam) == (3.0, 3.0)


async def test_a_person_beside_a_trap_gets_the_judgement(store: Store) -> None:
    bob = await new_account(store)
    outcome = await act(store, came(1, SHORT, TRAP, Recipient(bob.address, account=bob.id)), Action.JUNK)
    assert [copy.action for copy in outcome.trace.outcomes] == ["trap", "junk"]


async def test_nothing_is_reported_unless_it_is_allowed(store: Store) -> None:
    await act(store, came(1, TEXT))
    assert await store.read(jobs.waiting) == []
    assert await store.read(lambda view: list(list_ids(view.kv))) == []


async def test_a_report_is_one_job_a_campaign_that_keeps_the_octets(store: Store) -> None:
    for number in range(3):
        await act(store, came(number, TEXT), reports=True)
    [job] = await store.read(jobs.waiting)
    assert (job.id, job.kind) == ("pyzor-report-01jd3k8s7qx7m200", reporting.KIND)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    with pyzord(tmp_path_factory.mktemp("pyzord")) as address:
        host, _, port = address.rpartition(":")
        yield host, int(port)


def settings(server: tuple[str, int], timeout_s: float = 5.0) -> PyzorSettings:
    return PyzorSettings(servers=(server,), timeout_s=timeout_s, digest_s=20.0)


async def run(store: Store, client: PyzorClient | None, at_ms: int = NOW_MS) -> None:
    def clock() -> datetime:
        return datetime.fromtimestamp(at_ms / 1000 + 60, UTC)

    await Runner(store, (reporting.kind(store, client, clock),), clock).work_once()


async def blobs_left(store: Store) -> int:
    for _ in range(2):
        collector = Collector(store)
        await collector.collect()
        await collector.collect()
    return len(await store.read(lambda view: list(list_ids(view.kv))))


async def test_the_server_counts_what_came_to_a_trap(store: Store, server: tuple[str, int]) -> None:
    one = came(1, TEXT)
    await act(store, one, reports=True)
    client = PyzorClient(settings(server))
    try:
        before = (await client.check(one.message.octets)).count
        await run(store, client)
        assert (await client.check(one.message.octets)).count == before + 1
    finally:
        await client.close()
    assert await store.read(jobs.waiting) == []
    assert await blobs_left(store) == 0
    await assert_sound(store)


async def test_spam_that_a_person_confirms_is_reported_when_allowed(store: Store, server: tuple[str, int]) -> None:
    bob = await new_account(store)
    for number, allowed in enumerate((False, True)):
        one = came(number, TEXT.replace("invoice", "parcel"), Recipient(bob.address, account=bob.id))
        await act(store, one, Action.QUARANTINE)
        acts = Quarantine(store, label_of_octets, lambda: NOW, reports_spam=allowed)
        await acts.delete(one.envelope.id, "admin", learn=True)
        assert len(await store.read(jobs.waiting)) == allowed
    client = PyzorClient(settings(server))
    await run(store, client)
    assert (await client.check(one.message.octets)).count == 1
    await client.close()


async def only_job(store: Store) -> Job:
    [job] = await store.read(jobs.waiting)
    return job


async def test_a_server_that_is_down_is_tried_again_and_in_the_end_forgotten(store: Store) -> None:
    await act(store, came(1, TEXT), reports=True)
    client = PyzorClient(settings(("127.0.0.1", free_port()), 0.2))
    try:
        await run(store, client)
        assert "Error" in (await only_job(store)).last_error
        await run(store, client, NOW_MS + int(reporting.GIVE_UP_S * 1000) + 60_000)
    finally:
        await client.close()
    assert await store.read(jobs.waiting) == await store.read(jobs.buried) == []
    assert await blobs_left(store) == 0


async def test_a_mail_that_breaks_the_digester_is_not_tried_again(store: Store, server: tuple[str, int]) -> None:
    one = facts(mail("<html><![foo bar " + TEXT, Content_Type="text/html"), envelope=came(1, SHORT).envelope)
    await act(store, one, reports=True)
    client = PyzorClient(settings(server))
    await run(store, client)
    await client.close()
    assert await store.read(jobs.waiting) == []


async def test_without_servers_what_waits_is_dropped(store: Store) -> None:
    await act(store, came(1, TEXT), reports=True)
    await run(store, None)
    assert await store.read(jobs.waiting) == []


@pytest.fixture
def store() -> Store:
    return new_store()
