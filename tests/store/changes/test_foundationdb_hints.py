"""Hints through FoundationDB's watches: at once, to everyone else, and again after a watch or the cluster was lost."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from store.changes.announce import Announcer, Listener
from store.changes.opening import hints_of
from store.kv import foundationdb_hints
from store.kv.foundationdb_binding import place_of
from store.kv.foundationdb_hints import FoundationHints
from tests.support import foundationdb
from tests.support.fdb_double import Double
from tests.support.foundationdb import GROUNDS, Ground


@pytest.fixture(params=GROUNDS)
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    with foundationdb.ground(request.param) as place:
        yield place


@pytest.fixture
def double() -> Iterator[Ground]:
    with foundationdb.ground("foundationdb") as place:
        yield place


async def _hub(ground: Ground) -> Announcer:
    """A process's hub, which listens when this returns."""
    hub = Announcer(FoundationHints(ground.url, ground.binding))
    with hub.subscribe(1) as listener:
        await hub.start()
        assert await listener.wait(10)  # whoever begins to listen looks once
    return hub


@contextlib.asynccontextmanager
async def _pair(ground: Ground) -> AsyncIterator[tuple[Announcer, Announcer]]:
    one, two = await _hub(ground), await _hub(ground)
    yield one, two
    await one.close()
    await two.close()


async def _seconds_until(listener: Listener) -> float:
    started = time.monotonic()
    assert await listener.wait(10)
    return time.monotonic() - started


def _log(ground: Ground) -> list[bytes]:
    space = place_of(ground.url).hints
    transaction = ground.database.create_transaction()
    return [pair.value for pair in transaction.get_range(space + b"l", space + b"m")]


def test_the_url_chooses_how_hints_travel() -> None:
    assert isinstance(hints_of("foundationdb:?prefix=x", None), FoundationHints)  # type: ignore[arg-type]


async def test_a_hint_reaches_the_other_process_at_once(ground: Ground) -> None:
    async with _pair(ground) as (one, two):
        with two.subscribe(7) as there, one.subscribe(7) as back, two.subscribe(8) as other:
            for _ in range(5):  # each wakes a watch that was set again
                one.announce([7])
                assert await _seconds_until(there) < 0.5
                assert not other.event.is_set()
                back.event.clear()
                two.announce([7])
                assert await _seconds_until(back) < 0.5
                there.event.clear()


async def test_what_a_process_publishes_does_not_come_back_to_it(ground: Ground) -> None:
    async with _pair(ground) as (one, two):
        with one.subscribe(7) as here, one.subscribe(9) as later, two.subscribe(7) as there:
            one.announce([7])
            assert await there.wait(10)
            here.event.clear()
            two.announce([9])  # comes after the one that must not
            assert await later.wait(10)
            assert not here.event.is_set()


async def test_many_accounts_are_told_in_one_row_and_too_many_wake_everyone(ground: Ground) -> None:
    many = range(4_000_000_000, 4_000_002_000)
    async with _pair(ground) as (one, two):
        with two.subscribe(many[0]) as first, two.subscribe(many[-1]) as last, two.subscribe(5) as other:
            one.announce(many)
            assert await first.wait(10)
            assert await last.wait(10)
            assert not other.event.is_set()
            one.announce(range(1_000_000))
            assert await other.wait(10)
    assert max(map(len, _log(ground))) <= 100_000


async def test_stores_of_one_cluster_do_not_hear_each_other(double: Ground) -> None:
    stranger = await _hub(Ground(double.binding, "foundationdb:?prefix=stranger", double.pass_s))
    async with _pair(double) as (one, two):
        with stranger.subscribe(7) as unheard, two.subscribe(7) as heard:
            one.announce([7])
            assert await heard.wait(10)
            assert not unheard.event.is_set()
    await stranger.close()


async def test_a_lost_watch_is_set_again_and_nothing_is_missed(double: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foundationdb_hints, "_PAUSE_S", 0.01)
    assert isinstance(double.binding, Double)
    async with _pair(double) as (one, two):
        with two.subscribe(7) as there:
            for code in (1101, 1009, 1021):
                double.binding.cluster.lose_watches(code)
                one.announce([7])
                assert await there.wait(10)


async def test_a_silent_watch_is_set_again_now_and_then(double: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foundationdb_hints, "_RENEWED_S", 0.05)
    assert isinstance(double.binding, Double)
    async with _pair(double) as (one, two):
        with two.subscribe(7) as there:
            double.binding.cluster.watches.clear()  # nobody will ever ring
            one.announce([7])
            assert await there.wait(10)


async def test_a_cluster_that_was_away_is_heard_again(double: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foundationdb_hints, "_PAUSE_S", 0.01)
    assert isinstance(double.binding, Double)
    faults = double.binding.cluster.faults
    async with _pair(double) as (one, two):
        with two.subscribe(7) as there:
            faults.is_away = True
            one.announce([7])  # is not told
            double.binding.cluster.lose_watches()
            await asyncio.sleep(0)
            faults.is_away = False
            one.announce([7])
            assert await there.wait(10)


async def test_a_listener_that_was_away_for_longer_than_the_log_wakes_everyone(
    double: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foundationdb_hints, "_KEPT_S", -1)
    hub = await _hub(double)
    with hub.subscribe(3) as anyone:
        assert isinstance(double.binding, Double)
        double.binding.cluster.lose_watches()
        assert await anyone.wait(10)
    await hub.close()


async def test_old_rows_of_the_log_are_removed(double: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foundationdb_hints, "_TIDIED_S", 0.0)
    async with _pair(double) as (one, two):
        with two.subscribe(7) as there:
            for account in (1, 2, 7):
                one.announce([account])
                await asyncio.sleep(0)
            assert await there.wait(10)
            before = len(_log(double))
            assert 1 <= before <= 3
            double.pass_s(61)
            one.announce([7])
            assert await there.wait(10)
    assert len(_log(double)) == 1


async def test_a_commit_of_a_hint_that_is_refused_or_unanswered_is_tried_again(double: Ground) -> None:
    assert isinstance(double.binding, Double)
    async with _pair(double) as (one, two):
        with two.subscribe(7) as there:
            double.binding.cluster.faults.commits.extend([1020, 1038, "lost", "landed"])
            one.announce([7])
            assert await there.wait(10)


async def test_a_last_word_is_sent_before_the_process_ends(ground: Ground) -> None:
    """As a command does: it commits, announces and closes, perhaps before it ever had a connection."""
    hub, short = await _hub(ground), Announcer(FoundationHints(ground.url, ground.binding))
    with hub.subscribe(5) as listener:
        await short.start()
        short.announce([5])
        await short.close()
        assert await listener.wait(10)
    await hub.close()


async def test_without_a_cluster_nothing_waits_and_nothing_fails(double: Ground) -> None:
    assert isinstance(double.binding, Double)
    double.binding.cluster.faults.is_away = True
    hub = Announcer(FoundationHints(double.url, double.binding))
    await hub.start()
    with hub.subscribe(1) as listener:
        hub.announce([1])
        assert listener.event.is_set()
    started = time.monotonic()
    await hub.close()
    assert time.monotonic() - started < 3
