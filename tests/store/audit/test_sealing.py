"""Entries that are sealed after the act: in order, once, whoever does it, and told before they are."""

import asyncio

import pytest

from store.audit import chain, sealing
from store.blob.view import Blobs
from store.changes.announce import Announcer
from store.changes.engine import Store
from store.kv.memory import MemoryKeyValueStore
from tests.support.mail_store import START_MS as NOW


@pytest.fixture
def late() -> Store:
    kv = MemoryKeyValueStore()
    return Store(kv, Blobs(kv), Announcer(), lambda: NOW / 1000, seals_later=True)


async def note(store: Store, count: int) -> None:
    for number in range(count):
        await store.write(lambda txn, n=number: chain.record(txn, NOW, "ann@a.example", "act", f"id{n}"))  # type: ignore[misc]


async def test_the_act_does_not_touch_the_head(late: Store) -> None:
    await note(late, 3)
    assert await late.read(lambda view: chain.head_of(view.kv)) == chain.Head(0, chain.GENESIS)
    assert await late.read(lambda view: list(chain.sealed(view))) == []
    about = await late.read(lambda view: chain.about(view, "id1"))
    assert [(entry.actor, entry.seal) for entry in about] == [("ann@a.example", b"")], "told at once"


async def test_what_waits_is_sealed_in_order_and_once(late: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "BATCH", 4)
    await note(late, 10)
    both = await asyncio.gather(sealing.seal_all(late), sealing.seal_all(late))
    assert sum(both) == 10
    entries = await late.read(lambda view: list(chain.entries(view)))
    assert [(entry.seq, entry.target) for entry in entries] == [(n + 1, f"id{n}") for n in range(10)]
    assert await late.read(chain.verify) is None
    assert await sealing.seal_all(late) == 0


async def test_an_act_that_is_undone_leaves_nothing_to_seal(late: Store) -> None:
    def fails(txn: object) -> None:
        chain.record(txn, NOW, "ann", "act", "id")  # type: ignore[arg-type]
        raise LookupError

    with pytest.raises(LookupError):
        await late.write(fails)
    assert await sealing.seal_all(late) == 0


async def test_a_worker_seals_by_itself(late: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "POLL_S", 0.001)
    following = asyncio.create_task(sealing.follow(late))
    await note(late, 2)
    async with asyncio.timeout(5):
        while (await late.read(lambda view: chain.head_of(view.kv))).seq < 2:
            await asyncio.sleep(0)
    following.cancel()
    assert await late.read(chain.verify) is None


async def test_a_store_that_seals_at_once_is_looked_at_once(late: Store) -> None:
    await note(late, 1)
    copy = Store(late.kv, late.blobs, late.announcer)
    await sealing.follow(copy)
    await note(copy, 1)
    assert (await copy.read(lambda view: chain.head_of(view.kv))).seq == 2
    assert await copy.read(chain.verify) is None
