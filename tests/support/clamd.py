"""A real clamd on loopback with a signature database of one line, so that it starts at once and knows one thing."""

import hashlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.gateway import program

#: The test file of eicar.org, put together here so that scanners leave this source alone.
EICAR = (r"X5O!P%@AP[4\PZX54(P^)7CC)7}" + "$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*").encode()
STREAM_OCTETS = 1024 * 1024  #: what the daemon takes at most

CONF = """
DatabaseDirectory {folder}/db
LocalSocket {folder}/clamd.sock
TCPSocket {port}
TCPAddr 127.0.0.1
Foreground yes
User {user}
StreamMaxLength {octets}
MaxThreads 4
ConcurrentDatabaseReload no
SelfCheck 86400
LogFile {folder}/clamd.log
"""


@dataclass(frozen=True, slots=True)
class Clamd:
    socket: str
    host: str


@contextmanager
def clamd(folder: Path) -> Iterator[Clamd]:
    """The daemon of Debian's clamav-daemon; skips without it, which in CI is a failure."""
    binary = shutil.which("clamd", path="/usr/sbin:/usr/local/sbin") or program("clamd")
    (folder / "db").mkdir(parents=True)
    signature = f"{hashlib.md5(EICAR, usedforsecurity=False).hexdigest()}:{len(EICAR)}:Test.Eicar\n"
    (folder / "db" / "test.hdb").write_text(signature)
    port = _free_port()
    user = Path(folder).owner()
    conf = folder / "clamd.conf"
    conf.write_text(CONF.format(folder=folder, port=port, user=user, octets=STREAM_OCTETS))
    process = subprocess.Popen([binary, "-c", str(conf)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        _wait(process, folder / "clamd.sock")
        yield Clamd(str(folder / "clamd.sock"), f"127.0.0.1:{port}")
    finally:
        process.kill()
        process.communicate()
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(process: "subprocess.Popen[bytes]", path: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            _, said = process.communicate()
            pytest.fail(f"clamd ended: {said.decode()[-2_000:]}")
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(5.0)
            try:
                probe.connect(str(path))
                probe.sendall(b"zPING\0")
                if probe.recv(16) == b"PONG\0":
                    return
            except OSError:
                time.sleep(0.02)
    pytest.fail("clamd does not answer")
