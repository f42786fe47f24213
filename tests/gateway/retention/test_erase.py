"""Erasing a person: afterwards no row of the store names them, but those that the receipt speaks of."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from gateway.outbound.relay import relay_job
from gateway.retention import acts, erase, person, receipt
from gateway.retention.erase import Tally
from gateway.retention.person import NoPerson, Person
from protocols.console import sessions
from store.accounts import account as accounts
from store.accounts import directory
from store.accounts.account import Account
from store.audit import chain
from store.changes.engine import Store, StoreTxn
from store.kv.contract import ReadTxn
from store.labels import rows as labels
from store.labels.rows import Label
from store.mail import emails, uploads
from store.mail.uploads import UploadLimits
from store.policy import entries as policy
from store.policy.entries import PolicyEntry
from store.quarantine import held as quarantine
from store.quarantine.held import HELD, Held, HeldCopy
from store.queue import jobs
from store.retention.rows import Hold, Rule
from store.schema import keys
from store.trace import rows as traces
from store.trace.rows import OutcomeRow, Trace
from store.upkeep.collect import Collector
from tests.support.mail_store import START_MS as NOW
from tests.support.mail_store import Letter, deliver, new_account, new_store

BOB, ANN, EVE = "bob@b.example", "ann@b.example", "eve@e.example"


def trace(name: str, sender: str, *to: str) -> Trace:
    outcomes = tuple(OutcomeRow(each, None, "", "accept") for each in to)
    return Trace(
        name, NOW, "192.0.2.1", "e.example", "", sender, f"Eve <{sender}>", "Hello", 9, None, "ham", "accept", 0.1, "",
        (), (), "", b"{}", outcomes, {},
    )  # fmt: skip


async def build(store: Store) -> Account:
    """Bob, of whom every part of the store knows something; and Ann, who wrote with him."""
    bob, ann = await new_account(store, BOB), await new_account(store, ANN)
    await deliver(store, bob, Letter(sender=f"Eve <{EVE}>", to=BOB).octets())
    await deliver(store, ann, Letter(message_id="2@b.example", sender=f"Bob <{BOB}>", to=ANN).octets())
    await sessions.start(store, bob, NOW, 10**12)
    staged = await store.blobs.stage(b"Subject: held\r\n\r\n")

    def fill(txn: StoreTxn) -> None:
        blob = txn.keep(staged)
        copies = tuple(HeldCopy(each, None, "", HELD) for each in (BOB, ANN, "Bob+shop@B.example"))
        quarantine.put(txn, Held("h1", blob, NOW, NOW + 1, "spam", 0.9, 5, EVE, EVE, "for both", "", copies))
        quarantine.put(txn, Held("h2", blob, NOW, NOW + 1, "spam", 0.9, 5, BOB, f"Bob <{BOB}>", "", "", copies[1:2]))
        for row in (trace("t1", EVE, BOB, ANN), trace("t2", EVE, BOB), trace("t3", BOB, ANN), trace("t4", EVE, ANN)):
            traces.put(txn, row)
        labels.put(txn, Label("t2", True, ANN, NOW, b"1234", "s"))
        labels.put(txn, Label("t4", True, BOB, NOW, b"1234", "s"))
        for what in (b"h", b"s", b"t"):
            txn.kv.add(keys.REPUTATION + b"a" + BOB.encode() + b"\x00" + what, 1)
            txn.kv.add(keys.REPUTATION + b"abob+shop@b.example\x00" + what, 1)
            txn.kv.add(keys.REPUTATION + b"abobby@b.example\x00" + what, 1)
        policy.put(txn, PolicyEntry("block", BOB, ANN, "", NOW, 0))
        policy.put(txn, PolicyEntry("block", EVE, BOB, f"said {BOB}", NOW, 0))
        for name, sender, to in (("j1", BOB, EVE), ("j2", EVE, BOB), ("j3", EVE, ANN)):
            jobs.put(txn, relay_job(txn, name, sender, to, "127.0.0.1:9", blob, NOW))
        directory.put_group(txn, directory.Group("all@b.example", "All", (BOB, ANN)), lambda _: True)
        directory.put_alias(txn, directory.Alias("boss@b.example", (BOB,)), lambda _: True)
        uploads.add(txn.account(bob.id), blob, staged.size, NOW, UploadLimits(9, 999, 9))
        chain.record(txn, NOW, BOB, "message.download", "t1", f"by {BOB}", people=(BOB, ANN))
        acts.add_rule(txn, Rule("his", 0, 9, BOB, "", "trash", "", ANN, NOW))

    await store.write(fill)
    return bob


def names(txn: ReadTxn, *spellings: str) -> list[bytes]:
    """Keys of rows that name somebody, found without the code that is tested."""
    wanted = [each.encode().lower() for each in spellings]
    return [k for k, v in txn.scan(b"", b"\xff") if any(each in (k + b"|" + v).lower() for each in wanted)]


async def who(store: Store, address: str = BOB) -> Person:
    return await store.read(lambda view: person.find(view, address, NOW))


async def erased(store: Store, address: str = BOB) -> tuple[Tally, dict[str, Any]]:
    found = await who(store, address)
    tally = await erase.erase(store, found, "ann")
    await store.write(lambda txn: erase.forget_name(txn, found))
    left = await person.scan(store, found)
    return tally, await receipt.conclude(store, found, tally, left, at="2026-03-02", by="ann", reason="asked")


async def test_nothing_names_the_person_but_other_peoples_mail(store: Store) -> None:
    await build(store)
    before = await store.read(lambda view: names(view.kv, BOB, "bob+shop@"))
    assert len({key[:1] for key in before}) >= 12, "the test's world is everywhere"
    tally, made = await erased(store)
    after = await store.read(lambda view: names(view.kv, BOB, "bob+shop@"))
    assert {key[:1] for key in after} == {keys.SCOPE}, after
    ann = await store.read(lambda view: accounts.find(view, ANN))
    assert ann is not None and {key[1:5] for key in after} == {keys.u32(ann.id)}
    assert [each["kind"] for each in made["still_named_in"]] == [person.OTHERS]
    assert tally.kept == {}
    assert tally.erased == {
        "mail": 1, "account": 1, "labels": 2, "quarantine": 2, "traces": 3, "reputation": 6, "policy entries": 2,
        "queue": 2, "sessions": 1, "retention rules": 1, "groups": 1, "aliases": 1,
    }  # fmt: skip


async def test_what_belongs_to_others_is_left_whole(store: Store) -> None:
    await build(store)
    await erased(store)
    held = await store.read(lambda view: quarantine.get(view, "h1"))
    assert held is not None and [copy.address for copy in held.copies] == [ANN]
    assert await store.read(lambda view: quarantine.get(view, "h2")) is None
    kept = await store.read(lambda view: [row.id for row in traces.newest(view, 9)])
    assert kept == ["t4", "t1"]
    left = await store.read(policy.everything)
    assert [(each.subject, each.owner, each.reason) for each in left] == [(EVE, "", "")]
    assert [job.id for job in await store.read(jobs.waiting)] == [f"relay-j3-{ANN}"]
    label = await store.read(lambda view: labels.get(view, "t4"))
    assert label is not None and label.by == "" and label.features == b"1234"
    assert await store.read(lambda view: len(names(view.kv, "bobby@b.example"))) == 3


async def test_the_octets_go_with_the_mail(store: Store) -> None:
    bob = await build(store)
    blobs = await store.read(
        lambda view: [emails.read_email(row).blob for _, row in view.account(bob.id).scan_prefix(b"E")]
    )
    await erased(store)
    collector = Collector(store)
    assert await collector.collect() + await collector.collect() == len(blobs) == 1
    assert await store.read(lambda view: [k for k, _ in view.kv.scan(b"b" + blobs[0], b"b" + blobs[0] + b"\xff")]) == []


async def test_the_chain_holds_and_says_that_it_was_done_but_not_to_whom(store: Store) -> None:
    await build(store)
    assert (await store.read(lambda view: chain.about(view, "t1")))[0].actor == BOB
    _, made = await erased(store)
    assert await store.read(chain.verify) is None
    entries = await store.read(lambda view: list(chain.entries(view)))
    assert entries[-1].act == "erase" and entries[-1].target == made["sha256"]
    assert entries[0].actor.startswith("(erased ") and ANN in entries[0].detail and BOB not in entries[0].detail


async def test_a_dry_run_says_the_same_and_changes_nothing(store: Store) -> None:
    await build(store)
    before = await store.read(lambda view: list(view.kv.scan(b"", b"\xff")))
    dry = await erase.erase(store, await who(store), "ann", is_dry=True)
    assert await store.read(lambda view: list(view.kv.scan(b"", b"\xff"))) == before
    assert (await erased(store))[0] == dry


async def test_what_is_held_stays_and_the_receipt_says_so(store: Store) -> None:
    bob = await build(store)
    hold = Hold("case-7", (BOB,), (), (), 0, 0, "", "ann", NOW)
    await store.write(lambda txn: acts.place(txn, hold))
    tally, made = await erased(store)
    assert tally.kept == {
        ("legal holds", "legal hold case-7"): 1,
        ("mail", "legal hold case-7"): 1,
        ("quarantine", "legal hold case-7"): 1,
        ("traces", "legal hold case-7"): 2,
        ("account", "its mail is kept back"): 1,
    }
    kinds = {each["kind"] for each in made["still_named_in"]}
    assert kinds == {
        "account", "legal holds", "mail kept back", "quarantine", "traces", person.OTHERS,
    }  # fmt: skip
    closed = await store.read(lambda view: accounts.get(view.kv, bob.id))
    assert closed is not None and closed.is_leaving and not closed.password_hash
    await store.write(lambda txn: acts.release(txn, "case-7", "ann", NOW))
    again, made = await erased(store)
    assert again.erased["mail"] == again.erased["account"] == 1 and again.kept == {}
    assert [each["kind"] for each in made["still_named_in"]] == [person.OTHERS]


async def test_somebody_outside_can_be_erased(store: Store) -> None:
    await build(store)
    await store.write(lambda txn: txn.kv.add(keys.REPUTATION + b"a" + EVE.encode() + b"\x00h", 3))
    tally, made = await erased(store, EVE)
    assert tally.erased["traces"] == 3 and tally.erased["reputation"] == 1 and "account" not in tally.erased
    after = await store.read(lambda view: names(view.kv, EVE))
    assert {key[:1] for key in after} == {keys.SCOPE}
    assert [each["kind"] for each in made["still_named_in"]] == [person.OTHERS]


async def test_an_erasure_that_was_cut_short_is_finished_by_the_next(store: Store) -> None:
    await build(store)
    found = await who(store)
    await store.write(lambda txn: erase._close(txn, found))
    tally, _ = await erased(store)
    assert tally.erased["account"] == 1
    assert {key[:1] for key in await store.read(lambda view: names(view.kv, BOB))} == {keys.SCOPE}


@pytest.mark.parametrize(
    ("address", "why"),
    [("nobody", "is no address"), ("bobby@b.example", "is an alias of bob"), ("all@b.example", "is a group")],
    ids=["no address", "alias", "group"],
)
async def test_only_a_person_can_be_erased(store: Store, address: str, why: str) -> None:
    bob = await new_account(store, BOB)
    await store.write(lambda txn: accounts.add_alias(txn, bob, "bobby@b.example"))
    await store.write(
        lambda txn: directory.put_group(txn, directory.Group("all@b.example", "All", (BOB,)), lambda _: True)
    )
    with pytest.raises(NoPerson, match=why):
        await who(store, address)


Change = Callable[[dict[str, Any]], dict[str, Any]]
RECEIPTS: dict[str, tuple[Change, tuple[str, ...]]] = {
    "as it was": (lambda made: made, ()),
    "another seal": (lambda made: made | {"audit": made["audit"] | {"seal": "00" * 32}}, ("was changed",)),
    "another entry": (lambda made: made | {"audit": made["audit"] | {"seq": 1}}, ("about something else",)),
    "no such entry": (lambda made: made | {"audit": made["audit"] | {"seq": 999}}, ("is not there",)),
}


@pytest.mark.parametrize(("change", "faults"), RECEIPTS.values(), ids=RECEIPTS)
async def test_a_receipt_can_be_checked(
    change: Callable[[dict[str, Any]], dict[str, Any]], faults: tuple[str, ...]
) -> None:
    store = new_store()
    await build(store)
    _, made = await erased(store)
    body = receipt.read(json.dumps(change(made)).encode())
    found = await store.read(lambda view: receipt.check_seal(view, body))
    assert len(found) == len(faults) and all(said in fault for said, fault in zip(faults, found, strict=True))


async def test_a_receipt_tells_what_came_back(store: Store) -> None:
    await build(store)
    found = await who(store)
    _, made = await erased(store)
    assert receipt.unspoken(made, await person.scan(store, found)) == ()
    await store.write(lambda txn: traces.put(txn, trace("t9", BOB, ANN)))
    assert [each.kind for each in receipt.unspoken(made, await person.scan(store, found))] == ["traces"]


@pytest.mark.parametrize(
    ("octets", "why"),
    [(b"\xff", "no JSON"), (b"[]", "no receipt"), (b'{"receipt": 1, "address": "a@b"}', "no audit entry"),
     (b'{"receipt":1,"address":"a@b","still_named_in":[],"sha256":"","audit":{"seq":1,"seal":""}}', "was changed")],
    ids=["no text", "no object", "no entry", "other text"],
)  # fmt: skip
def test_what_is_no_receipt_is_told(octets: bytes, why: str) -> None:
    with pytest.raises(receipt.ReceiptDamaged, match=why):
        receipt.read(octets)


PLACES = {
    "alone": (b"bob@b.example", True),
    "in a sentence": (b"to <Bob@B.example>", True),
    "with a detail": (b"bob+shop@b.example", True),
    "as a packed text": (b"\xadbob@b.example\x01", True),
    "as a long packed text": (b"\xd9abob@b.example", True),
    "the end of another": (b"xbob@b.example", False),
    "in a subdomain's": (b"bob@b.example.org", False),
    "another person": (b"rob@b.example", False),
}


@pytest.mark.parametrize(("octets", "is_there"), PLACES.values(), ids=PLACES)
def test_an_address_is_recognised(octets: bytes, is_there: bool) -> None:
    assert Person(BOB, None, person.pattern_of(BOB), NOW).is_in(octets) is is_there
