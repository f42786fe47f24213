"""Copies of one mail: each account once, all of them or none, full mailboxes included."""

import pytest

from gateway.delivery.local import LocalCopy, deliver_copies
from store.accounts import removal
from store.changes.engine import AccountId, Store
from store.mail import quota
from store.mail.emails import NewEmail
from store.mail.parsing import digest_octets
from store.mail.quota import AccountClosed, OverQuota
from tests.support.mail_store import START_MS, Letter, new_account

LETTER = Letter().octets()


async def give(store: Store, *accounts: int, must_fit: bool = True) -> set[int]:
    staged = await store.blobs.stage(LETTER)
    new = NewEmail(staged.id, digest_octets(LETTER), START_MS)
    copies = [LocalCopy(AccountId(account), "inbox") for account in accounts]

    def body(txn):  # type: ignore[no-untyped-def]
        placed = deliver_copies(txn, copies, new, must_fit=must_fit)
        txn.keep(staged)
        return set(placed)

    return await store.write(body)


async def mails(store: Store, account: int) -> int:
    return (await store.read(lambda view: quota.standing(view.kv, view.account(AccountId(account))))).mails


@pytest.fixture
async def full(store: Store) -> Store:
    """Ann, 1, is full; Bob, 2, is not."""
    for name in ("ann", "bob"):
        await new_account(store, f"{name}@b.example")
    await store.write(lambda txn: quota.limit(txn.account(AccountId(1)), most_octets=1))
    return store


async def test_an_account_named_twice_gets_one_copy(full: Store) -> None:
    assert await give(full, 2, 2) == {2}
    assert await mails(full, 2) == 1


async def test_a_mail_that_fits_nobody_is_not_taken(full: Store) -> None:
    with pytest.raises(OverQuota):
        await give(full, 1)
    assert await mails(full, 1) == 0


async def test_a_mail_that_fits_somebody_goes_to_everybody(full: Store) -> None:
    assert await give(full, 1, 2) == {1, 2}
    assert (await mails(full, 1), await mails(full, 2)) == (1, 1)


async def test_a_released_mail_goes_in_although_the_mailbox_is_full(full: Store) -> None:
    assert await give(full, 1, must_fit=False) == {1}


async def test_nothing_goes_to_an_account_that_is_being_removed(full: Store) -> None:
    bob = await new_account(full, "leaving@b.example")
    await full.write(lambda txn: removal.begin(txn, bob))
    with pytest.raises(AccountClosed):
        await give(full, 2, bob.id)
    assert await mails(full, 2) == 0
    while await full.write(lambda txn: removal.step(txn, bob, "test")) is removal.Left.MORE:
        pass
    with pytest.raises(AccountClosed):
        await give(full, bob.id)
