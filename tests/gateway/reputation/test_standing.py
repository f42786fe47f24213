"""Counts that fade: bounded, ending by themselves, and cheap for who is well known."""

import pytest

from gateway.reputation import standing
from gateway.reputation.standing import DAY_MS, FULL, HALF_LIFE_DAYS, NOTHING, Of, Standing
from store.changes.engine import Store
from store.schema import expiring
from store.schema.rows import pack
from tests.support.mail_store import START_MS as NOW
from tests.support.mail_store import new_store

HALF = HALF_LIFE_DAYS * DAY_MS
NAME = b"ana@shop.example"


async def add(store: Store, at_ms: int = NOW, times: int = 1, **more: float) -> None:
    for _ in range(times):
        await store.write(lambda txn: standing.add(txn, Of.ADDRESS, NAME, at_ms, **more))


async def get(store: Store, at_ms: int = NOW) -> Standing:
    return await store.read(lambda view: standing.get(view, Of.ADDRESS, NAME, at_ms))


@pytest.mark.parametrize(
    ("later_ms", "left"), [(0, 8.0), (HALF, 4.0), (2 * HALF, 2.0), (-HALF, 8.0)], ids=["now", "half", "quarter", "past"]
)
async def test_sums_fade(later_ms: int, left: float) -> None:
    store = new_store()
    await add(store, times=8, ham=1.0)
    assert (await get(store, NOW + later_ms)).ham == pytest.approx(left)


async def test_what_comes_later_counts_more() -> None:
    store = new_store()
    await add(store, times=4, spam=1.0)
    await add(store, NOW + HALF, ham=1.0)
    found = await get(store, NOW + HALF)
    assert (found.spam, found.ham) == (pytest.approx(2.0), 1.0)


async def test_a_row_ends_when_it_has_faded() -> None:
    store = new_store()
    await add(store, ham=1.0)
    assert (await get(store, NOW + 2 * HALF - DAY_MS)).ham > 0.25
    late = NOW + 2 * HALF + 8 * DAY_MS
    assert await get(store, late) == NOTHING
    assert await store.write(lambda txn: expiring.sweep(txn.kv, late)) == 1


async def test_sums_are_bounded_and_never_below_zero() -> None:
    store = new_store()
    await add(store, ham=1e300)
    await add(store, bad=-5.0)
    found = await get(store)
    assert (found.ham, found.bad) == (FULL, 0.0)


async def test_a_full_row_is_written_once_an_hour() -> None:
    store = new_store()
    await add(store, ham=FULL)
    key = standing.key_of(Of.ADDRESS, NAME)

    async def row() -> bytes | None:
        return await store.read(lambda view: view.kv.get(key))

    before = await row()
    await add(store, NOW + 60_000, ham=1.0)
    assert await row() == before
    await add(store, NOW + 60_000, spam=1.0)  # another sum of it is not full
    assert await row() != before
    before = await row()
    await add(store, NOW + standing.HOUR_MS + 60_000, ham=1.0)
    assert await row() != before


@pytest.mark.parametrize("octets", [b"", b"\x01\xc1", b"\x09abc", pack(Standing(NOW, float("nan"), float("inf")))])
async def test_a_row_that_cannot_be_read_is_made_anew(octets: bytes) -> None:
    store = new_store()
    key = standing.key_of(Of.ADDRESS, NAME)
    await store.write(lambda txn: expiring.put_until(txn.kv, key, octets, NOW + DAY_MS))
    assert await get(store) == NOTHING
    await add(store, ham=1.0)
    assert (await get(store)).ham == 1.0
