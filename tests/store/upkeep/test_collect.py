"""Blobs without links are collected, and none that a delivery still needs."""

import asyncio

import pytest

from store.blob.chunks import list_ids, meta_key, shape_of
from store.blob.contract import BlobId, BlobMissing, Staged
from store.changes.engine import Store, StoreTxn
from store.queue import jobs
from store.queue.jobs import Job
from store.upkeep.collect import Collector

OWNER = b"test"
LARGE = bytes(range(256)) * 8_192


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


async def half_written(store: Store, octets: bytes) -> BlobId:
    """What a crash leaves of a large mail: its frames, and a mark where the meta row should be."""
    staged = await store.blobs.stage(octets)
    await store.kv.write(lambda txn: txn.put(meta_key(staged.id), b"\x80" + bytes(16)))
    return staged.id


async def test_a_blob_half_written_by_a_crash_goes_in_the_second_pass(store: Store) -> None:
    blob = await half_written(store, LARGE)
    assert await store.read(lambda view: list(list_ids(view.kv))) == [blob]
    collector = Collector(store)
    assert [await collector.collect() for _ in range(3)] == [0, 1, 0]
    assert await store.read(lambda view: list(list_ids(view.kv))) == []


async def test_a_blob_finished_between_two_passes_is_not_taken_for_the_half_of_before(store: Store) -> None:
    """The same mail comes again after a crash, and is whole but not linked yet when the collector looks."""
    blob = await half_written(store, LARGE)
    collector = Collector(store)
    await collector.collect()
    staged = await store.blobs.stage(LARGE)
    assert staged.id == blob
    assert await collector.collect() == 0
    await store.write(lambda txn: (txn.keep(staged), txn.link(blob, OWNER)))
    assert [await collector.collect() for _ in range(2)] == [0, 0]
    assert await is_there(store, blob)


async def test_a_blob_collected_while_it_is_written_is_written_again(store: Store) -> None:
    await half_written(store, LARGE)
    collector = Collector(store)
    await collector.collect()
    staging = asyncio.create_task(store.blobs.stage(LARGE))
    removed = 0
    while not staging.done() and not removed:
        removed = await collector.collect()
    staged = await staging
    assert await is_there(store, staged.id)
    assert await store.blobs.read(staged.id) == LARGE


async def test_a_mail_given_up_by_the_relay_keeps_its_octets_until_it_is_dropped(store: Store) -> None:
    staged = await store.blobs.stage(LARGE)

    def bury(txn: StoreTxn) -> None:
        txn.keep(staged)
        txn.link(staged.id, b"jj1")
        jobs.put(txn, Job("j1", "relay", b"", 1, 1))
        assert jobs.bury(txn, Job("j1", "relay", b"", 1, 1), "never")

    await store.write(bury)
    collector = Collector(store)
    assert [await collector.collect() for _ in range(2)] == [0, 0]
    assert await is_there(store, staged.id)
    await store.write(lambda txn: (jobs.drop(txn, "j1"), txn.unlink(staged.id, b"jj1")))
    assert [await collector.collect() for _ in range(2)] == [0, 1]


async def test_more_than_a_batch_goes_at_once(store: Store) -> None:
    for number in range(501):
        await keep(store, b"%d" % number)
    collector = Collector(store)
    assert [await collector.collect() for _ in range(2)] == [0, 501]
