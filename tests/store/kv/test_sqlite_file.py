"""The SQLite file itself: whose it is, what is wrong with it, how long its log grows."""

import asyncio
import os
import stat
import sys
import time
from pathlib import Path

import apsw
import pytest

from store.kv.contract import StoreError, StoreUnavailable, WriteTxn
from store.kv.sqlite import SqliteKeyValueStore, SqliteSettings
from store.kv.sqlite_txn import Checkpoints
from tests.store.kv.gate import Gate, Opener


def _count(txn: WriteTxn) -> int:
    return txn.add(b"n", 1)


async def test_the_file_is_private(opened: Opener, path: Path) -> None:
    previous = os.umask(0)
    try:
        kv = await opened()
        await kv.write(_count)
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(previous)
    assert modes == {"store.db": 0o600, "store.db-wal": 0o600, "store.db-shm": 0o600}


async def test_opening_the_file_again_in_one_process_keeps_the_locks_of_the_first(opened: Opener, path: Path) -> None:
    """Closing any descriptor of a file drops the process's locks on it: the second opening must not."""
    kv = await opened()
    gate = Gate()
    writing = asyncio.create_task(kv.write(gate.body))
    await asyncio.to_thread(gate.is_entered.wait, 20)
    await opened(SqliteSettings(busy_timeout_s=5))
    code = (
        "import fcntl, sys\n"
        "try: fcntl.lockf(open(sys.argv[1], 'r+b'), fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
        "except BlockingIOError: sys.exit(7)\n"
    )
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, str(path))
    assert await child.wait() == 7
    gate.open()
    await writing


async def test_a_commit_is_synced_to_the_disk(opened: Opener) -> None:
    kv = await opened()
    full = 2
    assert await kv.write(lambda _: kv._writer.ledger._connection.pragma("synchronous")) == full  # type: ignore[attr-defined]


async def test_a_file_of_somebody_else_is_refused_and_left_alone(path: Path) -> None:
    other = apsw.Connection(str(path))
    other.execute("CREATE TABLE recipes(name); INSERT INTO recipes VALUES('soup')").fetchall()
    other.close()
    with pytest.raises(StoreError, match="not a Mailward store"):
        await SqliteKeyValueStore.open(path)
    other = apsw.Connection(str(path))
    assert other.execute("SELECT name FROM sqlite_schema").fetchall() == [("recipes",)]
    other.close()


async def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_bytes(b"From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n" * 300)
    with pytest.raises(StoreError, match="damaged"):
        await SqliteKeyValueStore.open(path)


async def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        await SqliteKeyValueStore.open(tmp_path / "absent" / "store.db")


async def test_integrity_names_what_is_wrong(opened: Opener, path: Path) -> None:
    kv = await opened()
    await kv.write(lambda txn: [txn.put(b"%05d" % n, bytes([n % 251]) * 200) for n in range(2000)])
    assert await kv.integrity() == []
    await kv.close()
    with path.open("r+b") as file:
        file.seek(20 * 4096)
        file.write(b"\xa5" * 4096)
    damaged = await opened()
    assert await damaged.integrity() != []
    with pytest.raises(StoreError):
        await damaged.read(lambda txn: list(txn.scan(b"", b"\xff")))


def _wal_octets(path: Path) -> int:
    return path.with_name(path.name + "-wal").stat().st_size


async def test_the_wal_does_not_grow_without_bound_under_steady_writes(opened: Opener, path: Path) -> None:
    kv = await opened(SqliteSettings(checkpoints=Checkpoints(pages=50, limit_pages=200)))
    for number in range(300):
        await kv.write(lambda txn, n=number: txn.put(b"%03d" % n, bytes(4000)))
    assert _wal_octets(path) < 150 * 4200


async def test_the_wal_does_not_grow_without_bound_under_overlapping_readers(opened: Opener, path: Path) -> None:
    kv = await opened(SqliteSettings(readers=4, checkpoints=Checkpoints(pages=20, limit_pages=100)))
    is_over = False

    async def keep_reading() -> None:
        while not is_over:
            await kv.read(lambda txn: (txn.get(b"000"), time.sleep(0.005)))

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(keep_reading())
        for number in range(400):
            await kv.write(lambda txn, n=number: txn.put(b"%03d" % n, bytes(4000)))
        is_over = True
    assert _wal_octets(path) < 300 * 4200


async def test_one_very_long_read_does_not_slow_down_every_commit(opened: Opener) -> None:
    kv = await opened(SqliteSettings(checkpoints=Checkpoints(pages=10, limit_pages=200)))
    await kv.write(_count)
    gate = Gate()
    reading = asyncio.create_task(kv.read(lambda txn: (txn.get(b"n"), gate.body(txn))))
    await asyncio.to_thread(gate.is_entered.wait, 20)
    started = time.monotonic()
    for number in range(120):  # more than 400 pages: readers are waited for two or three times, not at each commit
        await kv.write(lambda txn, n=number: txn.put(b"%03d" % n, bytes(8000)))
    assert time.monotonic() - started < 3
    gate.open()
    await reading


async def test_the_wal_is_copied_back_when_idle_and_at_close(opened: Opener, path: Path) -> None:
    kv = await opened(SqliteSettings(checkpoints=Checkpoints(idle_s=0.01)))
    await kv.write(lambda txn: txn.put(b"k", bytes(50_000)))
    async with asyncio.timeout(20):
        while path.stat().st_size < 50_000:
            await asyncio.sleep(0.005)
    await kv.write(lambda txn: txn.put(b"l", bytes(50_000)))
    await kv.close()
    assert not path.with_name("store.db-wal").exists()
    assert path.stat().st_size > 100_000
