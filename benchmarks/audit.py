"""What the audit chain costs: writers that all move its head, and verifying a long one; prints one JSON object.

    python -m benchmarks.audit URL... [--seconds 3] [--processes 2] [--entries 1000000]

Each URL is measured with 32 writers a process that hold a mail (a row, its indexes and an audit entry, as a reception
does), and with the same writers without the entry. Databases and paths should be new and empty.
"""

import argparse
import asyncio
import itertools
import json
import os
import sys
import time
from pathlib import Path

from benchmarks.store_kv import WRITERS, rate
from store.audit import chain
from store.audit.verify import verify_all
from store.blob.view import Blobs
from store.changes.announce import Announcer
from store.changes.engine import Store, StoreTxn
from store.kv.opening import check_url, has_rivals, open_kv
from store.quarantine import held
from store.quarantine.held import HELD, Held, HeldCopy

AT_ONCE = 1_000  #: entries written in one transaction, to have many soon


async def open_store(url: str) -> Store:
    kv = await open_kv(url)
    return Store(kv, Blobs(kv), Announcer(), seals_later=has_rivals(url))


async def hold_mails(url: str, seconds: float, *, audited: bool) -> float:
    """Mails held a second by one process."""
    store = await open_store(url)
    numbers = itertools.count()
    staged = await store.blobs.stage(b"Subject: held\r\n\r\n")

    def hold(txn: StoreTxn, name: str) -> None:
        copies = (HeldCopy("ana@example.com", 1, "", HELD),)
        held.put(txn, Held(name, staged.id, 1, 2, "spam", 0.9, 5, "eve@e.example", "", "Subject", "why", copies))
        if audited:
            chain.record(txn, 1, chain.PROGRAM, "quarantine.hold", name, "spam 0.900")

    async def one() -> None:
        name = f"{os.getpid()}-{next(numbers)}"
        await store.write(lambda txn: hold(txn, name))

    per_second = await rate(WRITERS, seconds, one)
    await store.close()
    return per_second


async def in_processes(url: str, seconds: float, processes: int, *, audited: bool) -> int:
    command = [sys.executable, "-m", "benchmarks.audit", url, "--seconds", str(seconds), "--child"]
    if audited:
        command.append("--audited")
    children = [
        await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE) for _ in range(processes)
    ]
    return sum([int((await child.communicate())[0]) for child in children])


async def verifying(url: str, entries: int) -> dict[str, float | int]:
    """Write a long chain, then walk it."""
    store = await open_store(url)

    def many(txn: StoreTxn) -> None:
        for number in range(AT_ONCE):
            target = f"id{number}"
            chain.record(txn, number, "ana@example.com", "quarantine.release", target, people=("bob@example.com",))

    started = time.perf_counter()
    for _ in range(entries // AT_ONCE):
        await store.write(many)
    written = time.perf_counter() - started
    before = _memory_mib()
    started = time.perf_counter()
    broken, head = await verify_all(store)
    took = time.perf_counter() - started
    assert broken is None, broken
    await store.close()
    grown = _memory_mib() - before
    return {
        "entries": head.seq,
        "written_s": round(written, 1),
        "verified_s": round(took, 1),
        "entries_verified_a_second": round(head.seq / took),
        "memory_grown_mib": round(grown, 1),
    }


def _memory_mib() -> float:
    """Resident memory of our own; not the pages of the store's file that SQLite maps."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) / 1024


async def measure(urls: list[str], seconds: float, processes: int, entries: int) -> None:
    results: dict[str, object] = {"seconds": seconds, "writers_a_process": WRITERS}
    for url in urls:
        found: dict[str, object] = {}
        for count in sorted({1, processes}):
            plain = await in_processes(url, seconds, count, audited=False)
            audited = await in_processes(url, seconds, count, audited=True)
            found[f"{count}_processes"] = {"held_s": plain, "held_and_audited_s": audited}
        if entries:
            found["chain"] = await verifying(url, entries)
        results[check_url(url)] = found
    print(json.dumps(results, indent=2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("urls", nargs="+")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--entries", type=int, default=0)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--audited", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(round(asyncio.run(hold_mails(given.urls[0], given.seconds, audited=given.audited))))
    else:
        asyncio.run(measure(given.urls, given.seconds, given.processes, given.entries))


if __name__ == "__main__":
    main()
