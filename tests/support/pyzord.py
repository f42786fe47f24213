"""A real ``pyzord`` on loopback."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.net.pyzor_client import PyzorClient, PyzorSettings

LAUNCHER = Path(__file__).with_name("pyzord_memory.py")
PYZORD = Path(sys.executable).with_name("pyzord")
ACCESS = "check report ping pong info whitelist : anonymous : allow\n"


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def pyzord(home: Path) -> Iterator[str]:
    """The server of the pyzor package, its data in ``home``; "host:port"."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "pyzord.access").write_text(ACCESS)
    port = free_port()
    command = [sys.executable, str(LAUNCHER), str(PYZORD), "--homedir", str(home), "-a", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        _wait_until_it_answers(port, process)
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.communicate()


def report(server: str, octets: bytes, times: int) -> None:
    """Tell the server several times that a mail is spam, as so many people would."""

    async def run() -> None:
        host, _, port = server.rpartition(":")
        client = PyzorClient(PyzorSettings(servers=((host, int(port)),), timeout_s=5.0, digest_s=20.0))
        for _ in range(times):
            assert (await client.report(octets)).error == ""
        await client.close()

    asyncio.run(run())


def _wait_until_it_answers(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Any datagram gets an answer, if only an error; one that is lost before the server listens is sent again."""
    deadline = time.monotonic() + 30
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("127.0.0.1", port))
        probe.settimeout(0.2)
        while time.monotonic() < deadline:
            if process.poll() is not None:
                _, said = process.communicate()
                pytest.fail(f"pyzord ended: {said.decode()[-2_000:]}")
            try:
                probe.send(b"Op: ping\nThread: 2000\nPV: 2.1\n\n")
                probe.recv(4_096)
                return
            except (TimeoutError, ConnectionRefusedError):
                continue
    pytest.fail("pyzord does not answer")
