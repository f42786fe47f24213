"""Opinions are followed from the store, by every worker."""

import asyncio

from gateway.learning.labels import label_of_octets, label_of_view
from gateway.learning.likeness import Likest
from gateway.learning.local import LocalOpinions
from models.features import SCHEMA, extract
from models.view import view_of
from store.changes.engine import Store
from store.labels import rows as labels
from store.labels.rows import EVERYBODY, Label
from store.message.mime import parse_message
from tests.support.facts import mail
from tests.support.mail_store import START_MS as NOW

WORDS = (first + second for first in ("gold", "free", "gift", "win") for second in ("er", "ing", "ness", "ly", "ful"))
OFFER = mail(" ".join(WORDS)).replace("\n", "\r\n").encode()


async def say(store: Store, label: Label) -> None:
    await store.write(lambda txn: labels.put(txn, label, (EVERYBODY,)))


def likest(opinions: LocalOpinions, octets: bytes = OFFER) -> Likest | None:
    return opinions.likest(extract(view_of(parse_message(octets))))


async def test_a_label_made_here_is_known_after_catching_up(store: Store) -> None:
    opinions = LocalOpinions(store)
    await opinions.catch_up()
    assert likest(opinions) is None
    await say(store, label_of_octets("id", OFFER, True, "ann", NOW))
    await opinions.catch_up()
    assert likest(opinions) == Likest(1.0, True, "ann")


async def test_a_changed_mind_counts(store: Store) -> None:
    opinions = LocalOpinions(store)
    await say(store, label_of_octets("id", OFFER, True, "ann", NOW))
    await opinions.catch_up()
    await say(store, label_of_octets("id", OFFER, False, "bob", NOW))
    await opinions.catch_up()
    assert likest(opinions) == Likest(1.0, False, "bob")


async def test_more_labels_than_one_read_gives_are_all_read(store: Store) -> None:
    label = label_of_octets("id", OFFER, True, "ann", NOW)
    for number in range(1_005):
        await say(store, Label(f"id{number}", True, "ann", NOW, b"", SCHEMA))
    await say(store, label)
    opinions = LocalOpinions(store)
    await opinions.catch_up()
    assert likest(opinions) == Likest(1.0, True, "ann")


async def test_labels_of_another_schema_do_not_count(store: Store) -> None:
    label = label_of_octets("id", OFFER, True, "ann", NOW)
    await say(store, Label("old", True, "ann", NOW, label.features, "another"))
    opinions = LocalOpinions(store)
    await opinions.catch_up()
    assert likest(opinions) is None


async def test_following_sees_a_label_that_another_makes(store: Store) -> None:
    opinions = LocalOpinions(store, poll_s=0.01, pause_s=0.0)
    task = asyncio.create_task(opinions.follow())
    await say(store, label_of_octets("id", OFFER, True, "ann", NOW))
    async with asyncio.timeout(10):
        while likest(opinions) is None:
            await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_a_label_of_a_view_is_that_of_its_octets() -> None:
    view = view_of(parse_message(OFFER))
    assert label_of_view("id", view, True, "ann", NOW) == label_of_octets("id", OFFER, True, "ann", NOW)
