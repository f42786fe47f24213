"""What each peer says of every mail, after it was taught; with the time and memory that took."""

import asyncio
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.corpus import Mails
from benchmarks.peers import (
    RSPAMD_IN_FLIGHT,
    SPAMD_IN_FLIGHT,
    Told,
    filed,
    rspamd_told,
    spamd_told,
    taught_bogofilter,
    taught_rspamd,
    taught_spamd,
)
from benchmarks.processes import Meter, on_core, resident_mb

_BOGOFILTER_SPAM = 0.99  #: its default spam_cutoff


@dataclass(frozen=True, slots=True)
class Scores:
    """One filter over all mails of a test, in their order."""

    told: tuple[Told, ...]
    mails_s: float  #: by the clock, on one core
    mails_a_cpu_s: float  #: by its own CPU time
    memory_mb: float  #: resident, of all its processes; shared pages count in each


async def _all_told(
    mails: Sequence[bytes], in_flight: int, ask: Callable[[bytes], Awaitable[Told]]
) -> tuple[Told, ...]:
    found: list[Told | None] = [None] * len(mails)
    todo = iter(enumerate(mails))

    async def lane() -> None:
        for number, octets in todo:
            found[number] = await ask(octets)

    await asyncio.gather(*(lane() for _ in range(in_flight)))
    return tuple(each for each in found if each is not None)


def _asked(mails: Mails, core: int, pids: list[int], in_flight: int, ask: Callable[[bytes], Awaitable[Told]]) -> Scores:
    asyncio.run(_all_told(mails.test[:5], 1, ask))
    meter = Meter(pids, core)
    told = asyncio.run(_all_told(mails.test, in_flight, ask))
    took = meter.read(len(told), 0)
    return Scores(told, took.mails_s, len(told) / took.cpu_s if took.cpu_s else 0.0, resident_mb(pids))


def score_rspamd(mails: Mails, core: int) -> Scores:
    with taught_rspamd(mails, core) as (port, pids):
        return _asked(mails, core, pids, RSPAMD_IN_FLIGHT, lambda octets: rspamd_told(port, octets))


def score_spamassassin(mails: Mails, core: int) -> Scores:
    with taught_spamd(mails, core) as (port, pids):
        return _asked(mails, core, pids, SPAMD_IN_FLIGHT, lambda octets: spamd_told(port, octets))


def score_bogofilter(mails: Mails, core: int) -> Scores:
    """One process for all mails; sixteen digits, so that what it is sure of is ranked, too."""
    with taught_bogofilter(mails, core) as database, tempfile.TemporaryFile() as output:
        names = filed(database.parent / "test", mails.test)
        start = time.perf_counter()
        with on_core(core):
            process = subprocess.Popen(
                ["bogofilter", "-d", str(database), "-TT", "-b"], stdin=subprocess.PIPE, stdout=output
            )
        assert process.stdin is not None
        process.stdin.write(names)
        process.stdin.close()
        memory = _most_resident_mb(process)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - start
        output.seek(0)
        scores = [float(line.split()[-1]) for line in output.read().decode().splitlines()]
    told = tuple(Told(score, score >= _BOGOFILTER_SPAM) for score in scores)
    cpu = usage.ru_utime + usage.ru_stime
    return Scores(told, len(told) / wall, len(told) / cpu if cpu else 0.0, memory)


def _most_resident_mb(process: "subprocess.Popen[bytes]") -> float:
    """Watched until it ends: the kernel's own maximum for a child counts the program that started it, too."""
    most = 0.0
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())
        most = max(most, int(found[1]) / 1000 if found is not None else 0.0)
        time.sleep(0.02)
    return most


#: Name, programs it needs, and how it is asked.
PEERS: tuple[tuple[str, tuple[str, ...], Callable[[Mails, int], Scores]], ...] = (
    ("bogofilter", ("bogofilter",), score_bogofilter),
    ("SpamAssassin", ("spamd", "sa-learn"), score_spamassassin),
    ("rspamd", ("rspamd", "redis-server"), score_rspamd),
)

__all__ = ["PEERS", "Scores"]
