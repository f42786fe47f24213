"""Blobs without links are collected, and none that a delivery still needs."""

import pytest

from store.blob.chunks import shape_of
from store.blob.contract import BlobId, BlobMissing, Staged
from store.changes.engine import Store, StoreTxn
from store.upkeep.collect import Collector

OWNER = b"test"


async def keep(store: Store, octets: bytes, *, linked: bool = False) -> BlobId:
    staged = await store.blobs.stage(octets)

    def body(txn: StoreTxn) -> BlobId:
        if linked:
            txn.link(staged.id, OWNER)
        return txn.keep(staged)

    return await store.write(body)


async def is_there(store: Store, blob: BlobId) -> bool:
    return await store.read(lambda view: shape_of(view.kv, blob)) is not None


async def test_a_blob_goes_in_the_second_pass_without_a_link(store: Store) -> None:
    lost, used = await keep(store, b"lost"), await keep(store, b"used", linked=True)
    collector = Collector(store)
    assert [await collector.collect() for _ in range(3)] == [0, 1, 0]
    assert (await is_there(store, lost), await is_there(store, used)) == (False, True)


async def test_a_blob_unlinked_later_goes_too(store: Store) -> None:
    blob = await keep(store, b"used", linked=True)
    collector = Collector(store)
    await collector.collect()
    await store.write(lambda txn: txn.unlink(blob, OWNER))
    assert [await collector.collect() for _ in range(2)] == [0, 1]


async def test_a_blob_linked_in_between_stays(store: Store) -> None:
    blob = await keep(store, b"almost lost")
    collector = Collector(store)
    await collector.collect()
    await store.write(lambda txn: txn.link(blob, OWNER))
    assert [await collector.collect() for _ in range(2)] == [0, 0]
    assert await is_there(store, blob)


async def test_the_link_is_looked_for_again_in_the_transaction_that_removes(store: Store) -> None:
    """A delivery commits after the pass has looked and before it removes."""
    blob = await keep(store, b"almost lost")
    collector = Collector(store)
    await collector.collect()
    real = store.write

    async def late(body: object) -> object:
        await real(lambda txn: txn.link(blob, OWNER))
        return await real(body)  # type: ignore[arg-type]

    store.write = late  # type: ignore[method-assign, assignment]
    try:
        assert await collector.collect() == 0
    finally:
        store.write = real  # type: ignore[method-assign]
    assert await is_there(store, blob)


async def test_a_large_blob_collected_before_its_link_is_noticed(store: Store) -> None:
    """``keep`` refuses to link what is gone, so that no row can lead to nothing."""
    staged: Staged = await store.blobs.stage(bytes(range(256)) * 1_024)
    assert staged.frames == ()
    collector = Collector(store)
    assert [await collector.collect() for _ in range(2)] == [0, 1]
    with pytest.raises(BlobMissing):
        await store.write(lambda txn: txn.keep(staged))


async def test_more_than_a_batch_goes_at_once(store: Store) -> None:
    for number in range(501):
        await keep(store, b"%d" % number)
    collector = Collector(store)
    assert [await collector.collect() for _ in range(2)] == [0, 501]
