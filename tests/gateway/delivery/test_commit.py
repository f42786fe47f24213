"""Acting on a verdict: everything about one mail lands in one transaction, or nothing does."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import pytest

from gateway.delivery.commit import Commit, Outcome
from gateway.envelope import Recipient, RelayTarget
from gateway.learning.labels import label_of_view
from gateway.observe.stages import Stages
from gateway.pipeline.facts import DataFacts
from gateway.pipeline.judge import Judgement
from gateway.pipeline.verdict import Action, Reason, Verdict, squash
from store.accounts.account import Account
from store.audit import chain
from store.blob.chunks import BlobSettings, discard, list_ids, shape_of
from store.blob.view import Blobs
from store.changes.announce import Announcer
from store.changes.engine import Store
from store.kv.contract import StoreUnavailable, WriteTxn
from store.kv.memory import MemoryKeyValueStore
from store.labels import rows as labels
from store.labels.rows import Label
from store.mail import reading
from store.quarantine import held as quarantine
from store.queue import jobs
from store.trace import rows as trace
from store.upkeep.collect import has_link
from tests.support.facts import envelope, facts, mail
from tests.support.faulty_kv import FaultyKeyValueStore
from tests.support.mail_store import assert_sound, mailbox_with, new_account

T = TypeVar("T")

ID = envelope().id
RELAYED = Recipient("ann@relayed.example", relay=RelayTarget("mail.example", 25))
TRAP = Recipient("trap@example.com", is_trap=True)


def label_of(reception: str, facts: DataFacts, is_spam: bool, by: str, at_ms: int) -> Label:
    return label_of_view(reception, facts.view, is_spam, by, at_ms)


async def act(store: Store, action: Action, *to: Recipient, log_odds: float = 2.0) -> Outcome:
    verdict = Verdict(action, "phish", squash(log_odds), (Reason("url.bad", log_odds, "A bad link"),))
    mailed = facts(mail(), envelope=replace(envelope(), rcpt_to=to))
    commit = Commit(store, "mx.example.com", 30, (0.6, 0.85, 1.0), label_of)
    return await commit.act(mailed, Judgement(verdict, (), False), Stages())


async def in_mailbox(store: Store, account: Account, role: str) -> int:
    def count(view: object) -> int:
        mine = view.account(account.id)  # type: ignore[attr-defined]
        return len(list(reading.placements(mine, mailbox_with(mine, role))))

    return await store.read(count)


def to(account: Account, address: str = "") -> Recipient:
    return Recipient(address or account.address, account=account.id)


async def traced(store: Store) -> trace.Trace:
    row = await store.read(lambda view: trace.get(view, ID))
    assert row is not None
    return row


@pytest.mark.parametrize(("action", "role"), [(Action.ACCEPT, "inbox"), (Action.JUNK, "junk")])
async def test_a_mail_taken_is_filed(store: Store, action: Action, role: str) -> None:
    bob = await new_account(store)
    outcome = await act(store, action, to(bob))
    assert outcome.action is action
    assert await in_mailbox(store, bob, role) == 1
    [copy] = (await traced(store)).outcomes
    assert (copy.action, copy.account) == (action.name.lower(), bob.id)
    assert copy.email is not None


async def test_two_addresses_of_one_account_are_one_mail(store: Store) -> None:
    bob = await new_account(store)
    await act(store, Action.ACCEPT, to(bob), to(bob, "bob+x@b.example"))
    assert await in_mailbox(store, bob, "inbox") == 1
    first, second = (await traced(store)).outcomes
    assert first.email == second.email is not None


async def test_a_mail_in_doubt_is_held_for_each_recipient(store: Store) -> None:
    bob = await new_account(store)
    await act(store, Action.QUARANTINE, to(bob), RELAYED)
    held = await store.read(lambda view: quarantine.get(view, ID))
    assert held is not None
    assert [(c.address, c.relay, c.state) for c in held.copies] == [
        ("bob@b.example", "", "held"), ("ann@relayed.example", "mail.example:25", "held"),
    ]  # fmt: skip
    assert (held.why, held.category) == ("A bad link", "phish")
    assert held.doubt == int((2.0 - math.log(0.85 / 0.15)) * 10_000)
    assert await in_mailbox(store, bob, "inbox") == 0
    assert await store.read(jobs.waiting) == []
    assert [e.act for e in await store.read(lambda view: list(chain.entries(view)))] == ["quarantine.hold"]


@pytest.mark.parametrize("action", [Action.DEFER, Action.REJECT])
async def test_a_mail_not_taken_leaves_only_its_trace(store: Store, action: Action) -> None:
    bob = await new_account(store)
    await act(store, action, to(bob), RELAYED)
    row = await traced(store)
    assert (row.blob, [o.action for o in row.outcomes]) == (None, [action.name.lower()] * 2)
    assert await in_mailbox(store, bob, "inbox") == 0
    assert await store.read(jobs.waiting) == []


async def test_a_relayed_copy_is_a_job_that_keeps_the_octets(store: Store) -> None:
    await act(store, Action.ACCEPT, RELAYED)
    [job] = await store.read(jobs.waiting)
    blob = (await traced(store)).blob
    assert blob is not None
    assert await store.read(lambda view: has_link(view, blob))
    assert job.id.startswith("relay-")


async def test_a_trap_learns_and_its_sender_is_told_nothing(store: Store) -> None:
    outcome = await act(store, Action.REJECT, TRAP)
    assert (outcome.action, outcome.category) == (Action.ACCEPT, "trap")
    label = await store.read(lambda view: labels.get(view, ID))
    assert label is not None
    assert (label.is_spam, label.by) == (True, "trap")
    assert (await traced(store)).blob is None
    assert [e.act for e in await store.read(lambda view: list(chain.entries(view)))] == ["trap.learn"]


async def test_a_trap_beside_a_person_changes_nothing_for_the_person(store: Store) -> None:
    bob = await new_account(store)
    outcome = await act(store, Action.QUARANTINE, TRAP, to(bob))
    assert outcome.action is Action.QUARANTINE
    held = await store.read(lambda view: quarantine.get(view, ID))
    assert held is not None
    assert [c.address for c in held.copies] == ["bob@b.example"]
    assert [o.action for o in (await traced(store)).outcomes] == ["trap", "quarantine"]


async def test_the_mail_kept_explains_itself(store: Store) -> None:
    bob = await new_account(store)
    await act(store, Action.JUNK, to(bob))
    blob = (await traced(store)).blob
    assert blob is not None
    header = (await store.blobs.read(blob)).partition(b"\r\n\r\n")[0].decode()
    for line in (
        "Return-Path: <ana@shop.example>", f"X-Mailward-Id: {ID}", "X-Mailward-Why: A bad link", "X-Spam-Flag: YES",
        "X-Spam-Status: Yes,",
    ):  # fmt: skip
        assert line in header
    assert "by mx.example.com with ESMTP id" in " ".join(header.split())


class Collecting(MemoryKeyValueStore):
    """Takes a large mail's octets away just before the transaction that links them, so many times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    async def write(self, body: Callable[[WriteTxn], T]) -> T:
        if self.times and (ids := await self.read(lambda view: [b for b in list_ids(view) if shape_of(view, b)])):
            self.times -= 1
            await super().write(lambda txn: [discard(txn, blob) for blob in ids])
        return await super().write(body)


