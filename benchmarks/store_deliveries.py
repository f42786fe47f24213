"""Durable deliveries a second into each backend, beside a bare loop of one fsync a mail on the same disk.

    python -m benchmarks.store_deliveries [--backends sqlite,rocksdb] [--seconds 3] [--folder FOLDER] [--json]

A delivery is what the gateway does once a mail is judged: digest it, compress it, and in one transaction keep the
octets, add the mail to an INBOX with its thread and counters, and write the trace row. It counts when it is durable.
With two processes each has half of the senders. Every figure stands beside the bare loop that ran just before and just
after it: the same mails appended to one file, one fsync each. Give --folder on the disk that the store will live on.
"""

import argparse
import asyncio
import contextlib
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.delivering import Delivery, mails, make_accounts
from store.blob.view import Blobs
from store.changes.announce import Announcer
from store.changes.engine import AccountId, Store
from store.kv.opening import open_kv
from tests.support import postgres

BACKENDS = ("memory", "sqlite", "rocksdb", "postgres")
SHARED = ("sqlite", "postgres")  #: several processes may use one store
ACCOUNTS = 50
FSYNC_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    backend: str
    processes: int
    senders: int  #: of all processes together
    deliveries_s: float
    cpu_ms: float  #: of the delivering processes, for one mail
    p50_ms: float
    p99_ms: float
    fsync_loop_s: float

    @property
    def ratio(self) -> float:
        return self.deliveries_s / self.fsync_loop_s


def fsync_loop(folder: Path, octets: int, seconds: float = FSYNC_SECONDS) -> float:
    """Mails a second when each is appended to one file and followed by an fsync."""
    source = mails(octets, seed=0)
    path = folder / "fsync"
    done = 0
    with path.open("wb", buffering=0) as file:
        started = time.perf_counter()
        while time.perf_counter() - started < seconds:
            file.write(next(source)[1])
            os.fsync(file.fileno())
            done += 1
        rate = done / (time.perf_counter() - started)
    path.unlink()
    return rate


async def deliver_for(url: str, senders: int, seconds: float, octets: int) -> dict[str, object]:
    """What one process does: the delivered count, its clocks, and how long each delivery took."""
    kv = await open_kv(url)
    store = Store(kv, Blobs(kv), Announcer())
    accounts = await make_accounts(store, ACCOUNTS)
    took: list[float] = []
    source = mails(octets, seed=os.getpid())
    with ThreadPoolExecutor(1) as threads:  # as in the gateway: two would take turns at the interpreter
        delivery = Delivery(store, threads)

        async def send(first: int, until: float) -> None:
            number = first
            while (started := time.perf_counter()) < until:
                reception, mail = next(source)
                await delivery.deliver(AccountId(accounts[number % len(accounts)]), reception, mail)
                took.append(time.perf_counter() - started)
                number += senders

        await asyncio.gather(*(send(n, time.perf_counter() + 0.5) for n in range(senders)))  # warm up
        took.clear()
        cpu, started = _cpu_s(), time.perf_counter()
        await asyncio.gather(*(send(n, started + seconds) for n in range(senders)))
        wall, cpu = time.perf_counter() - started, _cpu_s() - cpu
    await store.close()
    return {"deliveries": len(took), "wall_s": wall, "cpu_s": cpu, "took_ms": [round(t * 1000, 2) for t in took]}


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def measure(backend: str, url: str, processes: int, senders: int, given: argparse.Namespace) -> Row:
    before = fsync_loop(given.folder, given.octets)
    if not url.startswith("memory"):
        prepared = await open_kv(url)  # so that two processes do not both make the accounts
        await make_accounts(Store(prepared, Blobs(prepared), Announcer()), ACCOUNTS)
        await prepared.close()
    command = [sys.executable, "-m", "benchmarks.store_deliveries", "--child", url,
               "--senders", str(max(1, senders // processes)), "--seconds", str(given.seconds),
               "--octets", str(given.octets)]  # fmt: skip
    children = [
        await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE) for _ in range(processes)
    ]
    found = [json.loads((await child.communicate())[0]) for child in children]
    after = fsync_loop(given.folder, given.octets)
    took = sorted(ms for each in found for ms in each["took_ms"])
    count = sum(each["deliveries"] for each in found)
    return Row(
        backend=backend,
        processes=processes,
        senders=senders,
        deliveries_s=round(sum(each["deliveries"] / each["wall_s"] for each in found), 1),
        cpu_ms=round(sum(each["cpu_s"] for each in found) / count * 1000, 3),
        p50_ms=statistics.median(took),
        p99_ms=took[int(len(took) * 0.99)],
        fsync_loop_s=round((before + after) / 2, 1),
    )


@contextlib.contextmanager
def urls(backend: str, folder: Path) -> Iterator[Iterator[str]]:
    """New and empty stores of one backend, one after another."""
    if backend == "memory":
        yield iter(lambda: "memory:", "")
    elif backend == "postgres":
        with postgres.running() as server:
            yield iter(server.new_database, "")
    else:
        numbers = iter(range(1_000_000))
        yield iter(lambda: f"{backend}:{folder / f'{backend}{next(numbers)}'}", "")


async def run(given: argparse.Namespace) -> list[Row]:
    rows: list[Row] = []
    for backend in given.backends.split(","):
        if backend == "postgres" and (reason := postgres.missing()):
            print(f"postgres is left out: {reason}", file=sys.stderr)
            continue
        with urls(backend, given.folder) as fresh:
            for processes in given.processes if backend in SHARED else [1]:
                for senders in (s for s in given.senders if s >= processes):
                    rows.append(await measure(backend, next(fresh), processes, senders, given))
                    if not given.json:
                        print(_line(rows[-1]), flush=True)
    return rows


HEAD = f"{'backend':<9}{'processes':>10}{'senders':>8}{'mails/s':>9}{'CPU ms':>8}{'p50 ms':>8}{'p99 ms':>8}" + (
    f"{'fsync/s':>9}{'ratio':>7}"
)


def _line(row: Row) -> str:
    return (
        f"{row.backend:<9}{row.processes:>10}{row.senders:>8}{row.deliveries_s:>9.0f}{row.cpu_ms:>8.2f}"
        f"{row.p50_ms:>8.1f}{row.p99_ms:>8.1f}{row.fsync_loop_s:>9.0f}{row.ratio:>7.2f}"
    )


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure durable deliveries into each backend.")
    parser.add_argument("--backends", default=",".join(BACKENDS))
    parser.add_argument("--senders", type=_numbers, default=[1, 8, 64], help="at once, of all processes together")
    parser.add_argument("--processes", type=_numbers, default=[1, 2])
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--octets", type=int, default=4096, help="of a mail")
    parser.add_argument("--folder", type=Path, help="where to put the stores (default: the temporary folder)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps(asyncio.run(deliver_for(given.child, given.senders[0], given.seconds, given.octets))))
        return
    if not given.json:
        print(HEAD)
    with tempfile.TemporaryDirectory(dir=given.folder) as made:
        given.folder = Path(made)
        rows = asyncio.run(run(given))
    if given.json:
        print(json.dumps({"octets": given.octets, "seconds": given.seconds,
                          "rows": [{**asdict(row), "ratio": round(row.ratio, 2)} for row in rows]}))  # fmt: skip


if __name__ == "__main__":
    main()
