"""How soon it is there and how much room it takes: cold starts, memory after load, installed size. One JSON object.

python -m benchmarks.startup [--runs 5] [--mails 1000] [--venv DIR]
"""

import argparse
import importlib.metadata
import json
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from packaging.requirements import Requirement

from benchmarks import smtp_delivery
from gateway.dns.zone import Zone
from tests.support.gateway import MAILWARD, dns_server, serving, start, stop

OWN = ("gateway", "models", "training", "store", "protocols")


def timed(command: list[str], runs: int) -> dict[str, float]:
    """Medians of a command's CPU and clock time from exec to exit. Raises CalledProcessError on usage errors."""
    cpu: list[float] = []
    wall: list[float] = []
    for _ in range(runs):
        before, begun = os.times(), time.perf_counter()
        done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        if done.returncode > 1:  # 1: it found something
            raise subprocess.CalledProcessError(done.returncode, command)
        wall.append(time.perf_counter() - begun)
        after = os.times()
        cpu.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return {"cpu_ms": round(statistics.median(cpu) * 1000), "wall_ms": round(statistics.median(wall) * 1000)}


def greeting(folder: Path, dns: str, runs: int) -> dict[str, object]:
    """From exec of ``mailward serve`` with one worker to SMTP's 220. The store is there already."""
    with serving(folder, dns):
        pass
    wall: list[float] = []
    cpu: list[float] = []
    for _ in range(runs):
        begun = time.perf_counter()
        gateway = start(folder, folder / "mailward.toml")
        try:
            with socket.create_connection(gateway.listen["smtp"], 30) as client:
                greeted = client.recv(1_000)
            wall.append(time.perf_counter() - begun)
            cpu.append(smtp_delivery.cpu_seconds([gateway.process.pid, *gateway.worker_pids()]))
            if not greeted.startswith(b"220 "):
                raise SystemExit(f"greeted with {greeted!r}")
        finally:
            stop(gateway)
    return {
        "cpu_ms": round(statistics.median(cpu) * 1000),
        "wall_ms": round(statistics.median(wall) * 1000),
        "wall_ms_each": [round(each * 1000) for each in wall],
    }


def memory(folder: Path, dns: str, mails: int) -> dict[str, object]:
    """Resident megabytes of one worker before its first mail and after many."""
    chance = random.Random(1)
    pool = smtp_delivery.paragraphs()
    octets = [smtp_delivery.mail(number, 4_096, chance, pool) for number in range(mails)]
    with serving(folder, dns) as gateway:
        gateway.add_user("ana@example.com")
        fresh = smtp_delivery.resident_mb(gateway.worker_pids())
        loaded = smtp_delivery.load(gateway, octets, 8)
        supervisor = smtp_delivery.resident_mb([gateway.process.pid])
    return {
        "worker_mb_at_start": fresh[0],
        "worker_mb_after_mails": loaded["worker_rss_mb"],
        "mails": mails,
        "supervisor_mb": supervisor[0],
    }


def installed(site_packages: Path) -> dict[str, object]:
    """Megabytes on disk of a fresh environment: all of it."""
    return {"site_packages_mb": _megabytes(site_packages)}


def needed() -> dict[str, object]:
    """Megabytes of what this environment holds of the runtime's requirements, extras and bytecode left out."""
    sizes = {name: _distribution_octets(name) / 1e6 for name in _closure("mailward") - {"mailward"}}
    root = Path(__file__).parent.parent
    sizes["mailward"] = sum(
        file.stat().st_size for name in OWN for file in (root / name).rglob("*") if _is_installed(file)
    ) / 1e6  # fmt: skip
    largest = sorted(sizes, key=lambda name: sizes[name], reverse=True)[:6]
    return {
        "needed_mb": round(sum(sizes.values()), 1),
        "packages": len(sizes),
        "largest_mb": {name: round(sizes[name], 1) for name in largest},
        "mailward_mb": round(sizes["mailward"], 1),
    }


def _closure(root: str) -> set[str]:
    """The distribution and everything that it requires without an extra."""
    found: set[str] = set()
    todo = [root]
    while todo:
        name = re.sub(r"[-_.]+", "-", todo.pop()).lower()
        if name in found:
            continue
        try:
            requires = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        found.add(name)
        for text in requires:
            requirement = Requirement(text)
            extras = requirement.extras or {""}
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                todo.append(requirement.name)
                todo += [r.name for r in _of_extras(requirement.name, extras)]
    return found


def _of_extras(name: str, extras: set[str]) -> list[Requirement]:
    try:
        requires = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    parsed = map(Requirement, requires)
    return [r for r in parsed if r.marker is not None and any(r.marker.evaluate({"extra": e}) for e in extras)]


def _distribution_octets(name: str) -> int:
    files = importlib.metadata.files(name) or []
    paths = (Path(str(file.locate())) for file in files)
    return sum(path.stat().st_size for path in paths if _is_installed(path))


def _is_installed(path: Path) -> bool:
    return path.is_file() and path.suffix != ".pyc"


def _megabytes(folder: Path) -> float:
    done = subprocess.run(["du", "-s", "--block-size=1000", str(folder)], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[0]) / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--mails", type=int, default=1_000, help="before memory is read")
    parser.add_argument("--venv", type=Path, help="a fresh environment with nothing but mailward installed")
    given = parser.parse_args()
    steps: dict[str, Callable[[], dict[str, object]]] = {}
    zone = Zone.of({"partner.example": {"TXT": ["v=spf1 -all"]}})
    with tempfile.TemporaryDirectory() as made, dns_server(zone) as dns:
        folder = Path(made)
        mail = folder / "mail.eml"
        mail.write_bytes(smtp_delivery.mail(1, 4_096, random.Random(1), smtp_delivery.paragraphs()))
        (folder / "served").mkdir()
        (folder / "loaded").mkdir()
        steps["serve_to_greeting"] = lambda: greeting(folder / "served", dns, given.runs)
        steps["scan_one_mail"] = lambda: {**timed([*MAILWARD, "scan", str(mail)], given.runs)}
        steps["help"] = lambda: {**timed([*MAILWARD, "--help"], given.runs)}
        steps["python_alone"] = lambda: {**timed([sys.executable, "-c", ""], given.runs)}
        steps["memory"] = lambda: memory(folder / "loaded", dns, given.mails)
        steps["disk"] = needed if given.venv is None else lambda: installed(_site_packages(given.venv))
        print(json.dumps({"benchmark": "startup", **{name: step() for name, step in steps.items()}}, indent=2))


def _site_packages(venv: Path) -> Path:
    found = sorted(venv.glob("lib/python3*/site-packages"))
    if not found:
        raise SystemExit(f"{venv} is not a virtual environment")
    return found[0]


if __name__ == "__main__":
    main()
