"""Deleting by age: what goes, what stays, and what was kept back and then let go."""

import pytest

from store.accounts import account as accounts
from store.accounts.account import Account
from store.audit import chain
from store.blob.contract import Staged
from store.changes.engine import Store, StoreTxn
from store.mail import emails, kept, mailboxes, reading, uploads
from store.mail.model import Email, EmailId
from store.quarantine import held as quarantine
from store.quarantine.held import HELD, RELEASED, Held, HeldCopy
from store.retention import rows
from store.retention.policy import DAY_MS, Policy
from store.retention.rows import Hold, Rule
from store.trace import rows as traces
from store.trace.rows import OutcomeRow, Trace
from store.upkeep import retention
from store.upkeep.collect import has_link
from store.upkeep.retention import Ages, Report
from tests.support.mail_store import START_MS as NOW
from tests.support.mail_store import Letter, deliver, mailbox_with, new_account

BOB = "bob@b.example"


def rule(name: str, keep: int = 0, delete: int = 0, **more: str) -> Rule:
    return Rule(
        name, keep, delete, more.get("account", ""), more.get("domain", ""), more.get("mailbox", ""), "", "", NOW
    )


async def put(store: Store, *each: Rule | Hold) -> None:
    for row in each:
        if isinstance(row, Hold):
            await store.write(lambda txn, row=row: rows.put_hold(txn, row))  # type: ignore[misc]
        else:
            await store.write(lambda txn, row=row: rows.put_rule(txn, row))  # type: ignore[misc]


async def mail(store: Store, account: Account, age_days: int, role: str = "inbox") -> Email:
    letter = Letter(f"{role} {age_days}", f"{role}.{age_days}@a.example")
    return await deliver(store, account, letter.octets(), role=role, received_ms=NOW - age_days * DAY_MS)


async def left(store: Store, account: Account) -> list[str]:
    return sorted(
        await store.read(lambda view: [each.subject for each in reading.every_email(view.account(account.id))])
    )


async def run(store: Store, day: int = 0, *, preview: bool = False, ages: Ages | None = None) -> Report:
    store.clock = lambda: (NOW + day * DAY_MS) / 1000
    return await retention.run(store, ages or Ages(), is_preview=preview)


async def destroy(store: Store, account: Account, email: Email) -> None:
    await store.write(lambda txn: emails.destroy(txn.account(account.id), EmailId(email.id)))


async def kept_back(store: Store, account: Account) -> list[str]:
    return await store.read(lambda view: [each.email.subject for each in kept.every(view.account(account.id))])


async def test_without_rules_nothing_goes(store: Store) -> None:
    bob = await new_account(store)
    await mail(store, bob, 9_000)
    assert (await run(store)).by_rule == {}
    assert await left(store, bob) == ["inbox 9000"]


async def test_mail_goes_by_the_date_it_was_received(store: Store) -> None:
    bob = await new_account(store)
    for days in (10, 29, 31, 400):
        await mail(store, bob, days)
    await put(store, rule("month", delete=30))
    counted = (await run(store, preview=True)).by_rule["month"]
    assert (counted.mails, counted.refused) == (2, 0)
    assert (counted.oldest_ms, counted.newest_ms) == (NOW - 400 * DAY_MS, NOW - 31 * DAY_MS)
    assert len(await left(store, bob)) == 4, "a preview changes nothing"
    assert (await run(store)).by_rule["month"] == counted
    assert await left(store, bob) == ["inbox 10", "inbox 29"]
    entry = (await store.read(lambda view: list(chain.entries(view))))[-1]
    assert (entry.act, entry.target, entry.people) == ("retention.delete", "month", (BOB,))


async def test_a_rule_of_a_mailbox_counts_from_when_the_mail_came_into_it(store: Store) -> None:
    bob = await new_account(store)
    old = await mail(store, bob, 400)
    await mail(store, bob, 400, "trash")
    await put(store, rule("trash", delete=30, mailbox="trash"))
    await run(store)
    trash = await store.read(lambda view: mailbox_with(view.account(bob.id), "trash"))
    store.clock = lambda: (NOW + 20 * DAY_MS) / 1000
    await store.write(lambda txn: emails.set_mailboxes(txn.account(bob.id), EmailId(old.id), [trash]))
    for day in (20, 30):
        await run(store, day)
        assert len(await left(store, bob)) == 2, "never early"
    await run(store, 31)
    assert await left(store, bob) == ["inbox 400"]
    await run(store, 51)
    assert await left(store, bob) == []


