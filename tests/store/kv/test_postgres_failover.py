"""The primary dies under load and its standby takes over: nothing acknowledged is lost, nobody has to do anything."""

import asyncio
import os
import signal
import time

import pytest

from benchmarks.postgres_failover import Plan, into_the_store
from store.changes.announce import Announcer
from store.kv.commit import OutcomeUnknown
from store.kv.contract import StoreUnavailable, counter
from store.kv.postgres import PostgresKeyValueStore, PostgresSettings
from store.kv.postgres_hints import PostgresHints
from tests.support.postgres import Server, replicated, running


@pytest.fixture(autouse=True)
def _there_can_be_a_server(postgres_server: Server) -> None:
    """Skips, or in CI fails, where PostgreSQL is not installed."""


async def test_a_standby_that_takes_over_has_everything_that_was_acknowledged() -> None:
    with replicated() as pair:
        await (await PostgresKeyValueStore.open(pair.url())).close()
        hubs = [Announcer(PostgresHints(pair.url())) for _ in range(2)]
        for hub in hubs:
            await hub.start()
        counts = await into_the_store(pair, Plan(before_s=1.0, away_s=0.5, after_s=0.5))
        print(counts)
        assert counts.is_good
        assert counts.acknowledged > 100
        assert counts.silence_s < 15
        with hubs[1].subscribe(1) as listener:  # hints go by the new primary, too
            async with asyncio.timeout(20):
                while not await listener.wait(0.05):
                    hubs[0].announce([1])
        for hub in hubs:
            await hub.close()


async def test_a_standby_that_is_gone_makes_callers_wait_and_then_tells_them() -> None:
    """Synchronous replication without a standby: COMMIT waits for ever, and says nothing."""
    with replicated() as pair:
        settings = PostgresSettings(readers=1, wait_s=0.5, silent_s=1.0)
        kv = await PostgresKeyValueStore.open(pair.url(), settings)
        assert await kv.write(lambda txn: txn.add(b"n", 1)) == 1
        await asyncio.to_thread(pair.standby.die)
        started = time.monotonic()
        with pytest.raises(OutcomeUnknown, match="may or may not have landed"):
            await kv.write(lambda txn: txn.add(b"n", 1))
        assert 0.9 < time.monotonic() - started < 10
        assert await kv.read(lambda txn: counter(txn.get(b"n"))) in (1, 2)
        await asyncio.to_thread(pair.standby.start)
        async with asyncio.timeout(30):
            while True:
                try:
                    assert await kv.write(lambda txn: txn.add(b"n", 1)) in (2, 3)
                    break
                except StoreUnavailable:
                    continue
        await kv.close()


async def test_a_wait_for_the_standby_that_a_person_ends_is_not_taken_for_a_commit() -> None:
    with replicated() as pair:
        kv = await PostgresKeyValueStore.open(pair.url())
        await kv.write(lambda txn: txn.add(b"n", 1))
        await asyncio.to_thread(pair.standby.die)
        writing = asyncio.create_task(kv.write(lambda txn: txn.add(b"n", 1)))
        waiting = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event='SyncRep'"
        async with asyncio.timeout(20):
            while await asyncio.to_thread(pair.primary.ask, waiting) == [(0,)]:
                await asyncio.sleep(0.01)
        with pytest.raises(OutcomeUnknown, match="on the primary only"):
            await writing
        pair.primary.ask("ALTER SYSTEM SET synchronous_standby_names = ''")
        pair.primary.ask("SELECT pg_reload_conf()")
        await kv.close()


@pytest.mark.parametrize("call", ["read", "write"])
async def test_a_connection_that_stops_answering_is_given_up_for_another(call: str) -> None:
    with running() as server:
        kv = await PostgresKeyValueStore.open(server.url(), PostgresSettings(readers=1, silent_s=0.5))
        await kv.write(lambda txn: txn.add(b"n", 1))
        serving = server.ask("SELECT pid FROM pg_stat_activity WHERE application_name='mailward'")
        pids = [pid for (pid,) in serving if isinstance(pid, int)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            if call == "read":
                assert await kv.read(lambda txn: counter(txn.get(b"n"))) == 1
            else:
                assert await kv.write(lambda txn: txn.add(b"n", 1)) == 2
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        await kv.close()
