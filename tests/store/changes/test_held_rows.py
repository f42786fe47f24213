"""Rows that a transaction moves many times are written once, and everybody inside sees them as they are."""

import pytest
from msgspec import Struct

from store.changes.engine import AccountId, Change, Kind, Store, StoreTxn
from store.kv.memory import MemoryKeyValueStore
from store.schema.rows import Reader, pack
from tests.support.mail_store import new_store

OWN = AccountId(7)


class Row(Struct, frozen=True, array_like=True):
    number: int


read = Reader(Row)


@pytest.fixture
def bare() -> Store:
    """Without the proof of the store's invariants: these rows belong to nobody."""
    return new_store(MemoryKeyValueStore())


async def rows(store: Store) -> dict[bytes, int]:
    return await store.read(lambda view: {key: read(row).number for key, row in view.account(OWN).scan(b"", b"\xff")})


async def test_what_is_held_is_seen_at_once_and_written_at_the_end(bare: Store) -> None:
    def body(txn: StoreTxn) -> tuple[object, ...]:
        own = txn.account(OWN)
        for number in range(5):
            own.hold(b"Ca", Row(number))
        in_transaction = txn.kv.get(b"x\x00\x00\x00\x07Ca")
        return in_transaction, own.get(b"Ca"), own.row(b"Ca", read), txn.account(OWN).row(b"Ca", read)

    assert await bare.write(body) == (None, pack(Row(4)), Row(4), Row(4))
    assert await rows(bare) == {b"Ca": 4}


async def test_a_scan_meets_what_is_held(bare: Store) -> None:
    def body(txn: StoreTxn) -> list[bytes]:
        own = txn.account(OWN)
        own.hold(b"Ca", Row(1))
        own.hold(b"Ya", Row(2))
        seen = [key for key, _ in own.scan_prefix(b"C")]
        own.hold(b"Ca", Row(3))
        return seen

    assert await bare.write(body) == [b"Ca"]
    assert await rows(bare) == {b"Ca": 3, b"Ya": 2}


async def test_the_last_word_counts_however_it_was_said(bare: Store) -> None:
    def body(txn: StoreTxn) -> None:
        own = txn.account(OWN)
        own.hold(b"Ca", Row(1))
        own.unindex(b"Ca")
        own.hold(b"Cb", Row(1))
        own.index(b"Cb", pack(Row(2)))
        own.index(b"Cc", pack(Row(1)))
        own.hold(b"Cc", Row(3))
        own.hold(b"Da", Row(1))
        own.unindex_range(b"D")

    await bare.write(body)
    assert await rows(bare) == {b"Cb": 2, b"Cc": 3}


async def test_a_row_that_was_only_read_is_not_written(bare: Store) -> None:
    await bare.write(lambda txn: txn.account(OWN).hold(b"Ca", Row(1)))

    def body(txn: StoreTxn) -> Row | None:
        own = txn.account(OWN)
        own.row(b"Ca", read)
        txn.kv.put(b"x\x00\x00\x00\x07Ca", pack(Row(9)))
        return own.row(b"Ca", read)

    assert await bare.write(body) == Row(1), "a transaction reads a row once"
    assert await rows(bare) == {b"Ca": 9}


async def test_nothing_held_survives_a_body_that_raises(bare: Store) -> None:
    def body(txn: StoreTxn) -> None:
        txn.account(OWN).hold(b"Ca", Row(1))
        raise ValueError

    with pytest.raises(ValueError):
        await bare.write(body)
    assert await rows(bare) == {}


async def test_a_change_is_logged_without_reading(bare: Store) -> None:
    def body(txn: StoreTxn) -> list[tuple[bytes, bytes]]:
        own = txn.account(OWN)
        for change in (Change.COUNTED, Change.UPDATED, Change.COUNTED, Change.CREATED, Change.UPDATED):
            own.log(Kind.MAILBOX, 3, change)
        return [(key[-8:], value) for key, value in own.scan_prefix(b"H")]

    assert await bare.write(body) == [(b"\x00" * 7 + b"\x03", bytes([Change.CREATED]))]
