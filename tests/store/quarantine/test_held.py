"""Held mail: its order, and the fate of each recipient's copy."""

import pytest

from store.blob.contract import BlobId
from store.changes.engine import Store, StoreTxn
from store.quarantine import held as quarantine
from store.quarantine.held import DELETED, EXPIRED, HELD, RELEASED, Held, HeldCopy, NotHeld
from store.upkeep.collect import has_link
from tests.support.mail_store import START_MS as NOW

DAY = 86_400_000


async def hold(
    store: Store, name: str, doubt: int = 100, to: tuple[str, ...] = ("a@x.example", "b@x.example"), days: int = 30
) -> Held:
    staged = await store.blobs.stage(b"Subject: " + name.encode())

    def body(txn: StoreTxn) -> Held:
        copies = tuple(HeldCopy(address, 1, "", HELD) for address in to)
        times = (NOW, NOW + days * DAY)
        held = Held(
            name, txn.keep(staged), *times, "phish", 0.9, doubt, "m@x.example", "h@x.example", "s", "why", copies
        )
        quarantine.put(txn, held)
        return held

    return await store.write(body)


async def settle(store: Store, name: str, state: str = RELEASED, *addresses: str) -> list[HeldCopy]:
    chosen = frozenset(addresses) if addresses else None
    return await store.write(lambda txn: quarantine.settle(txn, name, state, "ann", NOW + 5, chosen))


async def order(store: Store) -> list[str]:
    return [held.id for held in await store.read(lambda view: list(quarantine.by_doubt(view)))]


async def is_linked(store: Store, blob: BlobId) -> bool:
    return await store.read(lambda view: has_link(view, blob))


async def test_the_most_doubtful_comes_first(store: Store) -> None:
    for name, doubt in (("clear", 1_500), ("doubtful", 3), ("between", 300), ("also", 3)):
        await hold(store, name, doubt)
    assert await order(store) == ["also", "doubtful", "between", "clear"]
    assert [h.id for h in await store.read(lambda view: list(quarantine.by_doubt(view, 2)))] == ["also", "doubtful"]
    assert await store.read(quarantine.count) == 4


async def test_newest_shows_held_and_settled(store: Store) -> None:
    for name in ("01", "02", "03"):
        await hold(store, name)
    await settle(store, "02")
    assert [h.id for h in await store.read(lambda view: list(quarantine.newest(view, 2)))] == ["03", "02"]


async def test_each_recipient_is_settled_apart(store: Store) -> None:
    held = await hold(store, "id")
    moved = await settle(store, "id", RELEASED, "a@x.example")
    assert moved == [HeldCopy("a@x.example", 1, "", RELEASED, "ann", NOW + 5)]
    assert await order(store) == ["id"]
    assert await is_linked(store, held.blob)
    assert [c.address for c in await settle(store, "id", DELETED)] == ["b@x.example"]
    now = await store.read(lambda view: quarantine.get(view, "id"))
    assert now is not None
    assert [(c.state, c.by) for c in now.copies] == [(RELEASED, "ann"), (DELETED, "ann")]
    assert not now.is_held


async def test_the_last_copy_settled_takes_it_out_of_the_order_and_lets_go_of_the_octets(store: Store) -> None:
    held = await hold(store, "id")
    await hold(store, "other")
    await settle(store, "id")
    assert await order(store) == ["other"]
    assert await store.read(quarantine.count) == 1
    assert not await is_linked(store, held.blob)


@pytest.mark.parametrize(
    ("name", "addresses"),
    [("nothing", ()), ("settled", ()), ("half", ("a@x.example",)), ("half", ("stranger@x.example",))],
    ids=["unknown id", "settled before", "this copy was settled", "not a recipient"],
)
async def test_what_is_not_held_cannot_be_settled(store: Store, name: str, addresses: tuple[str, ...]) -> None:
    await hold(store, "settled")
    await settle(store, "settled")
    await hold(store, "half")
    await settle(store, "half", RELEASED, "a@x.example")
    with pytest.raises(NotHeld):
        await settle(store, name, DELETED, *addresses)
    assert await order(store) == ["half"]


async def test_overdue_is_what_is_still_held_past_its_time(store: Store) -> None:
    for name, days in (("day", 1), ("settled", 1), ("month", 30)):
        await hold(store, name, days=days)
    await settle(store, "settled", EXPIRED)

    async def overdue(at_ms: int, limit: int = 10) -> list[str]:
        return [h.id for h, _ in await store.read(lambda view: quarantine.overdue(view, at_ms, limit))]

    assert await overdue(NOW + DAY - 1) == []
    assert await overdue(NOW + DAY) == ["day"]
    assert await overdue(NOW + 30 * DAY) == ["day", "month"]
    assert len(await overdue(NOW + 30 * DAY, 1)) == 1
