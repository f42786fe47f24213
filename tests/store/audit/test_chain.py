"""The audit chain: nothing in it can be changed, moved or taken out unseen."""

import itertools
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from store.audit import chain
from store.audit.chain import Broken, Entry
from store.changes.engine import Store, StoreTxn
from store.kv.contract import WriteTxn, counter_octets
from store.schema import keys
from store.schema.rows import pack
from tests.support.mail_store import START_MS as NOW
from tests.support.mail_store import new_store


async def fill(store: Store, count: int = 5) -> None:
    for number in range(count):
        await store.write(lambda txn, n=number: chain.record(txn, NOW + n, "ann", "release", f"id{n % 2}", f"act {n}"))  # type: ignore[misc]


async def broken(store: Store) -> Broken | None:
    return await store.read(chain.verify)


def key(seq: int) -> bytes:
    return keys.AUDIT + keys.u64(seq)


def entry(txn: WriteTxn, seq: int) -> Entry:
    row = txn.get(key(seq))
    assert row is not None
    return chain.read_entry(row)


async def test_a_chain_left_alone_holds(store: Store) -> None:
    assert await broken(store) is None
    await fill(store)
    assert await broken(store) is None
    entries = await store.read(lambda view: list(chain.entries(view)))
    assert [e.seq for e in entries] == [1, 2, 3, 4, 5]
    assert all(later.before == earlier.seal for earlier, later in itertools.pairwise(entries))


async def test_entries_about_an_object_come_newest_first(store: Store) -> None:
    await fill(store)
    assert [e.detail for e in await store.read(lambda view: chain.about(view, "id0"))] == ["act 4", "act 2", "act 0"]
    assert [e.detail for e in await store.read(lambda view: chain.about(view, "id0", 1))] == ["act 4"]
    assert await store.read(lambda view: chain.about(view, "id9")) == []


async def test_an_act_that_is_undone_leaves_no_entry(store: Store) -> None:
    await fill(store, 1)

    def fails(txn: StoreTxn) -> None:
        chain.record(txn, NOW, "ann", "delete", "id", "")
        raise LookupError

    with pytest.raises(LookupError):
        await store.write(fails)
    await fill(store, 1)
    assert [e.seq for e in await store.read(lambda view: list(chain.entries(view)))] == [1, 2]


async def test_fields_cannot_lend_octets_to_one_another() -> None:
    plain = Entry(1, NOW, "a", "bc", "d", "e", bytes(32), b"", ("f", "g"), 2)
    others = (
        replace(plain, actor="ab", act="c"),
        replace(plain, people=("fg",)),
        replace(plain, detail="ef", people=("g",)),
        replace(plain, version=1),
    )
    assert len({chain.seal_of(each) for each in (plain, *others)}) == len(others) + 1


def change(field: str, value: object) -> Callable[[WriteTxn], None]:
    return lambda txn: txn.put(key(3), pack(replace(entry(txn, 3), **{field: value})))


def reseal(txn: WriteTxn) -> None:
    """Change an entry and seal it anew: what comes after does not fit."""
    changed = replace(entry(txn, 3), actor="eve")
    txn.put(key(3), pack(replace(changed, seal=chain.seal_of(changed))))


def swap(txn: WriteTxn) -> None:
    second, third = txn.get(key(2)), txn.get(key(3))
    assert second is not None and third is not None
    txn.put(key(2), third)
    txn.put(key(3), second)


def truncate(txn: WriteTxn) -> None:
    txn.delete(key(5))


def truncate_with_count(txn: WriteTxn) -> None:
    txn.delete(key(5))
    txn.put(keys.meta("audit-seq"), counter_octets(4))


def close_the_gap(txn: WriteTxn) -> None:
    """Take one out and move the later ones up."""
    for seq in (3, 4):
        txn.put(key(seq), pack(replace(entry(txn, seq + 1), seq=seq)))
    txn.delete(key(5))
    txn.put(keys.meta("audit-seq"), counter_octets(4))


TAMPERING: dict[str, tuple[Callable[[WriteTxn], None], Broken]] = {
    "other actor": (change("actor", "eve"), Broken(3, "its content was changed")),
    "other act": (change("act", "look"), Broken(3, "its content was changed")),
    "other target": (change("target", "id7"), Broken(3, "its content was changed")),
    "other detail": (change("detail", ""), Broken(3, "its content was changed")),
    "other time": (change("at_ms", NOW - 1), Broken(3, "its content was changed")),
    "other people": (change("people", ("eve",)), Broken(3, "its content was changed")),
    "other version": (change("version", 1), Broken(3, "its content was changed")),
    "other seal": (change("seal", bytes(32)), Broken(3, "its content was changed")),
    "changed and sealed anew": (reseal, Broken(4, "does not continue the entry before it")),
    "one taken out": (lambda txn: txn.delete(key(3)), Broken(3, "entry 3 is missing")),
    "the first taken out": (lambda txn: txn.delete(key(1)), Broken(1, "entry 1 is missing")),
    "taken out, the gap closed": (close_the_gap, Broken(3, "does not continue the entry before it")),
    "two swapped": (swap, Broken(2, "entry 2 is missing")),
    "the last taken out": (truncate, Broken(5, "entries at the end are missing")),
    "the last taken out, the count too": (truncate_with_count, Broken(4, "the head does not match the last entry")),
    "all taken out": (
        lambda txn: txn.delete_range(keys.AUDIT, keys.prefix_end(keys.AUDIT)),
        Broken(1, "entries at the end are missing"),
    ),
    "one made unreadable": (
        lambda txn: txn.put(key(2), b"\x09?"),
        Broken(2, "cannot be read: row version b'\\t' is not known to this program"),
    ),
}


@pytest.mark.parametrize(("tamper", "expected"), TAMPERING.values(), ids=TAMPERING)
async def test_tampering_is_seen(tamper: Callable[[WriteTxn], None], expected: Broken) -> None:
    store = new_store()
    await fill(store)
    await store.kv.write(tamper)
    assert await broken(store) == expected
