"""rspamd, SpamAssassin and bogofilter as their distributions set them up, taught with the same mail, no network.

Each ``measure_*`` starts the program in a temporary folder on loopback, teaches it, judges all mails and ends it.
"""

import asyncio
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.corpus import Mails, written
from benchmarks.processes import Measured, Meter, await_port, free_port, middle, on_core, running
from gateway.dns.zone import Zone
from tests.support.gateway import dns_server

ROUNDS = 3  #: of all mails, for the filters that take seconds
RSPAMD_IN_FLIGHT = 48
SPAMD_IN_FLIGHT = 2  #: one is judged, one waits, so that its only child never does

#: rspamd's modules that ask hosts elsewhere, or remember mail; its rules stay as the distribution has them.
RSPAMD_OFF = (
    "antivirus",
    "arc",
    "asn",
    "bimi",
    "clickhouse",
    "dcc",
    "dkim",
    "dkim_signing",
    "dmarc",
    "elastic",
    "external_services",
    "fuzzy_check",
    "greylist",
    "hfilter",
    "history_redis",
    "metadata_exporter",
    "metric_exporter",
    "mx_check",
    "neural",
    "p0f",
    "ratelimit",
    "rbl",
    "replies",
    "reputation",
    "rspamd_update",
    "spf",
    "surbl",
    "url_redirector",
)


@dataclass(frozen=True, slots=True)
class Told:
    """What a peer says of one mail."""

    score: float  #: higher is more like spam
    is_spam: bool  #: by its own default threshold


class PeerFailed(Exception):
    """A peer did not answer as it should. The message holds what it said."""


