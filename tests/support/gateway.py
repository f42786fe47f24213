"""A real gateway in processes of its own, with a real DNS server, for end-to-end tests."""

import asyncio
import json
import os
import shutil
import signal
import smtplib
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.dns.zone import Zone
from gateway.dns.zone_server import serve_zone

PASSWORD = "correct horse battery"
MAILWARD = [sys.executable, "-m", "gateway.main"]

CONFIG = """
[server]
hostname = "mx.example.com"
data = "data"
workers = {workers}

[listen]
smtp = ["127.0.0.1:0"]
imap = ["127.0.0.1:0"]
http = ["127.0.0.1:0"]

[domain."example.com"]
protect = ["Maria Koch <maria@example.com>"]
partners = ["partner.example"]

[traps]
addresses = ["trap@example.com"]

[login]
plaintext_on_loopback = true

[limits]
connections_per_address = 200
{limits}

[smtp]
xclient_from = ["127.0.0.1"]

[dns]
servers = ["{dns}"]
timeout_s = 2.0
{more}
"""


def program(name: str) -> str:
    """Where a program is. Skips the test when it is missing; in CI that is a failure."""
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} is not installed")
        pytest.skip(f"{name} is not installed")
    return found


@dataclass(slots=True)
class Gateway:
    """A running ``mailward serve``."""

    folder: Path
    config: Path
    process: subprocess.Popen[str]
    listen: dict[str, tuple[str, int]]
    log: Path

    def smtp(self) -> smtplib.SMTP:
        return smtplib.SMTP(*self.listen["smtp"], timeout=30)

    def command(
        self, *arguments: str, stdin: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run another ``mailward`` command on the same configuration."""
        return mailward(*arguments, "--config", str(self.config), stdin=stdin, check=check)

    def add_user(self, address: str, *options: str) -> None:
        self.command("user", "add", address, "--password-stdin", *options, stdin=PASSWORD + "\n")

    def worker_pids(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in children]

    def logged(self) -> list[dict[str, Any]]:
        lines = self.log.read_text("utf-8", "replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def failures(self) -> list[dict[str, Any]]:
        """Log lines of errors and exceptions."""
        return [line for line in self.logged() if line.get("level") in ("error", "critical") or "exception" in line]


def mailward(*arguments: str, stdin: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*MAILWARD, *arguments], input=stdin, capture_output=True, text=True, timeout=110, check=False
    )
    if check:
        assert done.returncode == 0, done.stderr + done.stdout
    return done


@contextmanager
def serving(folder: Path, dns: str, *, workers: int = 1, limits: str = "", more: str = "") -> Iterator[Gateway]:
    """Start a gateway in a folder; stopped, and its exit code checked, when the block ends."""
    config = folder / "mailward.toml"
    if not config.exists():
        config.write_text(CONFIG.format(workers=workers, dns=dns, limits=limits, more=more))
    gateway = start(folder, config)
    try:
        yield gateway
    finally:
        stop(gateway)


def start(folder: Path, config: Path) -> Gateway:
    log = folder / "log.jsonl"
    with log.open("a") as errors:
        process = subprocess.Popen(
            [*MAILWARD, "serve", "--json", "--config", str(config)], stdout=subprocess.PIPE, stderr=errors, text=True
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        process.wait(10)
        raise AssertionError(f"mailward serve ended with {process.returncode}: {log.read_text()}")
    listen = json.loads(line)["listen"]
    found = {service: _address(each[0]) for service, each in listen.items()}
    return Gateway(folder, config, process, found, log)


def stop(gateway: Gateway) -> None:
    if gateway.process.poll() is None:
        gateway.process.send_signal(signal.SIGTERM)
    try:
        gateway.process.wait(30)
    except subprocess.TimeoutExpired:
        gateway.process.kill()
        raise
    finally:
        if gateway.process.stdout is not None:
            gateway.process.stdout.close()


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


@contextmanager
def dns_server(zone: Zone) -> Iterator[str]:
    """A real DNS server of a zone over UDP and TCP, in a thread with a loop of its own; "host:port"."""
    ready: list[str] = []
    started, stopping = threading.Event(), threading.Event()

    async def run() -> None:
        async with serve_zone(zone) as served:
            ready.append(f"{served.host}:{served.port}")
            started.set()
            while not stopping.is_set():
                await asyncio.sleep(0.05)

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield ready[0]
    finally:
        stopping.set()
        thread.join(10)
