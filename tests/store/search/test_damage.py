"""A damaged index: fsck names it, answers stay right, a new one is made. And what a crash or a rival leaves."""

import contextlib

import numpy as np
import pytest

from store.accounts.account import Account
from store.changes.engine import Store
from store.kv.contract import StoreUnavailable
from store.mail.filters import And, Phrase, Place, Size, Words
from store.schema import keys
from store.search import check, merging
from store.search import state as states
from store.search.finding import Question, find
from store.search.indexing import Indexer
from store.search.state import Generation, Segment
from store.search.writing import SegmentOutput, Superseded
from store.upkeep import fsck
from tests.support.faulty_kv import FaultyKeyValueStore
from tests.support.mail_store import Letter, deliver, new_account, new_store

NOON = Words(Place.BODY, (Phrase("see you at noon"),))


async def shelf(count: int = 12) -> tuple[Store, Account, list[int]]:
    store = new_store()
    account = await new_account(store)
    ids = [(await deliver(store, account, Letter(f"Mail {n}", f"{n}@a").octets())).id for n in range(count)]
    await Indexer(store).catch_up(account.id)
    return store, account, ids


async def rows_of(store: Store, account: Account, letter: bytes) -> list[tuple[bytes, bytes]]:
    return await store.read(lambda view: list(view.account(account.id).scan_prefix(letter)))


@pytest.mark.parametrize("octets", [b"", b"\x00junk", None], ids=["empty", "junk", "deleted"])
@pytest.mark.parametrize("place", ["state", "dictionary", "mails", "places", "columns"])
async def test_damage_is_named_answers_stay_right_and_the_index_is_made_anew(place: str, octets: bytes | None) -> None:
    store, account, ids = await shelf()
    letter = {"state": b"A", "columns": b"O"}.get(place, b"W")
    kind = {"dictionary": b"T", "mails": b"D", "places": b"P"}.get(place, b"")
    [key, *_] = [key for key, _ in await rows_of(store, account, letter) if key[5 : 5 + len(kind)] == kind]
    if octets is None:
        await store.write(lambda txn: txn.account(account.id).unindex(key))
    else:
        await store.write(lambda txn: txn.account(account.id).index(key, octets))
    wanted = And((NOON, Size(at_least=1)))
    if (place, octets) != ("dictionary", None):  # terms that are not there are like terms that were never said
        assert (await find(store, account.id, Question(wanted))).ids == ids[::-1]
    found = [finding.what for finding in await fsck.findings_of(store)]
    if (place != "mails" and place != "places") or octets is not None:
        assert found or place == "state"
    if place == "state":
        await store.write(lambda txn: txn.account(account.id).unindex(keys.SEARCH_STATE))
        for letter in (b"W", b"O"):
            for stray, _ in await rows_of(store, account, letter):
                await store.write(lambda txn, k=stray: txn.account(account.id).unindex(k))
    indexer = Indexer(store)
    await indexer.start_over(account.id)
    await indexer.catch_up(account.id)
    assert (await find(store, account.id, Question(wanted))).ids == ids[::-1]
    assert await fsck.findings_of(store) == []


async def test_repair_gives_a_damaged_index_up_and_mail_is_found() -> None:
    store, account, ids = await shelf()
    await store.write(lambda txn: check.discard(txn.account(account.id)))
    assert (await find(store, account.id, Question(NOON))).ids == ids[::-1]
    assert await fsck.findings_of(store) == []
    await Indexer(store).catch_up(account.id)
    state = await store.read(lambda view: states.get(view.account(account.id)))
    assert (state.serving.upto, state.dropping) == (ids[-1], ())


async def test_whoever_comes_second_writes_nothing() -> None:
    store, account, _ = await shelf()
    known = await store.read(lambda view: states.get(view.account(account.id)))
    first, second = SegmentOutput(store, account.id, known), SegmentOutput(store, account.id, known)
    await first.end(lambda state: state)
    before = await rows_of(store, account, b"W")
    await second.add([(keys.dictionary(second.segment, b"a"), b"x")])
    with pytest.raises(Superseded):
        await second.end(lambda state: state)
    assert await rows_of(store, account, b"W") == before


async def test_a_crash_at_every_write_leaves_a_sound_index() -> None:
    """What a crash leaves behind is dropped by whoever comes next."""
    store, account, ids = await shelf(0)
    for n in range(9):
        ids.append((await deliver(store, account, Letter(f"Mail {n}", f"{n}@a").octets())).id)
        if n < 8:
            await Indexer(store).catch_up(account.id)
    for fail_at in range(60):
        kv = FaultyKeyValueStore(store.kv, fail_at, after_commit=fail_at % 2 == 1)
        broken = Indexer(Store(kv, store.blobs, store.announcer))
        with contextlib.suppress(StoreUnavailable):
            await broken.start_over(account.id)
            await broken.catch_up(account.id)
        assert (await find(store, account.id, Question(NOON))).ids == ids[::-1]
        assert await fsck.findings_of(store) == []
        if not kv.has_failed:
            return
    pytest.fail("never came to an end")


@pytest.mark.parametrize(
    ("sizes", "merged"),
    [
        ([512] * 7, []),
        ([512] * 8, [512] * 8),
        ([60_000, *[512] * 7], []),
        ([60_000, *[512] * 8], [512] * 8),
        ([512] * 12, [512] * 8),
        ([*[4_000] * 8, *[3] * 8], [3] * 8),
        ([*[4_000] * 3, 2, *[4_000] * 5], [*[4_000] * 3, 2, *[4_000] * 5]),
        ([*[4_000] * 7, 2, 2], []),
    ],
    ids=repr,
)
def test_only_neighbours_of_one_size_are_merged(sizes: list[int], merged: list[int]) -> None:
    """A large segment that is written again with every few small ones would cost the square of the mailbox."""
    segments = tuple(Segment(n + 1, n * 100_000 + 1, n * 100_000 + size, size, 0) for n, size in enumerate(sizes))
    found = merging.due(Generation(segments=segments), np.zeros(0, dtype=np.int64))
    assert [one.mails for one in found] == merged
