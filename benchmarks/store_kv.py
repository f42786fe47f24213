"""How fast the SQLite key-value store commits, reads and scans; prints one JSON object.

    python benchmarks/store_kv.py [--folder FOLDER] [--seconds 2] [--processes 2]

The folder should be on the disk the store will live on: a commit is as fast as its fsync.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from store.kv.contract import WriteTxn
from store.kv.sqlite import SqliteKeyValueStore, SqliteSettings

ROWS_A_MAIL = 8  # about what one delivery writes
VALUE = os.urandom(400)
WRITERS = 32


class Deliveries:
    """Transactions of a few rows each, all under new keys."""

    def __init__(self) -> None:
        self._number = 0

    def body(self) -> Callable[[WriteTxn], None]:
        self._number += 1
        prefix = b"%d.%08d." % (os.getpid(), self._number)

        def put_rows(txn: WriteTxn) -> None:
            for row in range(ROWS_A_MAIL):
                txn.put(prefix + bytes([row]), VALUE)

        return put_rows


async def rate(tasks: int, seconds: float, act: Callable[[], Awaitable[object]]) -> float:
    """Acts a second with so many tasks at once."""
    until = time.perf_counter() + seconds
    done = 0

    async def keep_acting() -> None:
        nonlocal done
        while time.perf_counter() < until:
            await act()
            done += 1

    started = time.perf_counter()
    await asyncio.gather(*(keep_acting() for _ in range(tasks)))
    return done / (time.perf_counter() - started)


async def in_one_process(folder: Path, seconds: float) -> dict[str, float]:
    deliveries = Deliveries()
    alone = await SqliteKeyValueStore.open(folder / "alone.db", SqliteSettings(group_bodies=1))
    ungrouped = await rate(WRITERS, seconds, lambda: alone.write(deliveries.body()))
    await alone.close()
    kv = await SqliteKeyValueStore.open(folder / "store.db")
    single = await rate(1, seconds, lambda: kv.write(deliveries.body()))
    groups, bodies = kv.stats.groups, kv.stats.bodies
    grouped = await rate(WRITERS, seconds, lambda: kv.write(deliveries.body()))
    bodies_a_commit = (kv.stats.bodies - bodies) / (kv.stats.groups - groups)
    key = (await kv.read(lambda txn: next(txn.scan(b"", b"\xff"))))[0]
    reads = await rate(8, seconds, lambda: kv.read(lambda txn: txn.get(key)))
    scans = await rate(1, seconds, lambda: kv.read(lambda txn: len(list(txn.scan(b"", b"\xff", limit=2000)))))
    await kv.close()
    return {
        "single_writer_commits_s": round(single),
        "writers_32_one_commit_each_s": round(ungrouped),
        "writers_32_grouped_s": round(grouped),
        "bodies_a_commit": round(bodies_a_commit, 1),
        "group_commit_ratio": round(grouped / ungrouped, 2),
        "reads_s": round(reads),
        "scan_rows_s": round(scans * 2000),
    }


async def as_child(path: Path, seconds: float) -> None:
    """Write for a while beside other processes; print how many transactions were committed."""
    kv = await SqliteKeyValueStore.open(path)
    deliveries = Deliveries()
    per_second = await rate(WRITERS, seconds, lambda: kv.write(deliveries.body()))
    await kv.close()
    print(round(per_second))


async def in_processes(folder: Path, seconds: float, processes: int) -> dict[str, object]:
    command = [sys.executable, __file__, "--child", str(folder / "shared.db"), "--seconds", str(seconds)]
    children = [
        await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE) for _ in range(processes)
    ]
    rates = [int((await child.communicate())[0]) for child in children]
    return {"processes": processes, "all_processes_grouped_s": sum(rates), "each_process_s": rates}


async def measure(folder: Path | None, seconds: float, processes: int) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as made:
        results: dict[str, object] = {"seconds": seconds, "rows_a_transaction": ROWS_A_MAIL}
        results |= await in_one_process(Path(made), seconds)
        results |= await in_processes(Path(made), seconds, processes)
    print(json.dumps(results, indent=2))


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the SQLite key-value store.")
    parser.add_argument("--folder", type=Path, help="where to put the files (default: the temporary folder)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--processes", type=int, default=2, help="that write to one file at once")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        asyncio.run(as_child(given.child, given.seconds))
    else:
        asyncio.run(measure(given.folder, given.seconds, given.processes))


if __name__ == "__main__":
    main()
