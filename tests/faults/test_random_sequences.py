"""Any sequence of acts over one store, with writes that fail now and then, leaves it and the audit chain whole."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.delivery.commit import Commit
from gateway.envelope import ReceptionId, Recipient, RelayTarget
from gateway.learning.labels import label_of_octets, label_of_view
from gateway.observe.stages import Stages
from gateway.outbound.relay import Failure, Relay, RelayBody, drop
from gateway.pipeline.judge import Judgement
from gateway.pipeline.verdict import Action, Reason, Verdict
from gateway.quarantine.acts import Quarantine
from gateway.work.runner import Runner
from store.accounts.account import Account
from store.audit import chain
from store.blob.view import Blobs
from store.changes.announce import Announcer
from store.changes.engine import Store, StoreTxn
from store.kv.contract import StoreError
from store.kv.memory import MemoryKeyValueStore
from store.mail import emails, reading
from store.quarantine import held as quarantine
from store.quarantine.held import NotHeld
from store.queue import jobs
from store.upkeep.collect import Collector
from tests.faults.world import Clock
from tests.support.facts import envelope, facts, mail
from tests.support.faulty_kv import FaultyKeyValueStore
from tests.support.mail_store import assert_sound, mailbox_with, new_account

ACTS = ("receive", "junk", "hold", "large", "trap", "release", "learn", "delete", "block", "move", "copy", "expunge",
        "finish", "retry", "bury", "drop", "expire", "collect")  # fmt: skip
FAULTS = ("none", "none", "before", "after", "second", "after second")


@dataclass
class House:
    """A store in memory that every act sees through a failing one of its own."""

    inner: MemoryKeyValueStore
    ana: Account
    ben: Account
    clock: Clock = field(default_factory=Clock)
    mails: int = 0
    collector: Collector | None = None

    def store(self, fault: str = "none") -> Store:
        at = {"none": None, "before": 0, "after": 0, "second": 1, "after second": 1}[fault]
        kv = FaultyKeyValueStore(self.inner, at, after_commit=fault.startswith("after"))
        return Store(kv, Blobs(kv), Announcer())

    async def do(self, act: str, fault: str, pick: int) -> None:
        store = self.store(fault)
        try:
            await self._do(store, act, pick)
        except (StoreError, NotHeld):
            pass  # the caller is told, and tries again or not

    async def _do(self, store: Store, act: str, pick: int) -> None:
        self.clock.forward(seconds=1)
        if act in {"receive", "junk", "hold", "large", "trap"}:
            await self._receive(store, act)
        elif act in {"release", "learn", "delete", "block"}:
            await self._settle(store, act, pick)
        elif act in {"move", "copy", "expunge"}:
            await store.write(lambda txn: self._change(txn, act, pick))
        elif act in {"finish", "retry", "bury", "drop"}:
            await self._relay(store, act)
        elif act == "expire":
            self.clock.forward(days=20)
            await self._quarantine(store).expire()
        else:
            await self._collect(store)

    async def _receive(self, store: Store, act: str) -> None:
        self.mails += 1
        action = {"junk": Action.JUNK, "hold": Action.QUARANTINE}.get(act, Action.ACCEPT)
        to = [
            Recipient("ana@b.example", account=self.ana.id),
            Recipient("ben@b.example", account=self.ben.id),
            Recipient("ann@relayed.example", relay=RelayTarget("next.example", 25)),
        ]
        if act == "trap":
            to.append(Recipient("trap@b.example", is_trap=True))
        body = f"Mail {self.mails % 3}." + ("x" * 76 + "\n") * (1_000 if act == "large" else 0)
        known = envelope()
        sent = facts(
            mail(body, Message_ID=f"<{self.mails % 4}@shop.example>"),
            envelope=replace(known, id=ReceptionId(f"m{self.mails:05}"), rcpt_to=tuple(to), received_at=self.clock()),
        )
        verdict = Verdict(action, "spam", 0.9, (Reason("url.bad", 2.0, "A bad link"),))

        def label(reception: str, given_facts: Any, is_spam: bool, by: str, at_ms: int) -> Any:
            return label_of_view(reception, given_facts.view, is_spam, by, at_ms)

        commit = Commit(store, "mx.example.com", 30, (0.6, 0.85, 1.0), label)
        await commit.act(sent, Judgement(verdict, (), False), Stages())

    def _quarantine(self, store: Store) -> Quarantine:
        return Quarantine(store, label_of_octets, self.clock)

    async def _settle(self, store: Store, act: str, pick: int) -> None:
        ids = await store.read(lambda view: [each.id for each in quarantine.by_doubt(view)])
        if not ids:
            return
        acts, reception = self._quarantine(store), ids[pick % len(ids)]
        if act == "delete":
            await acts.delete(reception, "admin", learn=pick % 2 == 0)
        elif act == "block":
            await acts.block_sender(reception, "admin", whole_domain=pick % 2 == 0)
        else:
            some = ["ana@b.example"] if pick % 3 == 0 else None
            await acts.release(reception, "admin", addresses=some, learn=act == "learn")

    def _change(self, txn: StoreTxn, act: str, pick: int) -> None:
        mine = txn.account(self.ana.id)
        found = [email for role in ("inbox", "junk") for _, email in reading.placements(mine, mailbox_with(mine, role))]
        if not found:
            return
        email, trash = found[pick % len(found)], mailbox_with(mine, "trash")
        if act == "move":
            emails.set_mailboxes(mine, email, [trash, mailbox_with(mine, "inbox")][: 1 + pick % 2])
        elif act == "copy":
            emails.copy_within(mine, email, trash)
        else:
            emails.destroy(mine, email)

    async def _relay(self, store: Store, act: str) -> None:
        if act == "drop":
            known = await store.read(lambda view: [job.id for job in (*jobs.buried(view), *jobs.waiting(view))])
            if known:
                await store.write(lambda txn: drop(txn, known[0], "admin", self.clock.ms))
            return
        answers = {"finish": None, "retry": Failure("451 later", False), "bury": Failure("550 never", True)}

        class Answered(Relay):
            """A relay whose next host says what the sequence wants."""

            async def _try(self, body: RelayBody) -> Failure | None:
                return answers[act]

        kind = Answered(store, "mx.example.com", self.clock).kind()
        self.clock.forward(seconds=kind.lease_s + 1)
        await Runner(store, [kind], self.clock).work_once()

    async def _collect(self, store: Store) -> None:
        collector = Collector(store)
        if self.collector is not None:
            collector._candidates = self.collector._candidates
        self.collector = collector
        await collector.collect()


async def new_house() -> House:
    inner = MemoryKeyValueStore()
    store = Store(inner, Blobs(inner), Announcer())
    return House(inner, await new_account(store, "ana@b.example"), await new_account(store, "ben@b.example"))


STEPS = st.lists(st.tuples(st.sampled_from(ACTS), st.sampled_from(FAULTS), st.integers(0, 11)), max_size=25)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_any_sequence_leaves_the_store_sound(steps: list[tuple[str, str, int]]) -> None:
    async def run() -> None:
        house = await new_house()
        for act, fault, pick in steps:
            await house.do(act, fault, pick)
            await assert_sound(house.store())
        assert await house.store().read(chain.verify) is None

    asyncio.run(run())
