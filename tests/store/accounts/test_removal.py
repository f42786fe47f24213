"""Removing an account leaves nothing of it, whenever it is cut short."""

import pytest

from store.accounts import account as accounts
from store.accounts import removal
from store.accounts.removal import Left
from store.changes.engine import Store, StoreView
from store.schema import keys
from store.upkeep.accounts import look_after
from store.upkeep.collect import has_link
from tests.support.mail_store import Letter, deliver, new_account

LETTER = Letter().octets()


def rows_of(view: StoreView, account: int) -> int:
    scope = keys.scope(account)
    return sum(1 for _ in view.kv.scan(scope, keys.prefix_end(scope)))


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
async def test_a_removal_cut_short_is_finished_by_upkeep(
    store: Store, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "MAILS", 2)
    account, other = await new_account(store), await new_account(store, "eva@b.example")
    shared = await deliver(store, account, LETTER)
    await deliver(store, other, LETTER)
    mine = [await deliver(store, account, Letter(body="x" * n).octets()) for n in range(5)]
    await store.write(lambda txn: removal.begin(txn, account))
    for _ in range(steps):
        await store.write(lambda txn: removal.step(txn, account, "test"))
    assert await store.read(lambda view: accounts.find(view, account.address)) is None
    await look_after(store, 1_000)
    assert await store.read(lambda view: accounts.get(view.kv, account.id)) is None
    assert await store.read(lambda view: rows_of(view, account.id)) == 0
    assert await store.read(lambda view: [has_link(view, email.blob) for email in mine]) == [False] * 5
    assert await store.read(lambda view: has_link(view, shared.blob)), "somebody else has the same mail"
    again = await new_account(store)
    assert again.id not in (account.id, other.id), "a number is given out once"


async def test_nothing_left_is_said_once_there_is_nothing(store: Store) -> None:
    account = await new_account(store)
    await store.write(lambda txn: removal.begin(txn, account))
    seen = [await store.write(lambda txn: removal.step(txn, account, "test")) for _ in range(2)]
    assert seen == [Left.MORE, Left.NOTHING]
