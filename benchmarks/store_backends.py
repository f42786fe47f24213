"""How fast each key-value backend commits, reads and scans; prints one JSON object.

    python -m benchmarks.store_backends URL... [--seconds 2] [--processes 2]

A URL as in ``store.url``: ``sqlite:PATH``, ``rocksdb:PATH``, ``postgresql://...``, ``memory:``. Paths and
databases should be new and empty. The disk should be the one the store will live on: a commit is an fsync.
"""

import argparse
import asyncio
import json
import sys

from benchmarks.store_kv import ROWS_A_MAIL, WRITERS, Deliveries, rate
from store.kv.contract import WriteTxn
from store.kv.opening import check_url, open_kv


def _count(txn: WriteTxn) -> int:
    return txn.add(b"hot counter", 1)


async def in_one_process(url: str, seconds: float) -> dict[str, int]:
    kv = await open_kv(url)
    deliveries = Deliveries()
    single = await rate(1, seconds, lambda: kv.write(deliveries.body()))
    grouped = await rate(WRITERS, seconds, lambda: kv.write(deliveries.body()))
    key = (await kv.read(lambda txn: next(txn.scan(b"", b"\xff"))))[0]
    reads = await rate(8, seconds, lambda: kv.read(lambda txn: txn.get(key)))
    scans = await rate(1, seconds, lambda: kv.read(lambda txn: len(list(txn.scan(b"", b"\xff", limit=2000)))))
    await kv.close()
    return {
        "one_writer_commits_s": round(single),
        "writers_32_commits_s": round(grouped),
        "readers_8_reads_s": round(reads),
        "scan_rows_s": round(scans * 2000),
    }


async def as_child(url: str, seconds: float, hot: bool) -> None:
    kv = await open_kv(url)
    deliveries = Deliveries()
    per_second = await rate(WRITERS, seconds, lambda: kv.write(_count if hot else deliveries.body()))
    await kv.close()
    print(round(per_second))


async def in_processes(url: str, seconds: float, processes: int, *, hot: bool) -> int:
    command = [sys.executable, "-m", "benchmarks.store_backends", url, "--seconds", str(seconds), "--child"]
    children = [
        await asyncio.create_subprocess_exec(*command, *(["--hot"] if hot else []), stdout=asyncio.subprocess.PIPE)
        for _ in range(processes)
    ]
    return sum([int((await child.communicate())[0]) for child in children])


async def measure(urls: list[str], seconds: float, processes: int) -> None:
    results: dict[str, object] = {"seconds": seconds, "rows_a_transaction": ROWS_A_MAIL, "processes": processes}
    for url in urls:
        scheme = check_url(url)
        measured = await in_one_process(url, seconds)
        if scheme in {"sqlite", "postgresql"}:
            measured["processes_commits_s"] = await in_processes(url, seconds, processes, hot=False)
            measured["processes_on_one_counter_s"] = await in_processes(url, seconds, processes, hot=True)
        results[scheme] = measured
    print(json.dumps(results, indent=2))


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure key-value backends.")
    parser.add_argument("urls", nargs="+", metavar="URL")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--processes", type=int, default=2, help="that write to one store at once")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--hot", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        asyncio.run(as_child(given.urls[0], given.seconds, given.hot))
    else:
        asyncio.run(measure(given.urls, given.seconds, given.processes))


if __name__ == "__main__":
    main()