@pytest.mark.parametrize("times", [1, 2, 3], ids=["once", "twice", "again and again"])
async def test_octets_collected_before_they_are_linked_are_staged_again(times: int) -> None:
    kv = Collecting(0)
    store = Store(kv, Blobs(kv, BlobSettings(small_octets=0)), Announcer())
    bob = await new_account(store)
    kv.times = times
    if times < 3:
        await act(store, Action.ACCEPT, to(bob))
        blob = (await traced(store)).blob
        assert blob is not None
        assert await store.blobs.fault_of(blob) is None
    else:
        with pytest.raises(StoreUnavailable, match="collected 3 times"):
            await act(store, Action.ACCEPT, to(bob))
    await assert_sound(store)


@pytest.mark.parametrize("action", [Action.ACCEPT, Action.QUARANTINE])
async def test_a_commit_that_fails_leaves_nothing(action: Action) -> None:
    inner = MemoryKeyValueStore()
    plain = Store(inner, Blobs(inner), Announcer())
    bob = await new_account(plain)
    failing = FaultyKeyValueStore(inner, 0)
    store = Store(failing, Blobs(failing), Announcer())
    with pytest.raises(StoreUnavailable):
        await act(store, action, to(bob), RELAYED, TRAP)
    assert await plain.read(lambda view: trace.get(view, ID)) is None
    assert await plain.read(jobs.waiting) == []
    assert await in_mailbox(plain, bob, "inbox") == 0
    await assert_sound(plain)
    await act(store, action, to(bob), RELAYED, TRAP)
    await assert_sound(plain)
