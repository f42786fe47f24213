"""What every key-value store must do. A backend's test file subclasses this and gives a ``kv`` fixture."""

import asyncio

import pytest

from store.kv.contract import (
    MAX_VALUE_OCTETS,
    KeyValueStore,
    ReadTxn,
    StoreError,
    StoreUnavailable,
    WriteTxn,
    counter,
)

END = b"\xff" * 8


class Refused(Exception):
    """Raised by bodies in these tests."""


async def fill(kv: KeyValueStore, rows: dict[bytes, bytes]) -> None:
    def body(txn: WriteTxn) -> None:
        for key, value in rows.items():
            txn.put(key, value)

    await kv.write(body)


async def everything(kv: KeyValueStore) -> dict[bytes, bytes]:
    return await kv.read(lambda txn: dict(txn.scan(b"", END)))


def letters(text: str) -> dict[bytes, bytes]:
    return {letter.encode(): letter.upper().encode() for letter in text}


class KeyValueContract:
    """The contract of ``store.kv.contract``, sentence by sentence."""

    async def test_what_was_written_is_read(self, kv: KeyValueStore) -> None:
        await kv.write(lambda txn: txn.put(b"k", b"v"))
        assert await kv.read(lambda txn: txn.get(b"k")) == b"v"

    async def test_an_absent_key_is_none_and_an_empty_value_is_not(self, kv: KeyValueStore) -> None:
        await fill(kv, {b"empty": b""})
        assert await kv.read(lambda txn: (txn.get(b"empty"), txn.get(b"absent"))) == (b"", None)

    async def test_prefetching_changes_no_answer(self, kv: KeyValueStore) -> None:
        await fill(kv, letters("abc"))

        def body(txn: ReadTxn) -> list[bytes | None]:
            txn.prefetch(key for key in (b"a", b"b", b"absent", b"a"))
            txn.prefetch([])
            return [txn.get(key) for key in (b"a", b"b", b"c", b"absent")]

        def writing(txn: WriteTxn) -> list[bytes | None]:
            txn.put(b"a", b"changed")
            txn.prefetch([b"a", b"b"])
            txn.delete(b"b")
            return body(txn)

        assert await kv.read(body) == [b"A", b"B", b"C", None]
        assert await kv.write(writing) == [b"changed", None, b"C", None]
        assert await kv.read(body) == [b"changed", None, b"C", None]

    async def test_more_can_be_prefetched_than_is_kept(self, kv: KeyValueStore) -> None:
        rows = {b"%03d" % number: bytes([number]) * MAX_VALUE_OCTETS for number in range(60)}
        await fill(kv, rows)

        def body(txn: ReadTxn) -> dict[bytes, bytes | None]:
            txn.prefetch(rows)
            return {key: txn.get(key) for key in rows}

        assert await kv.read(body) == rows

    async def test_put_replaces_and_delete_of_the_absent_is_fine(self, kv: KeyValueStore) -> None:
        def body(txn: WriteTxn) -> None:
            txn.put(b"k", b"1")
            txn.put(b"k", b"2")
            txn.delete(b"absent")

        await kv.write(body)
        assert await everything(kv) == {b"k": b"2"}

    async def test_write_gives_what_its_body_returns(self, kv: KeyValueStore) -> None:
        assert await kv.write(lambda txn: ["anything"]) == ["anything"]

    async def test_an_exception_undoes_all_of_its_body_and_reaches_the_caller(self, kv: KeyValueStore) -> None:
        await fill(kv, {b"a": b"1", b"b": b"2"} | {b"range%d" % n: b"r" for n in range(5)})
        before = await everything(kv)

        def body(txn: WriteTxn) -> None:
            txn.put(b"a", b"changed")
            txn.put(b"new", b"row")
            txn.delete(b"b")
            txn.add(b"count", 3)
            txn.delete_range(b"range", b"s")
            raise Refused("on purpose")

        with pytest.raises(Refused, match="on purpose"):
            await kv.write(body)
        assert await everything(kv) == before

    async def test_an_exception_in_a_read_reaches_the_caller_and_the_next_read_works(self, kv: KeyValueStore) -> None:
        def body(txn: ReadTxn) -> None:
            raise Refused

        with pytest.raises(Refused):
            await kv.read(body)
        assert await kv.read(lambda txn: txn.get(b"k")) is None

    @pytest.mark.parametrize("call", ["read", "write"])
    async def test_a_body_that_runs_out_of_an_iterator_does_not_leave_its_caller_waiting(
        self, kv: KeyValueStore, call: str
    ) -> None:
        run = kv.read if call == "read" else kv.write
        with pytest.raises(RuntimeError):
            await asyncio.wait_for(run(lambda txn: next(iter(()))), 5)

    @pytest.mark.parametrize(
        ("start", "end", "forward"),
        [
            (b"", END, "abcde"),
            (b"b", b"d", "bc"),
            (b"b", b"d\x00", "bcd"),
            (b"aa", b"bb", "b"),
            (b"c", b"c", ""),
            (b"d", b"b", ""),
            (b"x", END, ""),
        ],
        ids=["all", "end is excluded", "end just after", "between keys", "empty", "crossed", "beyond"],
    )
    async def test_scan_gives_the_range_in_both_orders(
        self, kv: KeyValueStore, start: bytes, end: bytes, forward: str
    ) -> None:
        await fill(kv, letters("ecabd"))
        expected = list(letters(forward).items())
        assert await kv.read(lambda txn: list(txn.scan(start, end))) == expected
        assert await kv.read(lambda txn: list(txn.scan(start, end, reverse=True))) == expected[::-1]

    @pytest.mark.parametrize("limit", [0, 1, 3, 5, 99])
    async def test_scan_stops_at_its_limit(self, kv: KeyValueStore, limit: int) -> None:
        await fill(kv, letters("abcde"))
        rows = list(letters("abcde").items())
        assert await kv.read(lambda txn: list(txn.scan(b"", END, limit=limit))) == rows[:limit]
        backwards = await kv.read(lambda txn: list(txn.scan(b"", END, limit=limit, reverse=True)))
        assert backwards == rows[::-1][:limit]

    async def test_a_negative_limit_is_refused(self, kv: KeyValueStore) -> None:
        with pytest.raises(ValueError, match="-1"):
            await kv.read(lambda txn: list(txn.scan(b"", END, limit=-1)))

    async def test_keys_are_ordered_as_octets(self, kv: KeyValueStore) -> None:
        keys = [b"", b"\x00", b"\x00\x00", b"\x00\xff", b"A", b"a", b"a\x00", b"aa", b"\x7f", b"\x80", b"\xff"]
        await fill(kv, dict.fromkeys(reversed(keys), b"v"))
        assert await kv.read(lambda txn: [key for key, _ in txn.scan(b"", END)]) == keys

    async def test_scan_goes_over_more_rows_than_any_page_holds(self, kv: KeyValueStore) -> None:
        keys = [b"%06d" % number for number in range(3000)]
        await fill(kv, dict.fromkeys(keys, b"v" * 10))
        assert await kv.read(lambda txn: [key for key, _ in txn.scan(b"", END)]) == keys
        assert await kv.read(lambda txn: [key for key, _ in txn.scan(b"", END, reverse=True)]) == keys[::-1]
        assert len(await kv.read(lambda txn: list(txn.scan(b"", END, limit=1777)))) == 1777

    async def test_scan_goes_over_values_of_the_longest_size(self, kv: KeyValueStore) -> None:
        rows = {b"%03d" % number: bytes([number]) * MAX_VALUE_OCTETS for number in range(40)}
        await fill(kv, rows)
        assert await everything(kv) == rows
        backwards = await kv.read(lambda txn: list(txn.scan(b"", END, reverse=True)))
        assert backwards == list(rows.items())[::-1]

    async def test_a_transaction_sees_its_own_writes(self, kv: KeyValueStore) -> None:
        await fill(kv, letters("abc"))

        def body(txn: WriteTxn) -> list[bytes]:
            txn.delete(b"a")
            txn.put(b"d", b"D")
            txn.delete_range(b"b", b"c")
            assert txn.get(b"d") == b"D"
            assert txn.get(b"a") is None
            return [key for key, _ in txn.scan(b"", END)]

        assert await kv.write(body) == [b"c", b"d"]

    @pytest.mark.parametrize("reverse", [False, True])
    async def test_each_row_can_be_deleted_while_scanning(self, kv: KeyValueStore, reverse: bool) -> None:
        keys = [b"%04d" % number for number in range(200)]
        await fill(kv, dict.fromkeys(keys, b"v"))

        def body(txn: WriteTxn) -> list[bytes]:
            seen = []
            for key, _ in txn.scan(b"", END, reverse=reverse):
                txn.delete(key)
                seen.append(key)
            return seen

        assert await kv.write(body) == (keys[::-1] if reverse else keys)
        assert await everything(kv) == {}

    async def test_a_scan_meets_what_is_put_ahead_and_not_what_is_put_behind_or_deleted_ahead(
        self, kv: KeyValueStore
    ) -> None:
        await fill(kv, letters("bdf"))

        def body(txn: WriteTxn) -> list[tuple[bytes, bytes]]:
            seen = []
            for key, value in txn.scan(b"", END):
                seen.append((key, value))
                if key == b"b":
                    txn.put(b"a", b"behind")
                    txn.put(b"c", b"ahead")
                    txn.put(b"d", b"changed")
                    txn.delete(b"f")
            return seen

        assert await kv.write(body) == [(b"b", b"B"), (b"c", b"ahead"), (b"d", b"changed")]

    async def test_delete_range_leaves_its_end(self, kv: KeyValueStore) -> None:
        await fill(kv, letters("abcd"))
        await kv.write(lambda txn: txn.delete_range(b"b", b"d"))
        await kv.write(lambda txn: txn.delete_range(b"d", b"a"))
        assert await everything(kv) == letters("ad")

    async def test_delete_range_takes_what_the_same_transaction_put_and_leaves_what_it_puts_later(
        self, kv: KeyValueStore
    ) -> None:
        def body(txn: WriteTxn) -> list[bytes | None]:
            txn.put(b"a", b"before")
            txn.put(b"b", b"before")
            txn.delete_range(b"a", b"c")
            txn.put(b"b", b"after")
            return [txn.get(b"a"), txn.get(b"b")]

        assert await kv.write(body) == [None, b"after"]
        assert await everything(kv) == {b"b": b"after"}

    async def test_a_range_deleted_is_gone_at_once_and_comes_back_when_its_body_fails(self, kv: KeyValueStore) -> None:
        await fill(kv, letters("abcdef"))

        def body(txn: WriteTxn, *, fails: bool) -> None:
            txn.delete_range(b"b", b"e")
            txn.put(b"c", b"again")
            assert [txn.get(key) for key in (b"a", b"b", b"c", b"d")] == [b"A", None, b"again", None]
            assert [key for key, _ in txn.scan(b"", END)] == [b"a", b"c", b"e", b"f"]
            assert [key for key, _ in txn.scan(b"", END, reverse=True, limit=3)] == [b"f", b"e", b"c"]
            assert txn.add(b"d", 1) == 1
            txn.delete_range(b"d", b"d\x00")
            if fails:
                raise Refused

        with pytest.raises(Refused):
            await kv.write(lambda txn: body(txn, fails=True))
        assert await everything(kv) == letters("abcdef")
        await kv.write(lambda txn: body(txn, fails=False))
        assert await everything(kv) == letters("aef") | {b"c": b"again"}

    async def test_add_counts_from_zero_and_below(self, kv: KeyValueStore) -> None:
        steps = [await kv.write(lambda txn, by=by: txn.add(b"n", by)) for by in (5, -7, 0, 2**40)]
        assert steps == [5, -2, -2, 2**40 - 2]
        stored = await kv.read(lambda txn: txn.get(b"n"))
        assert stored == (2**40 - 2).to_bytes(8, "big")
        assert counter(stored) == 2**40 - 2

    async def test_add_beyond_64_bits_is_refused_and_undone(self, kv: KeyValueStore) -> None:
        await kv.write(lambda txn: txn.add(b"n", 2**63 - 1))
        with pytest.raises(OverflowError):
            await kv.write(lambda txn: txn.add(b"n", 1))
        assert await kv.read(lambda txn: counter(txn.get(b"n"))) == 2**63 - 1

    async def test_concurrent_increments_lose_nothing(self, kv: KeyValueStore) -> None:
        def increment(txn: WriteTxn) -> None:
            value = int(txn.get(b"n") or b"0")
            txn.put(b"n", b"%d" % (value + 1))

        await asyncio.gather(*(kv.write(increment) for _ in range(100)))
        assert await kv.read(lambda txn: txn.get(b"n")) == b"100"

    async def test_a_read_after_a_write_sees_it(self, kv: KeyValueStore) -> None:
        for number in range(50):
            await kv.write(lambda txn, number=number: txn.put(b"k", b"%d" % number))
            assert await kv.read(lambda txn: txn.get(b"k")) == b"%d" % number

    async def test_a_value_over_the_limit_is_refused_and_the_rest_undone(self, kv: KeyValueStore) -> None:
        def body(txn: WriteTxn) -> None:
            txn.put(b"small", b"v")
            txn.put(b"big", b"v" * (MAX_VALUE_OCTETS + 1))

        with pytest.raises(ValueError, match=str(MAX_VALUE_OCTETS)):
            await kv.write(body)
        assert await everything(kv) == {}

    async def test_text_is_refused_where_octets_belong(self, kv: KeyValueStore) -> None:
        with pytest.raises(TypeError):
            await kv.write(lambda txn: txn.put("key", b"v"))  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            await kv.write(lambda txn: txn.put(b"key", "v"))  # type: ignore[arg-type]
        assert await everything(kv) == {}

    async def test_a_transaction_is_of_no_use_after_its_end(self, kv: KeyValueStore) -> None:
        await fill(kv, letters("abc"))
        reader = await kv.read(lambda txn: txn)
        writer = await kv.write(lambda txn: txn)
        rows = await kv.read(lambda txn: txn.scan(b"", END))
        for use in (
            lambda: reader.get(b"a"),
            lambda: reader.scan(b"", END),
            lambda: writer.put(b"late", b"v"),
            lambda: writer.delete(b"a"),
            lambda: next(rows),
        ):
            with pytest.raises(StoreError, match="after its end"):
                use()
        assert await everything(kv) == letters("abc")

    async def test_a_cancelled_caller_does_not_disturb_the_others(self, kv: KeyValueStore) -> None:
        tasks = [
            asyncio.create_task(kv.write(lambda txn, n=number: txn.put(b"%02d" % n, b"v"))) for number in range(20)
        ]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        written = await everything(kv)
        assert {b"%02d" % number for number in range(1, 20, 2)} <= set(written)
        await kv.write(lambda txn: txn.put(b"next", b"v"))
        assert await kv.read(lambda txn: txn.get(b"next")) == b"v"

    async def test_a_closed_store_refuses_and_closes_again(self, kv: KeyValueStore) -> None:
        await kv.close()
        with pytest.raises(StoreUnavailable):
            await kv.read(lambda txn: txn.get(b"k"))
        with pytest.raises(StoreUnavailable):
            await kv.write(lambda txn: txn.put(b"k", b"v"))
        await kv.close()
