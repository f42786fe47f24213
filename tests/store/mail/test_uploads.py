"""Uploads wait for a use and end; only owners read a blob."""

import pytest

from store.accounts.account import Account
from store.blob.contract import BlobId
from store.changes.engine import Store, StoreTxn
from store.mail import uploads
from store.mail.uploads import Ownership, TooManyUploads, UploadLimits
from store.upkeep.expire import end_uploads
from tests.support.mail_store import START_MS, Letter, assert_sound, deliver, new_account, new_store

LIMITS = UploadLimits(waiting=3, octets=100, keep_ms=1_000)


async def upload(store: Store, account: Account, octets: bytes, at_ms: int = START_MS) -> BlobId:
    staged = await store.blobs.stage(octets)

    def body(txn: StoreTxn) -> BlobId:
        blob = txn.keep(staged)
        uploads.add(txn.account(account.id), blob, staged.size, at_ms, LIMITS)
        return blob

    return await store.write(body)


async def owned(store: Store, account: Account, blob: BlobId) -> Ownership | None:
    return await store.read(lambda view: uploads.ownership(view, account.id, blob))


async def test_an_upload_belongs_to_who_brought_it() -> None:
    store = new_store()
    bob, eve = await new_account(store), await new_account(store, "eve@b.example")
    blob = await upload(store, bob, b"octets")
    assert await owned(store, bob, blob) == Ownership(None)
    assert await owned(store, eve, blob) is None
    await assert_sound(store)


async def test_an_upload_does_not_move_the_state() -> None:
    store = new_store()
    bob = await new_account(store)
    before = await store.read(lambda view: view.account(bob.id).modseq)
    await upload(store, bob, b"octets")
    assert await store.read(lambda view: view.account(bob.id).modseq) == before


async def test_an_email_is_named_as_the_reason_before_an_upload_is() -> None:
    store = new_store()
    bob = await new_account(store)
    octets = Letter().octets()
    email = await deliver(store, bob, octets)
    blob = await upload(store, bob, octets[:50])
    assert await owned(store, bob, email.blob) == Ownership(email.id)
    assert await owned(store, bob, blob) == Ownership(None)


async def test_old_uploads_end_when_new_ones_come() -> None:
    store = new_store()
    bob = await new_account(store)
    old = await upload(store, bob, b"old")
    again = await upload(store, bob, b"twice")
    new = await upload(store, bob, b"twice", START_MS + 900)
    assert again == new
    await upload(store, bob, b"last", START_MS + 1_001)
    assert await owned(store, bob, old) is None
    assert await owned(store, bob, new) == Ownership(None)
    await upload(store, bob, b"last", START_MS + 2_000)
    assert await owned(store, bob, new) is None


async def test_old_uploads_of_people_who_bring_nothing_new_end_too() -> None:
    store = new_store()
    bob, eve = await new_account(store), await new_account(store, "eve@b.example")
    old, new = await upload(store, bob, b"old"), await upload(store, eve, b"new", START_MS + 900)
    assert await end_uploads(store, START_MS) == 0
    assert await end_uploads(store, START_MS + 1) == 1
    assert await owned(store, bob, old) is None
    assert await owned(store, eve, new) == Ownership(None)
    await assert_sound(store)


@pytest.mark.parametrize(("sizes", "last"), [([1, 1, 1], 1), ([60], 41)], ids=["number", "octets"])
async def test_too_much_waiting_is_refused(sizes: list[int], last: int) -> None:
    store = new_store()
    bob = await new_account(store)
    for index, size in enumerate(sizes):
        await upload(store, bob, bytes([index]) * size, START_MS + index)
    with pytest.raises(TooManyUploads):
        await upload(store, bob, b"x" * last, START_MS + 10)
    await upload(store, bob, b"x" * last, START_MS + 5_000)
