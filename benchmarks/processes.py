"""Processes under measurement: on which core they run, what CPU time they take, and that they end."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """What starts inside runs on this core only; the caller goes back to where it was."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cores() -> tuple[int, int]:
    """A core for the server and one for its client: the same one when there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


def free_port() -> int:
    """A loopback port that was free a moment ago, for programs that cannot pick one themselves."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(command: Sequence[str], log: Path, core: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server in the foreground on one core; told to end, and waited for, when the block ends."""
    with log.open("ab") as output, on_core(core):
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def await_port(port: int, process: subprocess.Popen[bytes], log: Path, seconds: float = 60) -> None:
    """Return once something listens. Raises RuntimeError when the process ended or the time is over."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"{process.args!r} does not listen: {log.read_text('utf-8', 'replace')[-2000:]}")


def tree(roots: Sequence[int]) -> set[int]:
    """The processes and all their descendants."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:  # it ended meanwhile
                continue
    found = set(roots)
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def cpu_seconds(pids: Sequence[int]) -> float:
    """User and system time of the processes, their descendants, and the children they waited for."""
    total = 0
    for pid in tree(pids):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15]))
    return total / TICK


def resident_mb(pids: Sequence[int]) -> float:
    """Resident memory of the processes and their descendants; shared pages count in each."""
    page = os.sysconf("SC_PAGE_SIZE")
    return round(sum(int(Path(f"/proc/{p}/statm").read_text().split()[1]) * page for p in tree(pids)) / 1e6, 1)


def busy_seconds(core: int) -> float:
    """What a core has worked so far, for everybody."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name == f"cpu{core}":
            idle = int(fields[3]) + int(fields[4])
            return (sum(map(int, fields[:8])) - idle) / TICK
    return 0.0


@dataclass(frozen=True, slots=True)
class Measured:
    """One filter over all mails."""

    mails: int
    wall_s: float
    cpu_s: float
    others_s: float  #: what else ran on the server's core meanwhile
    flagged: int  #: mails it calls spam: a filter that does nothing would be fast, too

    @property
    def cpu_ms(self) -> float:
        return self.cpu_s / self.mails * 1000

    @property
    def mails_s(self) -> float:
        return self.mails / self.wall_s

    def as_json(self) -> dict[str, object]:
        return {
            "mails": self.mails,
            "cpu_ms_a_mail": round(self.cpu_ms, 2),
            "mails_a_cpu_s": round(self.mails / self.cpu_s, 1),
            "mails_s": round(self.mails_s, 1),
            "core_share_of_others": round(self.others_s / self.wall_s, 2),
            "flagged": self.flagged,
        }


def middle(rounds: Sequence[Measured]) -> Measured:
    """The round with the median CPU time: a neighbour's burst spoils one round, not the result."""
    return sorted(rounds, key=lambda each: each.cpu_s)[len(rounds) // 2]


class Meter:
    """Reads the clocks before and after; ``pids`` are the servers on ``core``."""

    def __init__(self, pids: Sequence[int], core: int) -> None:
        self._pids = pids
        self._core = core
        self._cpu = cpu_seconds(pids)
        self._busy = busy_seconds(core)
        self._start = time.perf_counter()

    def read(self, mails: int, flagged: int) -> Measured:
        wall = time.perf_counter() - self._start
        cpu = cpu_seconds(self._pids) - self._cpu
        others = max(0.0, busy_seconds(self._core) - self._busy - cpu)
        return Measured(mails, wall, cpu, others, flagged)