async def _exchange(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        await writer.drain()
        return await reader.read()
    finally:
        writer.close()


async def _all(mails: Sequence[bytes], in_flight: int, ask: Callable[[bytes], Awaitable[bool]]) -> int:
    """Ask about every mail, so many at once; how many answers were True."""
    todo = iter(mails)

    async def lane() -> int:
        return sum([await ask(octets) for octets in todo])

    return sum(await asyncio.gather(*(lane() for _ in range(in_flight))))


def _http(port: int, path: str, octets: bytes, headers: str = "") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n{headers}"
    return f"{head}Content-Length: {len(octets)}\r\n\r\n".encode() + octets


def _rspamd_settings(folder: Path, redis: int, normal: int, controller: int, dns: str) -> None:
    local = folder / "local.d"
    local.mkdir()
    for name in RSPAMD_OFF:
        (local / f"{name}.conf").write_text("enabled = false;\n")
    (local / "redis.conf").write_text(f'servers = "127.0.0.1:{redis}";\n')
    (local / "phishing.conf").write_text("openphish_enabled = false; phishtank_enabled = false;\n")
    (local / "logging.inc").write_text('level = "warning";\n')
    (local / "options.inc").write_text(
        f'dns {{ nameserver = ["{dns}"]; timeout = 0.2s; retransmits = 1; }}\nlocal_addrs = [];\n'
        f'control_socket = "{folder}/control.sock mode=0600";\n'
    )
    (local / "worker-normal.inc").write_text(f'bind_socket = "127.0.0.1:{normal}"; count = 1; max_tasks = 0;\n')
    (local / "worker-controller.inc").write_text(
        f'bind_socket = "127.0.0.1:{controller}"; secure_ip = "127.0.0.1"; count = 1;\n'
    )
    (local / "worker-proxy.inc").write_text("count = 0;\n")


async def _teach_rspamd(controller: int, mails: Mails) -> int:
    """How many mails it learned; it refuses some that it is sure of already."""

    async def learn(octets: bytes, path: str) -> bool:
        return b"HTTP/1.1 200" in (await _exchange(controller, _http(controller, path, octets, "Learn-Type: bulk\r\n")))

    ham = [m.octets for m in mails.train if not m.label.is_unwanted]
    spam = [m.octets for m in mails.train if m.label.is_unwanted]
    learned = await _all(ham, 8, lambda octets: learn(octets, "/learnham"))
    return learned + await _all(spam, 8, lambda octets: learn(octets, "/learnspam"))


@contextmanager
def taught_rspamd(mails: Mails, core: int) -> Iterator[tuple[int, list[int]]]:
    """One worker with its Bayes in redis, both on the core: its port, and its processes."""
    redis, normal, controller = free_port(), free_port(), free_port()
    with tempfile.TemporaryDirectory() as made, dns_server(Zone.of({})) as dns:
        folder = Path(made)
        _rspamd_settings(folder, redis, normal, controller, dns)
        log = folder / "log"
        places = [f"--var={name}={folder}" for name in ("LOCAL_CONFDIR", "DBDIR", "RUNDIR", "LOGDIR")]
        as_root = ["--insecure"] if os.geteuid() == 0 else []
        store = ["redis-server", "--port", str(redis), "--bind", "127.0.0.1", "--save", "", "--dir", made]
        with (
            running(store, log, core) as kept,
            running(["rspamd", "-f", "-c", "/etc/rspamd/rspamd.conf", *as_root, *places], log, core) as server,
        ):
            for port, process in ((redis, kept), (normal, server), (controller, server)):
                await_port(port, process, log)
            if asyncio.run(_teach_rspamd(controller, mails)) < len(mails.train) // 2:
                raise PeerFailed(f"rspamd would not learn: {(folder / 'rspamd.log').read_text()[-2000:]}")
            yield normal, [kept.pid, server.pid]


def measure_rspamd(mails: Mails, core: int) -> Measured:
    """One worker with its Bayes in redis, many mails in flight."""
    with taught_rspamd(mails, core) as (port, pids):
        asyncio.run(_all(mails.test[:20], 4, lambda octets: _ask_rspamd(port, octets)))
        rounds: list[Measured] = []
        for _ in range(ROUNDS):
            meter = Meter(pids, core)
            flagged = asyncio.run(_all(mails.test, RSPAMD_IN_FLIGHT, lambda octets: _ask_rspamd(port, octets)))
            rounds.append(meter.read(len(mails.test), flagged))
        return middle(rounds)


async def rspamd_told(port: int, octets: bytes) -> Told:
    """Its score, and whether its action is at least a header."""
    answer = await _exchange(port, _http(port, "/checkv2", octets))
    score = re.search(rb'"score":\s*(-?[0-9.]+(?:[eE]-?\d+)?)', answer)
    if not answer.startswith(b"HTTP/1.1 200") or score is None:
        raise PeerFailed(f"rspamd answered {answer[:200]!r}")
    flagged = re.search(rb'"action":"(add header|rewrite subject|reject)"', answer) is not None
    return Told(float(score[1]), flagged)


async def _ask_rspamd(port: int, octets: bytes) -> bool:
    return (await rspamd_told(port, octets)).is_spam


@contextmanager
def taught_spamd(mails: Mails, core: int) -> Iterator[tuple[int, list[int]]]:
    """One child, local tests only, Bayes taught and not learning on: its port, and its process."""
    port = free_port()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o777)  # as root it judges as another user
        settings = [f"--cf=bayes_path {made}/bayes", "--cf=bayes_file_mode 0777", "--cf=bayes_auto_learn 0"]
        with written(folder, mails.train) as (ham, spam), on_core(core):
            for kind, of in (("--ham", ham), ("--spam", spam)):
                subprocess.run(
                    ["sa-learn", "--local", "--no-sync", *settings, kind, str(of)], check=True, capture_output=True
                )
            subprocess.run(["sa-learn", "--local", "--sync", *settings], check=True, capture_output=True)
        for file in folder.glob("bayes*"):
            file.chmod(0o777)
        log = folder / "log"
        command = ["spamd", "--local", "--nouser-config", "--max-children=1", "--max-conn-per-child=100000"]
        command += ["--listen=127.0.0.1", f"--port={port}", "--syslog=stderr", *settings]
        with running(command, log, core) as server:
            await_port(port, server, log)
            yield port, [server.pid]


