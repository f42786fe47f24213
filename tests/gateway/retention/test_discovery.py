"""What a hold is about is found wherever it is, and exported so that others can prove it is what was kept."""

import hashlib
import json
import mailbox
from pathlib import Path

import pytest

from gateway.retention import acts
from gateway.retention.discovery import (
    KEPT_BACK,
    MAILBOX,
    QUARANTINED,
    ExportFailed,
    Found,
    export,
    matter,
)  # fmt: skip
from store.audit import chain
from store.changes.engine import Store, StoreTxn
from store.mail import emails
from store.mail.model import EmailId
from store.quarantine import held as quarantine
from store.quarantine.held import DELETED, HELD, Held, HeldCopy
from store.retention import rows
from store.retention.rows import Hold, Rule
from tests.support.mail_store import START_MS as NOW
from tests.support.mail_store import Letter, deliver, new_account, new_store

BOB, ANN = "bob@b.example", "ann@b.example"
CASE = Hold("case", (BOB,), (), ("eve@e.example",), 0, NOW + 10, "court", "ann", NOW)


async def build(store: Store) -> None:
    """Bob has two mails and destroyed one; Ann has one from Eve and one of her own; Eve's mail is held for Ann."""
    bob, ann = await new_account(store, BOB), await new_account(store, ANN)
    await store.write(lambda txn: acts.place(txn, CASE))
    await deliver(store, bob, Letter("Report", "1@a.example").octets())
    gone = await deliver(store, bob, Letter("From the past", "2@a.example", body="From here\nand on").octets())
    await deliver(store, bob, Letter("Too late", "3@a.example").octets(), received_ms=NOW + 10)
    await deliver(store, ann, Letter("Offer", "4@a.example", sender="Eve <Eve+x@e.example>", to=ANN).octets())
    await deliver(store, ann, Letter("Hers", "5@a.example", to=ANN).octets())
    await store.write(lambda txn: emails.destroy(txn.account(bob.id), EmailId(gone.id)))
    staged = await store.blobs.stage(Letter("Held", "6@a.example").octets())
    copies = (HeldCopy(ANN, ann.id, "", HELD),)

    def hold(txn: StoreTxn) -> None:
        for name, sender in (("h1", "eve@e.example"), ("h2", "else@e.example")):
            row = Held(name, staged.id, NOW, NOW + 1, "spam", 0.9, 5, sender, sender, "Held", "", copies)
            txn.keep(staged)
            quarantine.put(txn, row)
            quarantine.settle(txn, name, DELETED, ANN, NOW)

    await store.write(hold)


async def found(store: Store) -> list[Found]:
    return [each async for each in matter(store, CASE)]


async def test_mail_is_found_in_mailboxes_kept_back_and_in_quarantine(store: Store) -> None:
    await build(store)
    seen = [(each.state, each.account, each.where, each.subject) for each in await found(store)]
    assert seen == [
        (MAILBOX, BOB, "INBOX", "Report"),
        (KEPT_BACK, BOB, "INBOX", "From the past"),
        (MAILBOX, ANN, "INBOX", "Offer"),
        (QUARANTINED, ANN, "h1", "Held"),
    ]
    kept = (await found(store))[1]
    assert "deleted" in kept.note and "kept by legal hold case" in kept.note


@pytest.mark.parametrize(
    ("words", "subjects"),
    [("", 4), ("offer", 1), ("EVE offer", 1), ("bob@b.example", 2), ("nothing", 0)],
    ids=["all", "subject", "sender and subject", "an address", "none"],
)
async def test_it_can_be_searched(store: Store, words: str, subjects: int) -> None:
    await build(store)
    assert len([each for each in await found(store) if each.matches(words)]) == subjects


async def test_an_export_proves_itself(store: Store, tmp_path: Path) -> None:
    await build(store)
    done = await export(store, CASE, tmp_path / "case")
    manifest = (tmp_path / "case" / "manifest.jsonl").read_bytes()
    assert done.mails == done.files == 4 and done.missing == 0
    assert done.manifest_sha256 == hashlib.sha256(manifest).hexdigest()
    lines = [json.loads(line) for line in manifest.splitlines()]
    for line in lines:
        octets = (tmp_path / "case" / line["file"]).read_bytes()
        assert hashlib.sha256(octets).hexdigest() == line["sha256"] and len(octets) == line["size"]
    assert {line["state"] for line in lines} == {MAILBOX, KEPT_BACK, QUARANTINED}
    assert len(list((tmp_path / "case").iterdir())) == 5


async def test_an_export_as_mbox_can_be_read_by_others(store: Store, tmp_path: Path) -> None:
    await build(store)
    await export(store, CASE, tmp_path / "case.mbox")
    read = mailbox.mbox(tmp_path / "case.mbox")
    assert [mail["Subject"] for mail in read] == ["Report", "From the past", "Offer", "Held"]
    assert ">From here" in (tmp_path / "case.mbox").read_text() and (tmp_path / "case.mbox.manifest.jsonl").exists()


async def test_octets_that_are_gone_are_named(tmp_path: Path) -> None:
    store = new_store()
    await build(store)
    await store.blobs.remove((await found(store))[0].blob)
    done = await export(store, CASE, tmp_path / "case")
    lines = [json.loads(line) for line in (tmp_path / "case" / "manifest.jsonl").read_text().splitlines()]
    assert done.missing == 1 and lines[0]["file"] is None and "not in the store" in lines[0]["error"]


async def test_what_is_there_is_not_written_over(store: Store, tmp_path: Path) -> None:
    (tmp_path / "case").mkdir()
    (tmp_path / "case" / "x").touch()
    (tmp_path / "case.mbox").touch()
    for name in ("case", "case.mbox"):
        with pytest.raises(ExportFailed, match="there already"):
            await export(store, CASE, tmp_path / name)


async def test_every_act_stands_in_the_audit_trail(store: Store) -> None:
    rule = Rule("tax", 3650, 0, BOB, "b.example", "", "law", "ann", NOW)
    await store.write(lambda txn: acts.place(txn, CASE))
    await store.write(lambda txn: acts.add_rule(txn, rule))
    await store.write(lambda txn: acts.remove_rule(txn, "tax", "ann", NOW))
    await store.write(lambda txn: acts.release(txn, "case", "ann", NOW))
    told = [(e.act, e.target, e.detail) for e in await store.read(lambda view: list(chain.entries(view)))]
    assert told == [
        ("hold.place", "case", f"{BOB}, eve@e.example: before 2026-03-02; court"),
        ("retention.add", "tax", f"{BOB}: keeps 3650 days (domain b.example)"),
        ("retention.remove", "tax", f"{BOB}: keeps 3650 days (domain b.example)"),
        ("hold.release", "case", f"{BOB}, eve@e.example: before 2026-03-02; court"),
    ]
    assert await store.read(lambda view: (rows.holds(view.kv), rows.rules(view.kv))) == ((), ())
