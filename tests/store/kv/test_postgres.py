"""PostgreSQL: conflicts nobody sees, servers that restart and crash, and a commit that nobody answered."""

import asyncio
import random
import signal
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest

from store.kv.commit import OutcomeUnknown
from store.kv.contract import ReadTxn, StoreError, StoreUnavailable, WriteTxn, counter
from store.kv.postgres import PostgresKeyValueStore, PostgresSettings
from store.kv.postgres_link import MAX_KEY_OCTETS
from tests.store.kv.gate import Gate
from tests.support.postgres import Server, running

_COUNTER = """
    import asyncio, sys
    from store.kv.postgres import PostgresKeyValueStore

    async def main():
        kv = await PostgresKeyValueStore.open(sys.argv[1])
        async def some():
            for _ in range(60):
                await kv.write(lambda txn: txn.add(b"n", 1))
        await asyncio.gather(*(some() for _ in range(4)))
        await kv.close()

    asyncio.run(main())
"""


@pytest.fixture
async def kv(postgres_url: str) -> AsyncIterator[PostgresKeyValueStore]:
    store = await PostgresKeyValueStore.open(postgres_url)
    yield store
    await store.close()


@pytest.fixture
def own_server(postgres_server: Server) -> Iterator[Server]:
    """A server that a test may stop: the shared one's presence only says that there can be one."""
    with running() as server:
        yield server


def _count(txn: WriteTxn) -> int:
    return txn.add(b"n", 1)


def _counted(txn: ReadTxn) -> int:
    return counter(txn.get(b"n"))


async def _entered(gate: Gate) -> None:
    assert await asyncio.to_thread(gate.is_entered.wait, 20)


def _ask(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)  # type: ignore[call-overload]
        return cursor.fetchall() if cursor.description else []


_HANG = (
    "CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NULL; END'",
    "CREATE CONSTRAINT TRIGGER hanging AFTER INSERT OR UPDATE ON kv DEFERRABLE INITIALLY DEFERRED "
    "FOR EACH ROW EXECUTE FUNCTION hang()",
)
_KILL_SERVING = (
    "SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity WHERE application_name='mailward' AND state<>'idle'"
)


async def test_two_processes_count_to_the_same_counter_and_lose_nothing(postgres_url: str) -> None:
    children = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", textwrap.dedent(_COUNTER), postgres_url)
        for _ in range(2)  # both also race to make the table
    ]
    assert [await child.wait() for child in children] == [0, 0]
    kv = await PostgresKeyValueStore.open(postgres_url)
    assert await kv.read(_counted) == 480
    await kv.close()


async def test_a_conflict_is_repeated_and_its_caller_does_not_see_it(postgres_url: str) -> None:
    ours, theirs = [await PostgresKeyValueStore.open(postgres_url) for _ in range(2)]
    gate = Gate()
    runs = 0

    def body(txn: WriteTxn) -> int:
        nonlocal runs
        runs += 1
        seen = counter(txn.get(b"n"))
        gate.body(txn)
        txn.put(b"copy", b"%d" % seen)
        return txn.add(b"n", 1)

    writing = asyncio.create_task(ours.write(body))
    await _entered(gate)
    assert await theirs.write(_count) == 1
    gate.open()
    assert await writing == 2
    assert runs == 2
    assert await theirs.read(lambda txn: txn.get(b"copy")) == b"1"
    assert ours.stats.lost == 1
    await ours.close()
    await theirs.close()


async def test_two_that_each_read_what_the_other_writes_cannot_both_land_unseen(postgres_url: str) -> None:
    """Write skew: each puts its row only while the other's is absent. Serialisable means one at most."""
    stores = [await PostgresKeyValueStore.open(postgres_url) for _ in range(2)]
    gates = [Gate(), Gate()]

    def body(txn: WriteTxn, mine: int) -> bool:
        is_free = not list(txn.scan(b"duty", b"dutz"))
        gates[mine].body(txn)
        if is_free:
            txn.put(b"duty%d" % mine, b"")
        return is_free

    tasks = [asyncio.create_task(kv.write(lambda txn, n=n: body(txn, n))) for n, kv in enumerate(stores)]
    for gate in gates:
        await _entered(gate)
    for gate in gates:
        gate.open()
    assert sorted(await asyncio.gather(*tasks)) == [False, True]
    assert len(await stores[0].read(lambda txn: list(txn.scan(b"duty", b"dutz")))) == 1
    for kv in stores:
        await kv.close()


async def test_several_writers_of_one_process_lose_nothing(postgres_url: str) -> None:
    kv = await PostgresKeyValueStore.open(postgres_url, PostgresSettings(writers=3))
    await asyncio.gather(*(kv.write(_count) for _ in range(200)))
    assert await kv.read(_counted) == 200
    await kv.close()


async def test_a_lost_connection_is_made_anew_and_the_bodies_run_again(
    kv: PostgresKeyValueStore, postgres_url: str
) -> None:
    await kv.write(_count)
    gate = Gate()

    def body(txn: WriteTxn) -> int:
        txn.get(b"n")
        gate.body(txn)
        return txn.add(b"n", 1)

    reading = Gate()
    writing = asyncio.create_task(kv.write(body))
    looking = asyncio.create_task(kv.read(lambda txn: (_counted(txn), reading.body(txn), list(txn.scan(b"", b"z")))[0]))
    await _entered(gate)
    await _entered(reading)
    await asyncio.to_thread(_ask, postgres_url, _KILL_SERVING)
    gate.open()
    reading.open()
    assert await writing == 2
    assert await looking in (1, 2)
    assert await kv.read(_counted) == 2


