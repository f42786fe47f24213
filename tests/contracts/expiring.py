"""What rows with an end must do on every key-value store. A backend's test file subclasses this and gives ``kv``."""

import asyncio

import pytest

from store.kv.contract import MAX_VALUE_OCTETS, KeyValueStore, WriteTxn, counter
from store.schema import expiring, keys

NOW = 1_700_000_000_000
KEY = b"s-key"


async def put(kv: KeyValueStore, key: bytes, value: bytes, until_ms: int) -> None:
    await kv.write(lambda txn: expiring.put_until(txn, key, value, until_ms))


async def get(kv: KeyValueStore, now_ms: int, key: bytes = KEY) -> bytes | None:
    return await kv.read(lambda txn: expiring.get(txn, key, now_ms))


async def left(kv: KeyValueStore) -> list[bytes]:
    return await kv.read(lambda txn: [key for key, _ in txn.scan(b"", b"\xff")])


class ExpiringContract:
    """Time-to-live, sentence by sentence."""

    @pytest.mark.parametrize(("now_ms", "found"), [(0, b"v"), (NOW - 1, b"v"), (NOW, None), (2 * NOW, None)])
    async def test_a_row_is_there_before_its_end_and_never_after(
        self, kv: KeyValueStore, now_ms: int, found: bytes | None
    ) -> None:
        await put(kv, KEY, b"v", NOW)
        assert await get(kv, now_ms) == found
        rows = await kv.read(lambda txn: list(expiring.scan(txn, b"s", b"t", now_ms)))
        assert rows == ([(KEY, found)] if found is not None else [])

    @pytest.mark.parametrize("value", [b"", b"\x00", b"\x02" * 20, b"x" * (MAX_VALUE_OCTETS - 9)], ids=len)
    async def test_any_value_comes_back_as_it_was(self, kv: KeyValueStore, value: bytes) -> None:
        await put(kv, KEY, value, NOW)
        assert await get(kv, 0) == value

    async def test_the_sweep_takes_what_is_over_and_nothing_else(self, kv: KeyValueStore) -> None:
        for number in range(10):
            await put(kv, b"s%d" % number, b"v", NOW + number)
        assert await kv.write(lambda txn: expiring.sweep(txn, NOW - 1)) == 0
        assert await kv.write(lambda txn: expiring.sweep(txn, NOW + 4)) == 5
        rows = await kv.read(lambda txn: [key for key, _ in expiring.scan(txn, b"s", b"t", 0)])
        assert rows == [b"s5", b"s6", b"s7", b"s8", b"s9"]
        assert await kv.write(lambda txn: expiring.sweep(txn, 2 * NOW)) == 5
        assert await left(kv) == []

    async def test_the_sweep_is_bounded_and_goes_on_with_the_oldest(self, kv: KeyValueStore) -> None:
        for number in range(7):
            await put(kv, b"s%d" % number, b"v", NOW - number)
        assert await kv.write(lambda txn: expiring.sweep(txn, NOW, 3)) == 3
        assert await kv.read(lambda txn: [k for k, _ in txn.scan(b"s", b"t")]) == [b"s0", b"s1", b"s2", b"s3"]
        assert [await kv.write(lambda txn: expiring.sweep(txn, NOW, 3)) for _ in range(3)] == [3, 1, 0]
        assert await left(kv) == []

    @pytest.mark.parametrize("until_ms", [NOW - 5, NOW, NOW + 5], ids=["sooner", "same", "later"])
    async def test_the_last_put_decides(self, kv: KeyValueStore, until_ms: int) -> None:
        await put(kv, KEY, b"first", NOW)
        await put(kv, KEY, b"second", until_ms)
        assert await get(kv, until_ms - 1) == b"second"
        assert await get(kv, until_ms) is None
        assert await left(kv) == [keys.expiry(until_ms, KEY), KEY]

    async def test_a_row_put_anew_behind_the_order_survives_the_sweep(self, kv: KeyValueStore) -> None:
        await put(kv, KEY, b"v", NOW + 100)
        await kv.write(lambda txn: txn.put(keys.expiry(NOW, KEY), b""))  # a place that is not its own
        await kv.write(lambda txn: txn.put(keys.expiry(NOW, b"s-other"), b""))
        await kv.write(lambda txn: txn.put(b"s-plain", b"\x01row"))
        await kv.write(lambda txn: txn.put(keys.expiry(NOW, b"s-plain"), b""))
        assert await kv.write(lambda txn: expiring.sweep(txn, NOW)) == 3
        assert await left(kv) == [keys.expiry(NOW + 100, KEY), KEY, b"s-plain"]

    async def test_delete_leaves_nothing(self, kv: KeyValueStore) -> None:
        await put(kv, KEY, b"v", NOW)
        await kv.write(lambda txn: expiring.delete(txn, KEY))
        await kv.write(lambda txn: expiring.delete(txn, KEY))
        assert await left(kv) == []

    async def test_a_counter_starts_again_when_its_time_is_over(self, kv: KeyValueStore) -> None:
        async def step(now_ms: int, until_ms: int, delta: int = 1) -> int:
            return await kv.write(lambda txn: expiring.add_until(txn, KEY, delta, until_ms, now_ms))

        assert [await step(NOW + n, NOW + 10) for n in range(3)] == [1, 2, 3]
        assert await step(NOW + 9, NOW + 99, 4) == 7  # the first addition set the time
        assert counter(await get(kv, NOW + 9)) == 7
        assert await get(kv, NOW + 10) is None
        assert await step(NOW + 10, NOW + 20) == 1
        assert await kv.write(lambda txn: expiring.sweep(txn, NOW + 20)) == 1
        assert await left(kv) == []

    async def test_many_counting_at_once_lose_nothing(self, kv: KeyValueStore) -> None:
        def add(txn: WriteTxn) -> int:
            return expiring.add_until(txn, KEY, 1, NOW + 10, NOW)

        counts = await asyncio.gather(*(kv.write(add) for _ in range(50)))
        assert sorted(counts) == list(range(1, 51))

    async def test_rows_of_other_kinds_are_not_read(self, kv: KeyValueStore) -> None:
        for row in (b"", b"\x01row of the schema", b"\x02short"):
            await kv.write(lambda txn, row=row: txn.put(KEY, row))  # type: ignore[misc]
            assert await get(kv, 0) is None
            await put(kv, KEY, b"v", NOW)
            assert await get(kv, 0) == b"v"
            await kv.write(lambda txn: expiring.delete(txn, KEY))
