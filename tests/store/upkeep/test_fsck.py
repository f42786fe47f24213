"""A sound store has no findings; every invariant broken by hand is found."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from store.accounts.account import Account
from store.audit import chain
from store.blob.chunks import chunk_key, meta_key
from store.blob.contract import BlobId
from store.changes.engine import AccountId, Store, StoreTxn
from store.kv.contract import WriteTxn, counter_octets
from store.mail import emails, mailboxes, uploads
from store.mail.model import SEEN, Email, EmailId, MailboxId
from store.mail.uploads import UploadLimits
from store.quarantine import held as quarantine
from store.quarantine.held import HELD, Held, HeldCopy
from store.queue import jobs
from store.queue.jobs import Job
from store.schema import keys
from store.schema.rows import pack
from store.upkeep import fsck
from store.upkeep.repair import repair
from tests.support.mail_store import START_MS as NOW
from tests.support.mail_store import Letter, assert_sound, deliver, mailbox_with, new_account, new_store


class World:
    """A store with two mails of one thread, one read; a held mail; and two audit entries."""

    store: Store
    bob: Account
    first: Email
    second: Email
    inbox: MailboxId
    held: Held

    async def build(self) -> "World":
        self.store = new_store()
        self.bob = await new_account(self.store)
        self.first = await deliver(self.store, self.bob, Letter().octets(), keywords=frozenset({SEEN}))
        answer = Letter("Re: Lunch", "2@a.example", ("1@a.example",))
        self.second = await deliver(self.store, self.bob, answer.octets(), received_ms=NOW + 1)
        self.inbox = await self.store.read(lambda view: mailbox_with(view.account(self.bob.id), "inbox"))
        staged = await self.store.blobs.stage(b"Subject: held\r\n\r\n")

        def hold(txn: StoreTxn) -> Held:
            copies = (HeldCopy("bob@b.example", self.bob.id, "", HELD),)
            held = Held("h1", txn.keep(staged), NOW, NOW + 1, "spam", 0.9, 5, "", "", "", "", copies)
            quarantine.put(txn, held)
            body = msgspec.msgpack.encode(["h1", "", "ann@relayed.example", "127.0.0.1:1", held.blob])
            txn.link(held.blob, b"jj1")
            jobs.put(txn, Job("j1", "relay", body, NOW, NOW))
            txn.link(held.blob, b"jj2")
            jobs.put(txn, Job("j2", "relay", body, NOW, NOW))
            assert jobs.bury(txn, Job("j2", "relay", body, NOW, NOW), "never")
            uploads.add(txn.account(self.bob.id), held.blob, staged.size, NOW, UploadLimits(9, 999, 9))
            for act in ("hold", "look"):
                chain.record(txn, NOW, "mailward", act, "h1")
            return held

        self.held = await self.store.write(hold)
        return self

    def key(self, inner: bytes) -> bytes:
        return keys.scope(self.bob.id) + inner

    def edit(self, inner: bytes, **changes: object) -> Callable[[WriteTxn], None]:
        """Change fields of a row of the account."""
        reader = {b"S": emails.read_state, b"C": mailboxes.read_counts}[inner[:1]]

        def body(txn: WriteTxn) -> None:
            row = txn.get(self.key(inner))
            assert row is not None
            txn.put(self.key(inner), pack(replace(reader(row), **changes)))

        return body

    def drop(self, inner: bytes) -> Callable[[WriteTxn], None]:
        def body(txn: WriteTxn) -> None:
            assert txn.get(self.key(inner)) is not None
            txn.delete(self.key(inner))

        return body


Breaking = Callable[[World], Callable[[WriteTxn], None]]

BREAKAGES: dict[str, tuple[Breaking, str]] = {
    "an address leads nowhere": (lambda w: lambda t: t.delete(keys.address("bob@b.example")), "does not lead to"),
    "an address leads elsewhere": (
        lambda w: lambda t: t.put(keys.address("bob@b.example"), keys.u32(9)),
        "does not lead to",
    ),
    "an email without a row": (lambda w: w.drop(keys.email(w.first.id)), "has a state but no row"),
    "an email without a state": (lambda w: w.drop(keys.state(w.first.id)), "has a row but no state"),
    "an email in no mailbox": (lambda w: w.edit(keys.state(w.first.id), placements={}), "is in no mailbox"),
    "a modseq of the future": (lambda w: w.edit(keys.state(w.first.id), modseq=99), "outside the account's history"),
    "a modseq before its creation": (
        lambda w: w.edit(keys.state(w.second.id), modseq=0),
        "outside the account's history",
    ),
    "a counter set back": (
        lambda w: lambda t: t.put(w.key(keys.MODSEQ), counter_octets(0)),
        "outside the account's history",
    ),
    "missing from its thread": (
        lambda w: w.drop(keys.thread_member(w.first.thread, w.first.id)),
        "missing from its thread",
    ),
    "missing uid": (lambda w: w.drop(keys.uid(w.inbox, 1)), "uid 1 of mailbox"),
    "uid of another email": (
        lambda w: lambda t: t.put(w.key(keys.uid(w.inbox, 1)), keys.u64(w.second.id)),
        "uid 1 of mailbox",
    ),
    "a uid too many": (
        lambda w: lambda t: t.put(w.key(keys.uid(w.inbox, 2**31)), keys.u64(w.first.id)),
        f"uid {2**31}: leads to email",
    ),
    "a uid beyond uidnext": (
        lambda w: w.edit(keys.counts(w.inbox), uid_next=2),
        "uid 2 is not below uidnext 2",
    ),
    "missing by date": (lambda w: w.drop(keys.dated(w.inbox, NOW, w.first.id)), "by date"),
    "a date too many": (lambda w: lambda t: t.put(w.key(keys.dated(w.inbox, 1, 77)), b""), "lists email 77 by a date"),
    "a wrong total": (lambda w: w.edit(keys.counts(w.inbox), total=3), "counts say"),
    "a wrong number unread": (lambda w: w.edit(keys.counts(w.inbox), unread=0), "counts say"),
    "a wrong number of threads": (lambda w: w.edit(keys.counts(w.inbox), threads=2), "counts say"),
    "a wrong number of unread threads": (lambda w: w.edit(keys.counts(w.inbox), unread_threads=0), "counts say"),
    "a wrong size": (lambda w: w.edit(keys.counts(w.inbox), octets=1), "counts say"),
    "a thread counter gone": (
        lambda w: w.drop(keys.mailbox_thread(w.inbox, w.first.thread)),
        "its thread is not counted",
    ),
    "a mailbox gone": (lambda w: w.drop(keys.mailbox(w.inbox)), "holds emails but does not exist"),
    "a link gone": (
        lambda w: lambda t: t.delete_range(keys.link(w.first.blob, b""), keys.prefix_end(keys.link(w.first.blob, b""))),
        "would be collected",
    ),
    "octets gone": (lambda w: lambda t: t.delete(meta_key(w.first.blob)), "not there as a whole"),
    "a chunk gone": (lambda w: lambda t: t.delete(chunk_key(w.first.blob, 0)), "its octets"),
    "octets damaged": (
        lambda w: lambda t: t.put(chunk_key(w.first.blob, 0), t.get(chunk_key(w.second.blob, 0)) or b""),
        "its octets",
    ),
    "held but not in the order": (
        lambda w: lambda t: t.delete(keys.HELD_ORDER + keys.u64(5) + b"h1"),
        "is missing from the order of doubt",
    ),
    "in the order twice": (
        lambda w: lambda t: t.put(keys.HELD_ORDER + keys.u64(6) + b"h1", b""),
        "does not belong there",
    ),
    "in the order without a row": (
        lambda w: lambda t: t.put(keys.HELD_ORDER + keys.u64(6) + b"h2", b""),
        "in the order of doubt but has no row",
    ),
    "settled but in the order": (
        lambda w: lambda t: t.put(keys.HELD + b"h1", pack(replace(w.held, copies=()))),
        "does not belong there",
    ),
    "held without octets": (lambda w: lambda t: t.delete(meta_key(w.held.blob)), "quarantine h1"),
    "held without a link": (lambda w: lambda t: t.delete(keys.link(w.held.blob, b"qh1")), "quarantine h1"),
    "the link of a mail that waits gone": (lambda w: lambda t: t.delete(keys.link(w.held.blob, b"jj1")), "job j1: its"),
    "the link of a mail given up gone": (lambda w: lambda t: t.delete(keys.link(w.held.blob, b"jj2")), "job j2: its"),
    "a relayed mail without octets": (lambda w: lambda t: t.delete(chunk_key(w.held.blob, 0)), "job j1: its octets"),
    "a job gone": (lambda w: lambda t: t.delete(keys.JOB_DEAD + b"j2"), "job j2 is not there"),
    "a job that never comes up": (
        lambda w: lambda t: t.delete(keys.job_due("relay", NOW, "j1")),
        "job j1: never comes up",
    ),
    "a job due without a row": (
        lambda w: lambda t: t.put(keys.job_due("relay", NOW, "j3"), b""),
        "job j3: comes up but has no such row",
    ),
    "a job that cannot be read": (lambda w: lambda t: t.put(keys.job("j1"), b"?"), "job Bj1: a row cannot be read"),
    "a link of an email that is gone": (
        lambda w: lambda t: t.put(keys.link(w.first.blob, w.key(b"E" + keys.u64(99))), b""),
        "email 99 is not there",
    ),
    "a link of another email": (
        lambda w: lambda t: t.put(keys.link(w.held.blob, w.key(b"E" + keys.u64(w.first.id))), b""),
        "is not there, so the octets are never collected",
    ),
    "a link of a held mail that is settled": (
        lambda w: lambda t: t.put(keys.HELD + b"h1", pack(replace(w.held, copies=()))),
        "quarantine h1 is not there",
    ),
    "a link to nothing": (
        lambda w: lambda t: t.put(keys.link(BlobId(bytes(32)), b"qh1"), b""),
        "quarantine h1 is not there",
    ),
    "the link of an upload gone": (
        lambda w: lambda t: t.delete(keys.link(w.held.blob, w.key(b"P" + keys.u64(NOW)))),
        "octets are not linked",
    ),
    "an upload gone": (lambda w: w.drop(keys.upload(NOW, w.held.blob)), f"upload at {NOW} is not there"),
    "an upload of another size": (
        lambda w: lambda t: t.put(w.key(keys.upload(NOW, w.held.blob)), keys.u64(1)),
        "octets are not there as a whole",
    ),
    "an account gone": (lambda w: lambda t: t.delete(keys.account(w.bob.id)), "is gone, but rows of it are there"),
    "an address of an account that is gone": (
        lambda w: lambda t: t.put(keys.address("eve@b.example"), keys.u32(77)),
        "address eve@b.example: leads to an account that is gone",
    ),
    "an audit entry gone": (lambda w: lambda t: t.delete(keys.AUDIT + keys.u64(1)), "entry 1 is missing"),
    "a state that cannot be read": (
        lambda w: lambda t: t.put(w.key(keys.state(w.first.id)), b"\x01?"),
        " email 7: a row cannot be read",
    ),
    "an account that cannot be read": (
        lambda w: lambda t: t.put(keys.account(w.bob.id), b"\x02"),
        "account 00000001: a row cannot be read",
    ),
    "a held mail that cannot be read": (
        lambda w: lambda t: t.put(keys.HELD + b"h1", b""),
        "quarantine Hh1: a row cannot be read",
    ),
}


async def test_a_sound_store_has_no_findings() -> None:
    world = await World().build()
    await assert_sound(world.store)
    await world.store.write(lambda txn: emails.destroy(txn.account(world.bob.id), EmailId(world.second.id)))
    await assert_sound(world.store)


async def test_an_empty_store_is_sound(store: Store) -> None:
    await assert_sound(store)


@pytest.mark.parametrize(("breaking", "expected"), BREAKAGES.values(), ids=BREAKAGES)
async def test_what_is_broken_is_found(breaking: Breaking, expected: str) -> None:
    world = await World().build()
    await world.store.kv.write(breaking(world))
    findings = [f"{f.where}: {f.what}" for f in await fsck.findings_of(world.store)]
    assert any(expected in finding for finding in findings), findings


async def test_looking_changes_nothing() -> None:
    world = await World().build()
    await world.store.kv.write(lambda txn: txn.delete(keys.account(AccountId(world.bob.id))))

    async def everything() -> list[tuple[bytes, bytes]]:
        return await world.store.kv.read(lambda view: list(view.scan(b"", b"\xff")))

    before = await everything()
    await fsck.findings_of(world.store)
    assert await everything() == before


#: What no repair brings back, with what the last look still says.
LEFT = {
    "octets gone": 'bob@b.example email 7 "Lunch" in INBOX uid 1: its octets',
    "a chunk gone": 'bob@b.example email 7 "Lunch" in INBOX uid 1: its octets',
    "octets damaged": 'bob@b.example email 7 "Lunch" in INBOX uid 1: its octets',
    "held without octets": "quarantine h1: its octets",
    "a relayed mail without octets": "job j1: its octets",
    "an audit entry gone": "audit entry 1: entry 1 is missing",
}


@pytest.mark.parametrize("name", BREAKAGES)
async def test_what_is_broken_is_mended(name: str, tmp_path: Path) -> None:
    """One repair mends everything that follows from something else, and says plainly what is left."""
    world = await World().build()
    await world.store.kv.write(BREAKAGES[name][0](world))
    told = [each async for each in repair(world.store, tmp_path / "aside")]
    left = [f"{f.where}: {f.what}" for f in await fsck.findings_of(world.store)]
    assert [f"{each.finding.where}: {each.finding.what}" for each in told if not each.is_mended] == left
    assert any(each.is_mended for each in told) == (
        await world.store.read(lambda view: len(list(chain.entries(view)))) > 2
    )
    if name in LEFT:
        assert any(LEFT[name] in each for each in left), left
    else:
        assert left == []
