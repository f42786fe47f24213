"""Hints over a real PostgreSQL: quick, to everyone else, and back again after the connection was lost."""

import asyncio
import time
from collections.abc import AsyncIterator

import psycopg
import pytest

from store.changes.announce import Announcer, Listener
from store.changes.opening import hints_of
from store.kv.postgres import PostgresKeyValueStore
from store.kv.postgres_hints import PostgresHints
from tests.support.postgres import Server

_LISTENING = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND pid<>pg_backend_pid()"


async def _hub(url: str) -> Announcer:
    """A process's hub, which listens when this returns."""
    hub = Announcer(PostgresHints(url))
    with hub.subscribe(1) as listener:
        await hub.start()
        assert await listener.wait(10)  # whoever begins to listen looks once
    return hub


@pytest.fixture
async def url(postgres_url: str) -> str:
    await (await PostgresKeyValueStore.open(postgres_url)).close()
    return postgres_url


@pytest.fixture
async def pair(url: str) -> AsyncIterator[tuple[Announcer, Announcer]]:
    one, two = await _hub(url), await _hub(url)
    yield one, two
    await one.close()
    await two.close()


async def _seconds_until(listener: Listener) -> float:
    started = time.monotonic()
    assert await listener.wait(10)
    return time.monotonic() - started


def test_the_url_chooses_how_hints_travel(tmp_path: object, url: str) -> None:
    assert isinstance(hints_of(url, None), PostgresHints)  # type: ignore[arg-type]


async def test_a_hint_reaches_the_other_process_at_once(pair: tuple[Announcer, Announcer]) -> None:
    one, two = pair
    with two.subscribe(7) as there, one.subscribe(7) as back, two.subscribe(8) as other:
        one.announce([7])
        assert await _seconds_until(there) < 0.5
        assert not other.event.is_set()
        back.event.clear()
        two.announce([7])
        assert await _seconds_until(back) < 0.5


async def test_what_a_process_publishes_does_not_come_back_to_it(pair: tuple[Announcer, Announcer]) -> None:
    one, two = pair
    with one.subscribe(7) as here, one.subscribe(9) as later:
        one.announce([7])
        here.event.clear()
        two.announce([9])  # comes after the one that must not
        assert await later.wait(10)
        assert not here.event.is_set()


async def test_a_commit_of_many_accounts_is_told_in_bounded_pieces(pair: tuple[Announcer, Announcer]) -> None:
    one, two = pair
    many = range(4_000_000_000, 4_000_002_000)
    with two.subscribe(many[0]) as first, two.subscribe(many[-1]) as last:
        one.announce(many)
        assert await first.wait(10)
        assert await last.wait(10)


async def test_stores_of_one_database_do_not_hear_each_other(
    pair: tuple[Announcer, Announcer], postgres_server: Server
) -> None:
    elsewhere = postgres_server.new_database()
    await (await PostgresKeyValueStore.open(elsewhere)).close()
    stranger = await _hub(elsewhere)
    with stranger.subscribe(7) as unheard, pair[1].subscribe(7) as heard, stranger.subscribe(8) as after:
        pair[0].announce([7])
        assert await heard.wait(10)
        second = await _hub(elsewhere)
        second.announce([8])
        assert await after.wait(10)
        assert not unheard.event.is_set()
    await second.close()
    await stranger.close()


async def test_a_killed_connection_comes_back_and_everyone_looks_once(url: str) -> None:
    one, two = await _hub(url), await _hub(url)
    with psycopg.connect(url, autocommit=True) as boss, one.subscribe(3) as mine, two.subscribe(3) as its:
        killed = boss.execute(f"SELECT count(pg_terminate_backend(pid)) FROM ({_LISTENING}) AS l").fetchone()
        assert killed is not None
        assert killed[0] >= 2
        assert await mine.wait(10)
        assert await its.wait(10)
        one.announce([3])
        assert await _seconds_until(its) < 0.5
    await one.close()
    await two.close()


async def test_a_last_word_is_sent_before_the_process_ends(pair: tuple[Announcer, Announcer], url: str) -> None:
    """As a command does: it commits, announces and closes, perhaps before it ever had a connection."""
    short = Announcer(PostgresHints(url))
    with pair[0].subscribe(5) as listener:
        await short.start()
        short.announce([5])
        await short.close()
        assert await listener.wait(10)


@pytest.mark.parametrize("payload", ["", "x", "1 -2", "１", "9" * 5000, "1 2 x"])
async def test_what_others_say_on_our_channel_harms_nothing(
    pair: tuple[Announcer, Announcer], url: str, payload: str
) -> None:
    with psycopg.connect(url, autocommit=True) as stranger, pair[1].subscribe(6) as listener:
        stranger.execute("SELECT pg_notify('mailward_' || 'kv'::regclass::oid, %s)", (payload,))
        await asyncio.to_thread(lambda: None)
        pair[0].announce([6])
        assert await listener.wait(10)


async def test_without_a_server_nothing_waits_and_nothing_fails() -> None:
    hub = Announcer(PostgresHints("postgresql://mailward@/x?host=/nowhere"))
    await hub.start()
    with hub.subscribe(1) as listener:
        hub.announce([1])
        assert listener.event.is_set()
    started = time.monotonic()
    await hub.close()
    assert time.monotonic() - started < 3
