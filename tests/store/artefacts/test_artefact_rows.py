"""Models of the store: one judges, one is on trial, and the way back is remembered."""

import pytest

from store.artefacts import rows
from store.artefacts.rows import Difference, InUse, NoModel, Shelved
from store.blob.contract import BlobId, BlobMissing
from store.changes.engine import Store
from store.upkeep.collect import Collector
from tests.support.mail_store import START_MS as NOW
from tests.support.mail_store import assert_sound


async def shelve(store: Store, name: str, octets: bytes = b"weights") -> Shelved:
    staged = await store.blobs.stage(octets)
    row = Shelved(name, "s1", NOW, "ann", {"bayes.npz": (staged.id, len(octets))})
    await store.write(lambda txn: rows.put(txn, row, {"bayes.npz": staged}))
    return row


async def test_a_model_is_kept_with_its_files(store: Store) -> None:
    row = await shelve(store, "m1")
    assert await store.read(rows.every) == [row]
    assert await store.blobs.read(BlobId(row.files["bayes.npz"][0])) == b"weights"
    assert await shelve(store, "m1") == row
    card = await store.blobs.stage(b"later")
    later = Shelved("m1", "s1", NOW + 1, "bob", {**row.files, "card.json": (card.id, 5)})
    await store.write(lambda txn: rows.put(txn, later, {"card.json": card}))
    assert await store.read(rows.every) == [row]
    with pytest.raises(NoModel, match="another model with the id m1"):
        await shelve(store, "m1", b"others")
    await assert_sound(store)


async def test_promoting_and_going_back(store: Store) -> None:
    for name in ("m1", "m2"):
        await shelve(store, name, name.encode())
    assert await store.write(lambda txn: rows.promote(txn, "m1")) == InUse("m1", "", ("",), 1)
    assert await store.write(lambda txn: rows.promote(txn, "m1")) == InUse("m1", "", ("",), 1)
    await store.write(lambda txn: rows.shadow(txn, "m2"))
    assert await store.write(lambda txn: rows.promote(txn, "m2")) == InUse("m2", "", ("m1", ""), 3)
    assert await store.write(rows.roll_back) == InUse("m1", "", ("",), 4)
    assert await store.write(rows.roll_back) == InUse("", "", (), 5)
    with pytest.raises(NoModel, match="nothing to go back to"):
        await store.write(rows.roll_back)
    await assert_sound(store)


async def test_a_model_that_is_not_there_is_refused_and_nothing_changes(store: Store) -> None:
    for act in (rows.promote, rows.shadow, rows.drop):
        with pytest.raises(NoModel, match="model list"):
            await store.write(lambda txn, act=act: act(txn, "m9"))  # type: ignore[misc, operator]
    assert await store.read(rows.in_use) == InUse()


async def test_what_a_trial_would_have_done_is_counted_until_the_next_trial(store: Store) -> None:
    await shelve(store, "m1")
    await store.write(lambda txn: rows.shadow(txn, "m1"))
    seen = [Difference(f"r{number}", "junk", "accept", 0.7, 0.2) for number in range(3)]
    for _ in range(2):
        await store.write(lambda txn: rows.count(txn, "m1", {("junk", "accept"): 3, ("accept", "accept"): 9}, seen))
    counted = await store.read(lambda view: rows.counted(view, "m1"))
    assert counted == {("accept", "accept"): 18, ("junk", "accept"): 6}
    now_ms = int(store.clock() * 1000)
    found = await store.read(lambda view: list(rows.differences(view, "m1", now_ms)))
    assert [each.reception for each in found] == ["r2", "r1", "r0"]
    assert await store.read(lambda view: list(rows.differences(view, "m1", now_ms + rows.SEEN_MS + 5_000))) == []
    await store.write(lambda txn: rows.shadow(txn, "m1"))
    assert await store.read(lambda view: rows.counted(view, "m1")) == {}
    assert await store.read(lambda view: list(rows.differences(view, "m1", now_ms))) == []
    await assert_sound(store)


async def test_a_dropped_model_leaves_no_files_and_one_in_use_stays(store: Store) -> None:
    row = await shelve(store, "m1")
    await store.write(lambda txn: rows.promote(txn, "m1"))
    with pytest.raises(NoModel, match="in use"):
        await store.write(lambda txn: rows.drop(txn, "m1"))
    await store.write(lambda txn: rows.promote(txn, ""))
    await store.write(lambda txn: rows.drop(txn, "m1"))
    assert (await store.read(rows.in_use)).before == ()
    collector = Collector(store)
    for _ in range(2):
        await collector.collect()
    with pytest.raises(BlobMissing):
        await store.blobs.read(BlobId(row.files["bayes.npz"][0]))
    await assert_sound(store)
