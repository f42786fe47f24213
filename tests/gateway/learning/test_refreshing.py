"""A new version that reads mail otherwise keeps what people said, as far as the mail is still there."""

from msgspec.structs import replace

from gateway.learning.opinions import give, person
from gateway.learning.refreshing import refresh
from models.features import SCHEMA
from store.changes.engine import Store
from store.labels import rows as labels
from store.labels.rows import Label
from tests.gateway.learning.test_opinions import house, label, octets
from tests.support.mail_store import assert_sound, deliver


async def outdated(store: Store, name: str, blob: bytes) -> Label:
    old = replace(label(name, "ann@b.example"), features=b"\x01\0\0\0", schema="of old", blob=blob)
    await store.write(lambda txn: give(txn, old, "move"))
    told = await store.read(lambda view: labels.get(view, name))
    assert told is not None
    return told


async def test_labels_are_made_anew_where_they_counted() -> None:
    store, people = await house("ann")
    email = await deliver(store, people["ann"], octets(name="1"))
    old = await outdated(store, "1", email.blob)
    await outdated(store, "2", bytes(32))
    await outdated(store, "3", b"")
    assert await refresh(store) == 1
    made = await store.read(lambda view: labels.get(view, "1"))
    assert made is not None
    fresh = label("1", "ann@b.example")
    assert (made.features, made.schema) == (fresh.features, SCHEMA)
    assert (made.by, made.at_ms, made.via, made.is_spam) == (old.by, old.at_ms, "move", True)
    assert set(made.places) == {person(people["ann"].id)}
    assert await refresh(store) == 0
    await assert_sound(store)