def measure_spamd(mails: Mails, core: int) -> Measured:
    """One child with one mail waiting for it."""
    with taught_spamd(mails, core) as (port, pids):
        asyncio.run(_all(mails.test[:5], 1, lambda octets: _ask_spamd(port, octets)))
        meter = Meter(pids, core)
        flagged = asyncio.run(_all(mails.test, SPAMD_IN_FLIGHT, lambda octets: _ask_spamd(port, octets)))
        return meter.read(len(mails.test), flagged)


async def spamd_told(port: int, octets: bytes) -> Told:
    """Its score, and whether it calls that spam."""
    whole = octets if octets.endswith(b"\n") else octets + b"\n"  # it waits for the end of the last line
    answer = await _exchange(port, b"CHECK SPAMC/1.5\r\nContent-length: %d\r\n\r\n" % len(whole) + whole)
    found = re.search(rb"\r\nSpam: (True|False) ; (-?[0-9.]+) /", answer)
    if b"EX_OK" not in answer[:40] or found is None:
        raise PeerFailed(f"spamd answered {answer[:200]!r}")
    return Told(float(found[2]), found[1] == b"True")


async def _ask_spamd(port: int, octets: bytes) -> bool:
    return (await spamd_told(port, octets)).is_spam


@contextmanager
def taught_bogofilter(mails: Mails, core: int) -> Iterator[Path]:
    """The folder of its database."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        database = folder / "database"
        database.mkdir()
        with written(folder, mails.train) as (ham, spam), on_core(core):
            for kind, of in (("-n", ham), ("-s", spam)):
                names = "\n".join(map(str, sorted(of.iterdir()))).encode()
                subprocess.run(["bogofilter", "-d", str(database), kind, "-b"], input=names, check=True)
        yield database


def measure_bogofilter(mails: Mails, core: int) -> Measured:
    """One process that is told the names of all mails."""
    with taught_bogofilter(mails, core) as database:
        names = filed(database.parent / "test", mails.test)
        meter = Meter([os.getpid()], core)  # our own time, too, until it has ended: next to nothing
        with on_core(core):
            done = subprocess.run(
                ["bogofilter", "-d", str(database), "-T", "-b"], input=names, stdout=subprocess.PIPE, check=False
            )
        lines = done.stdout.decode().splitlines()
        if len(lines) != len(mails.test):
            raise PeerFailed(f"bogofilter answered {len(lines)} of {len(mails.test)} mails")
        return meter.read(len(mails.test), sum(line.split()[-2] == "S" for line in lines))


def filed(folder: Path, mails: Sequence[bytes]) -> bytes:
    """The mails as files; their names, a line each, in the order of the mails."""
    folder.mkdir()
    names = [folder / f"{number:06d}.eml" for number in range(len(mails))]
    for name, octets in zip(names, mails, strict=True):
        name.write_bytes(octets)
    return "\n".join(map(str, names)).encode()


#: Name, programs it needs, and how it is measured.
PEERS: tuple[tuple[str, tuple[str, ...], Callable[[Mails, int], Measured]], ...] = (
    ("rspamd", ("rspamd", "redis-server"), measure_rspamd),
    ("spamd", ("spamd", "sa-learn"), measure_spamd),
    ("bogofilter", ("bogofilter",), measure_bogofilter),
)

_VERSION = {"rspamd": ("rspamd", "--version"), "spamd": ("spamd", "-V"), "bogofilter": ("bogofilter", "-V")}


def missing(programs: Sequence[str]) -> list[str]:
    return [program for program in programs if shutil.which(program) is None]


def version_of(name: str) -> str:
    told = subprocess.run(_VERSION[name], capture_output=True, text=True, check=False)
    found = re.search(r"\d+(?:\.\d+)+", told.stdout + told.stderr)
    return found[0] if found else ""
