"""Labels: what was said last counts, and each worker can follow what is new."""

from store.changes.engine import Store, StoreTxn
from store.labels import rows as labels
from store.labels.rows import Label
from store.schema import keys
from tests.support.mail_store import START_MS as NOW


async def say(store: Store, name: str, is_spam: bool, by: str = "ann") -> None:
    await store.write(lambda txn: labels.put(txn, Label(name, is_spam, by, NOW, b"\x01\0\0\0", "s1")))


async def after(store: Store, seq: int, limit: int = 1_000) -> list[tuple[int, str, bool]]:
    found = await store.read(lambda view: list(labels.after(view, seq, limit)))
    return [(at, label.id, label.is_spam) for at, label in found]


async def test_the_latest_opinion_replaces_the_earlier(store: Store) -> None:
    await say(store, "id", True, "trap")
    await say(store, "id", False, "ann")
    label = await store.read(lambda view: labels.get(view, "id"))
    assert label is not None
    assert (label.is_spam, label.by) == (False, "ann")
    assert await store.read(lambda view: labels.get(view, "other")) is None


async def test_labels_after_a_number_come_in_the_order_they_were_made(store: Store) -> None:
    for number in range(4):
        await say(store, f"id{number}", number % 2 == 0)
    assert await after(store, 2) == [(3, "id2", True), (4, "id3", False)]
    assert await after(store, 4) == []
    assert await after(store, 0, 1) == [(1, "id0", True)]


async def test_a_mail_labelled_twice_by_one_person_comes_once_with_the_newest_opinion(store: Store) -> None:
    await say(store, "a", True)
    await say(store, "b", True)
    await say(store, "a", False)
    assert [(name, is_spam) for _, name, is_spam in await after(store, 0)] == [("b", True), ("a", False)]


async def test_a_damaged_label_teaches_nothing_and_is_replaced(store: Store) -> None:
    await say(store, "a", True)
    await say(store, "b", True)

    def spoil(txn: StoreTxn) -> None:
        for key, _ in list(txn.kv.scan(keys.LABEL + b"ia", keys.LABEL + b"ib")):
            txn.kv.put(key, b"\x01garbage")

    await store.write(spoil)
    assert [name for _, name, _ in await after(store, 0)] == ["b"]
    assert await store.read(lambda view: labels.get(view, "a")) is None
    await say(store, "a", False)
    label = await store.read(lambda view: labels.get(view, "a"))
    assert label is not None and not label.is_spam