async def test_an_email_in_two_mailboxes_only_leaves_the_one(store: Store) -> None:
    bob = await new_account(store)
    email = await mail(store, bob, 1, "trash")
    both = await store.read(lambda view: [mailbox_with(view.account(bob.id), role) for role in ("inbox", "trash")])
    await store.write(lambda txn: emails.set_mailboxes(txn.account(bob.id), EmailId(email.id), both))
    await put(store, rule("trash", delete=5, mailbox="trash"))
    await run(store)
    await run(store, 6)
    state = await store.read(lambda view: emails.state(view.account(bob.id), email.id))
    assert state is not None and list(state.placements) == both[:1]


CHOICES: dict[str, tuple[tuple[Rule, ...], str, str | None]] = {
    "none": ((), "inbox", None),
    "keeping is not deleting": ((rule("a", keep=5),), "inbox", None),
    "the longest": ((rule("a", delete=5), rule("b", delete=9)), "inbox", "b"),
    "a mailbox's own before the general": ((rule("a", delete=5, mailbox="inbox"), rule("b", delete=9)), "inbox", "a"),
    "another mailbox's": ((rule("a", delete=5, mailbox="trash"),), "inbox", None),
    "of the domain": ((rule("a", delete=5, domain="b.example"),), "", "a"),
    "of another domain": ((rule("a", delete=5, domain="a.example"),), "", None),
    "of the account": ((rule("a", delete=5, account=BOB),), "", "a"),
}


@pytest.mark.parametrize(("rules", "role", "chosen"), CHOICES.values(), ids=CHOICES)
def test_which_rule_deletes(rules: tuple[Rule, ...], role: str, chosen: str | None) -> None:
    found = retention.rule_for(Policy((), rules), frozenset({BOB}), role)
    assert (found.name if found is not None else None) == chosen


async def test_keeping_wins_over_deleting(store: Store) -> None:
    bob = await new_account(store)
    for days in (40, 100):
        await mail(store, bob, days)
    await put(store, rule("month", delete=30), rule("tax", keep=60))
    counted = (await run(store)).by_rule["month"]
    assert (counted.mails, counted.refused) == (1, 1)
    assert await left(store, bob) == ["inbox 40"] and await kept_back(store, bob) == []
    await run(store, 21)
    assert await left(store, bob) == []


async def test_more_than_one_batch_is_deleted_past_what_is_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    bob = await new_account(store)
    for days in range(100, 112):
        await mail(store, bob, days)
    held = Hold("c", (BOB,), (), (), NOW - 108 * DAY_MS, NOW - 103 * DAY_MS, "", "", NOW)
    await put(store, rule("month", delete=30), held)
    counted = (await run(store)).by_rule["month"]
    assert (counted.mails, counted.refused) == (7, 5)
    assert await left(store, bob) == [f"inbox {days}" for days in range(104, 109)]


async def test_what_its_owner_deletes_is_kept_back_and_let_go(store: Store) -> None:
    bob = await new_account(store)
    email = await mail(store, bob, 10)
    await put(store, rule("tax", keep=30))
    before = await store.read(lambda view: view.account(bob.id).modseq)
    store.clock = lambda: NOW / 1000
    await destroy(store, bob, email)

    assert await left(store, bob) == []
    inbox = await store.read(
        lambda view: mailboxes.counts(view.account(bob.id), mailbox_with(view.account(bob.id), "inbox"))
    )
    assert inbox.total == 0 and await store.read(lambda view: view.account(bob.id).modseq) > before
    found = await store.read(lambda view: next(iter(kept.every(view.account(bob.id)))))
    assert found.email == email and found.kept.mailboxes == ("INBOX",) and found.kept.places == ("inbox",)
    assert (found.kept.at_ms, found.kept.by, found.kept.why) == (NOW, kept.OWNER, "retention rule tax")

    assert (await run(store, 19)).let_go == 0
    assert await store.read(lambda view: has_link(view, email.blob))
    assert (await run(store, 20)).let_go == 1
    assert await kept_back(store, bob) == [] and not await store.read(lambda view: has_link(view, email.blob))


