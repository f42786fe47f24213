"""Accounts and the addresses that lead to them."""

import pytest
from msgspec.structs import replace

from store.accounts import account as accounts
from store.accounts.account import Account, AddressTaken
from store.changes.engine import Store
from store.mail import mailboxes
from tests.support.mail_store import START_MS

START_S = START_MS // 1000


async def create(store: Store, address: str, *aliases: str) -> Account:
    return await store.write(lambda txn: accounts.create(txn, address, "Name", "", START_S, aliases=aliases))


async def found(store: Store, address: str) -> str | None:
    account = await store.read(lambda view: accounts.find(view, address))
    return account.address if account is not None else None


FINDS = {
    "the address": ("ann@a.example", True),
    "capitals": ("Ann@A.Example", True),
    "an alias": ("post@a.example", True),
    "a detail": ("ann+lists@a.example", True),
    "a detail of an alias": ("post+x+y@a.example", True),
    "an alias that holds a plus": ("ann+work@a.example", True),
    "only a detail": ("+lists@a.example", False),
    "another domain": ("ann@b.example", False),
    "another person": ("bob@a.example", False),
    "no address": ("", False),
}


@pytest.mark.parametrize(("address", "expected"), FINDS.values(), ids=FINDS)
async def test_who_receives_for_an_address(store: Store, address: str, expected: bool) -> None:
    await create(store, "Ann@a.example", "Post@a.example", "ann+work@a.example")
    assert await found(store, address) == ("ann@a.example" if expected else None)


async def test_an_address_that_holds_a_detail_itself_comes_first(store: Store) -> None:
    await create(store, "ann@a.example")
    await create(store, "ann+team@a.example")
    assert await found(store, "ann+team@a.example") == "ann+team@a.example"


@pytest.mark.parametrize("wanted", [("ann@a.example",), ("bob@a.example", "ANN@a.example"), ("post@a.example",)])
async def test_an_address_belongs_to_one_account(store: Store, wanted: tuple[str, ...]) -> None:
    await create(store, "ann@a.example", "post@a.example")
    with pytest.raises(AddressTaken):
        await create(store, *wanted)
    assert [a.address for a in await store.read(accounts.all_accounts)] == ["ann@a.example"]
    assert await found(store, "bob@a.example") is None


async def test_each_account_has_its_own_number_and_mailboxes(store: Store) -> None:
    first, second = await create(store, "ann@a.example"), await create(store, "bob@a.example")
    assert first.id != second.id
    for account in (first, second):
        roles = await store.read(lambda view, a=account: {m.role for m in mailboxes.list_all(view.account(a.id))})
        assert {"inbox", "junk", "trash", "sent", "drafts"} <= roles


async def test_an_account_is_saved_and_read_back(store: Store) -> None:
    account = await create(store, "ann@a.example")
    changed = replace(account, roles=("admin",), password_hash="hash")
    await store.write(lambda txn: accounts.save(txn, changed))
    assert await store.read(lambda view: accounts.get(view.kv, account.id)) == changed
