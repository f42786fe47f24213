"""Several changes of one object told as one."""

import pytest

from store.accounts import account as accounts
from store.accounts.account import Account
from store.changes.engine import AccountId, Change, Kind, Store, StoreTxn
from store.changes.log import CannotCalculateChanges, Changes, changes_since
from store.mail import quota
from store.schema import keys

ACCOUNT = AccountId(1)
C, U, D, N = Change.CREATED, Change.UPDATED, Change.DESTROYED, Change.COUNTED

FOLDS: dict[str, tuple[list[Change], str]] = {
    "created": ([C], "created"),
    "updated": ([U], "updated"),
    "destroyed": ([D], "destroyed"),
    "counted": ([N], "updated"),
    "created, updated": ([C, U], "created"),
    "created, counted": ([C, N], "created"),
    "created, destroyed": ([C, D], "nothing"),
    "created, updated, destroyed": ([C, U, D], "nothing"),
    "updated, updated": ([U, U], "updated"),
    "updated, counted": ([U, N], "updated"),
    "updated, destroyed": ([U, D], "destroyed"),
    "counted, destroyed": ([N, D], "destroyed"),
    "created, destroyed, created": ([C, D, C], "created"),
}


@pytest.fixture(autouse=True)
async def account(store: Store) -> None:
    """Whose changes they are; without mailboxes, which would be changes of their own."""

    def body(txn: StoreTxn) -> None:
        accounts.save(txn, Account(ACCOUNT, "bob@b.example", "", ""))
        txn.kv.put(keys.address("bob@b.example"), keys.u32(ACCOUNT))
        txn.kv.add(keys.meta("last-account"), ACCOUNT)
        quota.start(txn.account(ACCOUNT), "b.example")

    await store.write(body)


async def log(store: Store, *changes: Change, object_id: int = 5) -> None:
    """Each change in a transaction of its own."""
    for change in changes:
        await store.write(lambda txn, c=change: txn.account(ACCOUNT).log(Kind.EMAIL, object_id, c))


async def since(store: Store, state: int = 0, limit: int = 100) -> Changes:
    return await store.read(lambda view: changes_since(view.account(ACCOUNT), Kind.EMAIL, state, limit))


def told(changes: Changes) -> str:
    lists = {"created": changes.created, "updated": changes.updated, "destroyed": changes.destroyed}
    found = [name for name, ids in lists.items() if ids]
    assert len(found) <= 1
    return found[0] if found else "nothing"


@pytest.mark.parametrize(("changes", "expected"), FOLDS.values(), ids=FOLDS)
async def test_changes_over_several_transactions(store: Store, changes: list[Change], expected: str) -> None:
    await log(store, *changes)
    found = await since(store)
    assert told(found) == expected
    assert (found.old_state, found.new_state, found.has_more) == (0, len(changes), False)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [([C, U], "created"), ([U, D], "destroyed"), ([C, N], "created"), ([U, N], "updated"), ([N, U], "updated")],
    ids=str,
)
async def test_changes_within_one_transaction(store: Store, changes: list[Change], expected: str) -> None:
    await store.write(lambda txn: [txn.account(ACCOUNT).log(Kind.EMAIL, 5, c) for c in changes])
    found = await since(store)
    assert (told(found), found.new_state) == (expected, 1)


async def test_only_counts_says_that_nothing_else_moved(store: Store) -> None:
    await log(store, N)
    assert (await since(store)).only_counts
    await log(store, N, object_id=6)
    assert (await since(store)).only_counts
    await log(store, U, object_id=6)
    assert not (await since(store)).only_counts
    assert (await since(store, 3)).only_counts is False


async def test_a_limit_cuts_and_the_rest_follows(store: Store) -> None:
    for object_id in range(1, 6):
        await log(store, C, object_id=object_id)
    first = await since(store, 0, 2)
    assert (first.created, first.new_state, first.has_more) == ((1, 2), 2, True)
    second = await since(store, first.new_state, 10)
    assert (second.created, second.new_state, second.has_more) == ((3, 4, 5), 5, False)


@pytest.mark.parametrize("state", [-1, 2, 10**12])
async def test_a_state_that_never_was_is_refused(store: Store, state: int) -> None:
    await log(store, C)
    with pytest.raises(CannotCalculateChanges):
        await since(store, state)
