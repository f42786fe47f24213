"""A PostgreSQL server for tests: a cluster of its own on a unix socket, stopped by its process id at the end."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

_FOLDERS = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]  # where Debian keeps the server


def missing() -> str | None:
    """Why no server can be started; None when one can."""
    if _program("initdb") is None:
        return "PostgreSQL's server is not installed (apt-get install postgresql)"
    if os.geteuid() == 0 and _unprivileged() is None:
        return "PostgreSQL refuses to run as root, and there is no user postgres or nobody"
    return None


def _program(name: str) -> str | None:
    return shutil.which(name, path=os.pathsep.join([*map(str, _FOLDERS), os.environ.get("PATH", "")]))


def _unprivileged() -> str | None:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    return None


@dataclass(slots=True)
class Server:
    """A running cluster. The folder's name is short: a unix socket's path has a limit."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None

    def url(self) -> str:
        return f"postgresql://mailward@/postgres?host={self.folder}"

    def new_database(self) -> str:
        """The URL of a place without tables: a schema of its own, because a whole database is slow to make."""
        name = f"t{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}")  # type: ignore[call-overload]
        return f"{self.url()}&options=-csearch_path%3D{name}"

    def start(self) -> None:
        postgres = _program("postgres")
        assert postgres is not None
        self.process = subprocess.Popen(
            [postgres, "-D", str(self.folder / "data"), "-k", str(self.folder), "-c", "listen_addresses=",
             "-c", "max_connections=200"],
            stdout=subprocess.DEVNULL, stderr=(self.folder / "log").open("ab"), user=_user(), cwd=self.folder,
        )  # fmt: skip
        until = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self.url()).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > until or self.process.poll() is not None:
                    raise AssertionError((self.folder / "log").read_text()[-2000:]) from None
                time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: SIGINT is its fast shutdown, SIGQUIT its crash."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(30)
            self.process = None


def _user() -> str | None:
    return _unprivileged() if os.geteuid() == 0 else None


@contextmanager
def running() -> Iterator[Server]:
    initdb = _program("initdb")
    assert initdb is not None
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    user = _user()
    if user is not None:
        shutil.chown(folder, user)
    server = Server(folder)
    try:
        subprocess.run(
            [initdb, "-D", str(folder / "data"), "-A", "trust", "-U", "mailward", "-N", "-E", "UTF8", "--locale=C"],
            check=True, capture_output=True, user=user, cwd=folder,
        )  # fmt: skip
        server.start()
        yield server
    finally:
        server.stop(signal.SIGQUIT)  # nothing of it is needed any more
        shutil.rmtree(folder, ignore_errors=True)
