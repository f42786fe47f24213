"""The change log answers what happened since any state, in pieces of any size."""

import pytest

from store.changes.engine import AccountTxn, Change, Kind
from store.changes.log import CannotCalculateChanges, changes_since
from store.kv.memory import MemoryKeyValueStore
from store.mail import emails, mailboxes
from store.schema import keys
from tests.support.mail_store import Letter, deliver, mailbox_with, new_account, new_store

CREATED, UPDATED, DESTROYED, COUNTED = Change.CREATED, Change.UPDATED, Change.DESTROYED, Change.COUNTED


@pytest.mark.parametrize(
    ("history", "told"),
    [
        ([CREATED], "created"),
        ([CREATED, UPDATED], "created"),
        ([CREATED, COUNTED], "created"),
        ([CREATED, DESTROYED], ""),
        ([CREATED, UPDATED, DESTROYED], ""),
        ([UPDATED], "updated"),
        ([COUNTED], "updated"),
        ([UPDATED, UPDATED], "updated"),
        ([UPDATED, DESTROYED], "destroyed"),
        ([DESTROYED], "destroyed"),
    ],
    ids=lambda value: value or "nothing" if isinstance(value, str) else "-".join(c.name for c in value),
)
@pytest.mark.parametrize("in_one", [False, True], ids=["transactions", "one-transaction"])
async def test_an_object_is_told_once(history: list[Change], told: str, in_one: bool) -> None:
    store = new_store()
    account = await new_account(store)
    since = await store.read(lambda view: view.account(account.id).modseq)

    def log(txn: AccountTxn, *changes: Change) -> None:
        for change in changes:
            txn.log(Kind.EMAIL, 77, change)

    for part in [history] if in_one else [[change] for change in history]:
        await store.write(lambda txn, part=part: log(txn.account(account.id), *part))
    found = await store.read(lambda view: changes_since(view.account(account.id), Kind.EMAIL, since))
    groups = {"created": found.created, "updated": found.updated, "destroyed": found.destroyed}
    if in_one and history[0] is CREATED and history[-1] is DESTROYED:
        told = "destroyed"  # clients ignore ids they never knew; the log has room for one change only
    assert {name: ids for name, ids in groups.items() if ids} == ({told: (77,)} if told else {})
    assert not found.has_more


async def test_only_counts_is_told_for_deliveries_not_for_renames() -> None:
    from msgspec.structs import replace

    store = new_store()
    account = await new_account(store)
    since = await store.read(lambda view: view.account(account.id).modseq)
    await deliver(store, account, Letter().octets())
    found = await store.read(lambda view: changes_since(view.account(account.id), Kind.MAILBOX, since))
    assert found.only_counts
    assert len(found.updated) == 1

    def rename(txn: AccountTxn) -> None:
        junk = mailboxes.get(txn, mailbox_with(txn, "junk"))
        assert junk is not None
        mailboxes.update(txn, replace(junk, name="Spam"))

    await store.write(lambda txn: rename(txn.account(account.id)))
    found = await store.read(lambda view: changes_since(view.account(account.id), Kind.MAILBOX, since))
    assert not found.only_counts
    assert len(found.updated) == 2


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
async def test_a_large_transaction_is_told_in_pieces(limit: int) -> None:
    store = new_store()
    account = await new_account(store)
    since = await store.read(lambda view: view.account(account.id).modseq)
    first = [await deliver(store, account, Letter(message_id=f"{n}@a").octets()) for n in range(5)]

    def flag(txn: AccountTxn) -> None:
        for email in first:
            emails.set_keywords(txn, email.id, {"$flagged"})
        emails.destroy(txn, first[0].id)

    known = await store.read(lambda view: view.account(account.id).modseq)
    await store.write(lambda txn: flag(txn.account(account.id)))
    for start in (since, known):
        created: list[int] = []
        updated: set[int] = set()
        destroyed: set[int] = set()
        at, after = start, None
        for _ in range(100):
            found = await store.read(
                lambda view, at=at, after=after: changes_since(
                    view.account(account.id), Kind.EMAIL, at, limit, after_object=after
                )
            )
            assert len(found.created) + len(found.updated) + len(found.destroyed) <= limit
            created += found.created
            updated |= set(found.updated)
            destroyed |= set(found.destroyed)
            at, after = found.new_state, found.new_object
            if not found.has_more:
                break
        assert at == await store.read(lambda view: view.account(account.id).modseq)
        assert len(created) == len(set(created))
        gone = {first[0].id}
        if start == known:
            assert (created, updated, destroyed) == ([], {e.id for e in first[1:]}, gone)
        else:
            assert set(created) - destroyed == {e.id for e in first[1:]}


@pytest.mark.parametrize("state", [-1, 10_000], ids=["before", "future"])
async def test_a_state_that_is_not_ours(state: int) -> None:
    store = new_store()
    account = await new_account(store)
    with pytest.raises(CannotCalculateChanges):
        await store.read(lambda view: changes_since(view.account(account.id), Kind.EMAIL, state))


async def test_accounts_do_not_see_each_other() -> None:
    store = new_store()
    bob, eve = await new_account(store), await new_account(store, "eve@b.example")
    before = await store.read(lambda view: view.account(eve.id).modseq)
    await deliver(store, bob, Letter().octets())
    assert await store.read(lambda view: view.account(eve.id).modseq) == before
    assert await store.read(lambda view: list(view.account(eve.id).scan_prefix(b"E"))) == []


async def test_a_commit_announces_the_accounts_it_touched_and_no_other() -> None:
    store = new_store(MemoryKeyValueStore())
    bob, eve = await new_account(store), await new_account(store, "eve@b.example")
    with store.subscribe(bob.id) as hears, store.subscribe(eve.id) as hears_not:
        await deliver(store, bob, Letter().octets())
        assert hears.event.is_set()
        assert not hears_not.event.is_set()
        hears.event.clear()

        def fail(txn: AccountTxn) -> None:
            txn.log(Kind.EMAIL, 1, Change.UPDATED)
            raise KeyError

        with pytest.raises(KeyError):
            await store.write(lambda txn: fail(txn.account(bob.id)))
        assert not hears.event.is_set()


def test_the_change_log_is_in_the_order_of_time() -> None:
    assert keys.change(2, 255, 1) < keys.change(2, 256, 0)