async def test_a_commit_without_an_answer_is_told_and_not_repeated(
    kv: PostgresKeyValueStore, postgres_url: str
) -> None:
    """A deferred trigger holds the server inside COMMIT until it is ended."""
    await kv.write(_count)
    _ask(
        postgres_url,
        "CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NULL; END'",
    )
    _ask(postgres_url, "CREATE CONSTRAINT TRIGGER hanging AFTER INSERT OR UPDATE ON kv DEFERRABLE INITIALLY DEFERRED "
                       "FOR EACH ROW EXECUTE FUNCTION hang()")  # fmt: skip
    runs = 0

    def body(txn: WriteTxn) -> int:
        nonlocal runs
        runs += 1
        return txn.add(b"n", 1)

    writing = asyncio.create_task(kv.write(body))
    async with asyncio.timeout(20):
        while not await asyncio.to_thread(
            _ask, postgres_url, "SELECT 1 FROM pg_stat_activity WHERE wait_event='PgSleep'"
        ):
            pass
    await asyncio.to_thread(_ask, postgres_url, _KILL_SERVING)
    with pytest.raises(OutcomeUnknown, match="may or may not have landed"):
        await writing
    assert runs == 1
    _ask(postgres_url, "DROP TRIGGER hanging ON kv")
    assert await kv.write(_count) == 2


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["restart", "crash"])
async def test_writers_outlast_the_server_and_lose_nothing_acknowledged(
    own_server: Server, how: signal.Signals
) -> None:
    kv = await PostgresKeyValueStore.open(own_server.url())
    acknowledged = unknown = 0
    is_over = False

    async def keep_counting() -> None:
        nonlocal acknowledged, unknown
        while not is_over:
            try:
                await kv.write(_count)
                acknowledged += 1
            except OutcomeUnknown:
                unknown += 1

    async def has_grown(by: int) -> None:
        goal = acknowledged + by
        async with asyncio.timeout(30):
            while acknowledged < goal:
                await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(keep_counting())
        for _ in range(2):
            await has_grown(50)
            await asyncio.to_thread(own_server.stop, how)
            await asyncio.to_thread(own_server.start)
        await has_grown(50)
        is_over = True
    counted = await kv.read(_counted)
    await kv.close()
    assert acknowledged <= counted <= acknowledged + unknown
    assert unknown <= 8  # at most what was in flight at each stop


async def test_a_server_that_stays_away_is_unavailable_after_the_deadline(own_server: Server) -> None:
    kv = await PostgresKeyValueStore.open(own_server.url(), PostgresSettings(wait_s=0.5))
    assert await kv.write(_count) == 1
    await asyncio.to_thread(own_server.stop)
    started = time.monotonic()
    results = await asyncio.gather(kv.write(_count), kv.write(_count), kv.read(_counted), return_exceptions=True)
    assert all(isinstance(result, StoreUnavailable) for result in results)
    assert 0.4 <= time.monotonic() - started < 5
    await asyncio.to_thread(own_server.start)
    assert await kv.write(_count) == 2
    await kv.close()


async def test_no_server_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        await PostgresKeyValueStore.open("postgresql://mailward@/x?host=/nowhere", PostgresSettings(wait_s=0.1))


async def test_a_table_of_somebody_else_is_refused(postgres_url: str) -> None:
    _ask(postgres_url, "CREATE TABLE kv(name text)")
    with pytest.raises(StoreError, match="not a Mailward store"):
        await PostgresKeyValueStore.open(postgres_url)


@pytest.mark.parametrize(
    ("configured", "used"),
    [("off", "on"), ("local", "on"), ("remote_write", "on"), ("on", "on"), ("remote_apply", "remote_apply")],
)
async def test_a_commit_waits_for_the_disks_even_where_the_database_does_not(
    postgres_url: str, configured: str, used: str
) -> None:
    kv = await PostgresKeyValueStore.open(f"{postgres_url}%20-csynchronous_commit%3D{configured}")
    assert await asyncio.to_thread(_shown, kv) == used
    await kv.close()


def _shown(kv: PostgresKeyValueStore) -> str:
    shown = kv._links[0].connect(time.monotonic() + 5).execute("SHOW synchronous_commit").fetchone()
    assert shown is not None
    return str(shown[0])


async def test_keys_up_to_the_limit_are_kept_and_longer_ones_refused(kv: PostgresKeyValueStore) -> None:
    key = random.Random(1).randbytes(MAX_KEY_OCTETS)  # octets that do not compress
    await kv.write(lambda txn: txn.put(key, b"v"))
    assert await kv.read(lambda txn: txn.get(key)) == b"v"
    with pytest.raises(ValueError, match=str(MAX_KEY_OCTETS)):
        await kv.write(lambda txn: txn.put(key + b"x", b"v"))


async def test_a_transaction_of_many_megabytes_lands(kv: PostgresKeyValueStore) -> None:
    rows = {b"%04d" % number: bytes([number % 251]) * 100_000 for number in range(250)}
    await kv.write(lambda txn: [txn.put(key, value) for key, value in rows.items()])
    assert await kv.read(lambda txn: dict(txn.scan(b"", b"\xff"))) == rows