async def test_a_hold_keeps_back_until_it_is_released_and_the_rules_allow_it(store: Store) -> None:
    bob = await new_account(store)
    email = await mail(store, bob, 10)
    await put(store, Hold("case", (), (), ("ann@a.example",), 0, 0, "", "", NOW), rule("tax", keep=30))
    await destroy(store, bob, email)
    await run(store, 50)
    assert await kept_back(store, bob) == ["inbox 10"], "the hold has no end of its own"
    await store.write(lambda txn: rows.take_hold(txn, "case"))
    await run(store, 15)
    assert await kept_back(store, bob) == ["inbox 10"], "the rule is not over"
    await run(store, 20)
    assert await kept_back(store, bob) == []


def trace(name: str, days: int, *to: str) -> Trace:
    outcomes = tuple(OutcomeRow(each, None, "", "accept") for each in to)
    return Trace(
        name, NOW - days * DAY_MS, "", "", "", "eve@e.example", "eve@e.example", "", 9, None, "ham", "accept", 0.1, "",
        (), (), "", b"{}", outcomes, {},
    )  # fmt: skip


def hold_mail(txn: StoreTxn, staged: Staged, held: Held) -> None:
    txn.keep(staged)
    quarantine.put(txn, held)


async def test_traces_and_settled_quarantine_go_by_their_own_age(store: Store) -> None:
    staged = await store.blobs.stage(b"Subject: x\r\n\r\n")
    for name, days, to in (("1", 90, BOB), ("2", 80, "ann@b.example"), ("3", 70, BOB), ("4", 1, BOB)):
        row = trace(name, days, to)
        await store.write(lambda txn, row=row: traces.put(txn, row))  # type: ignore[misc]
    for name, days, state in (("1", 90, HELD), ("2", 80, RELEASED), ("3", 1, RELEASED)):
        copies = (HeldCopy("ann@b.example", None, "", HELD),)
        held = Held(name, staged.id, NOW - days * DAY_MS, NOW, "spam", 0.9, 5, "", "", "", "", copies)
        await store.write(lambda txn, held=held: hold_mail(txn, staged, held))  # type: ignore[misc]
        if state != HELD:
            await store.write(lambda txn, name=name: quarantine.settle(txn, name, RELEASED, "x", NOW))  # type: ignore[misc]
    await put(store, Hold("case", ("ann@b.example",), (), (), 0, NOW - 75 * DAY_MS, "", "", NOW))

    report = await run(store, ages=Ages(trace_days=60))
    assert (report.traces, report.held) == (2, 0), "what the hold is about stays"
    assert [row.id for row in await store.read(lambda view: list(traces.newest(view, 9)))] == ["4", "2"]
    await store.write(lambda txn: rows.take_hold(txn, "case"))
    report = await run(store, ages=Ages(trace_days=60))
    assert (report.traces, report.held) == (1, 1), "what still waits stays"
    assert [row.id for row in await store.read(lambda view: list(quarantine.newest(view, 9)))] == ["3", "1"]


async def test_old_audit_entries_go_and_the_chain_still_holds(store: Store) -> None:
    for day in range(10):
        await store.write(lambda txn, at=NOW - day * DAY_MS: chain.record(txn, at, "ann", "look", "x"))  # type: ignore[misc]
    entries = await store.read(lambda view: list(chain.sealed(view)))
    await store.write(lambda txn: chain.record(txn, NOW, "ann", "look", "y"))
    store.clock = lambda: NOW / 1000
    report = await retention.run(store, Ages(audit_days=5))
    assert report.audit == 0, "entries go from the front, and the first is new"
    report = await retention.run(store, Ages(audit_days=0))
    assert report.audit == 0 and await store.read(chain.verify) is None
    assert len(entries) == 10


async def test_accounts_are_looked_at_one_by_one(store: Store) -> None:
    seen: list[str] = []
    for name in ("a@b.example", "b@b.example"):
        await store.write(lambda txn, name=name: accounts.create(txn, name, "", "", NOW // 1000))  # type: ignore[misc]
    await retention.run(store, Ages(), on_account=seen.append)
    assert seen == ["a@b.example", "b@b.example"]


async def test_mail_that_is_kept_back_is_no_longer_its_owners_to_read(store: Store) -> None:
    bob = await new_account(store)
    email = await mail(store, bob, 10)
    await put(store, Hold("case", (BOB,), (), (), 0, 0, "", "", NOW))
    assert await store.read(lambda view: uploads.ownership(view, bob.id, email.blob)) is not None
    await destroy(store, bob, email)
    assert await store.read(lambda view: has_link(view, email.blob))
    assert await store.read(lambda view: uploads.ownership(view, bob.id, email.blob)) is None
