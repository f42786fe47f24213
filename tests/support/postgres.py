"""PostgreSQL servers for tests: clusters of their own, on a unix socket or with TLS, alone or with a standby.

Each is stopped by its process id at the end.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import trustme

_FOLDERS = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]  # where Debian keeps the server
PASSWORD = "a password with / and @"


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
    options: list[str] = field(default_factory=list)  #: "name=value" as in postgresql.conf
    port: int = 0  #: of TCP; 0: it listens on the unix socket only

    def url(self) -> str:
        return f"postgresql://mailward@/postgres?host={self.folder}"

    def new_database(self) -> str:
        """The URL of a place without tables: a schema of its own, because a whole database is slow to make."""
        name = f"t{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}")
        return f"{self.url()}&options=-csearch_path%3D{name}"

    def start(self) -> None:
        postgres = _program("postgres")
        assert postgres is not None
        where = [f"listen_addresses={'127.0.0.1' if self.port else ''}", f"port={self.port or 5432}"]
        options = [part for each in ["max_connections=200", *where, *self.options] for part in ("-c", each)]
        self.process = subprocess.Popen(
            [postgres, "-D", str(self.folder / "data"), "-k", str(self.folder), *options],
            stdout=subprocess.DEVNULL, stderr=(self.folder / "log").open("ab"), user=_user(), cwd=self.folder,
        )  # fmt: skip
        until = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self.own_url()).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > until or self.process.poll() is not None:
                    raise AssertionError((self.folder / "log").read_text()[-2000:]) from None
                time.sleep(0.02)

    def own_url(self) -> str:
        """Over the unix socket, where nobody is asked for a password."""
        return f"{self.url()}&port={self.port or 5432}"

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: SIGINT is its fast shutdown, SIGQUIT its crash."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(30)
            self.process = None

    def die(self) -> None:
        """As when the machine loses its power: every process of the server is killed at once."""
        if self.process is not None:
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            for pid in (self.process.pid, *map(int, children)):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait(30)
            self.process = None

    def ask(self, statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.own_url(), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []


def _user() -> str | None:
    return _unprivileged() if os.geteuid() == 0 else None


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    try:
        user = _user()
        if user is not None:
            shutil.chown(folder, user)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _stopped_at_the_end(server: Server) -> Iterator[Server]:
    try:
        yield server
    finally:
        server.stop(signal.SIGQUIT)  # nothing of it is needed any more


def _run(name: str, folder: Path, *arguments: str) -> None:
    program = _program(name)
    assert program is not None
    done = subprocess.run([program, *arguments], check=False, capture_output=True, user=_user(), cwd=folder, text=True)
    assert done.returncode == 0, done.stderr


@contextmanager
def running(*options: str, port: int = 0) -> Iterator[Server]:
    with _folder() as folder:
        _run("initdb", folder, "-D", str(folder / "data"), "-A", "trust", "-U", "mailward", "-N", "-E", "UTF8",
             "--locale=C")  # fmt: skip
        with _stopped_at_the_end(Server(folder, options=list(options), port=port)) as server:
            server.start()
            yield server


@dataclass(frozen=True, slots=True)
class TlsServer:
    """A server that lets people in over TCP only, with TLS and a password."""

    server: Server
    authority: Path  #: PEM of who signed its certificate

    def url(self, *, password: str = PASSWORD, host: str = "localhost", database: str = "postgres", **more: str) -> str:
        parameters = {"sslmode": "verify-full", "sslrootcert": str(self.authority), **more}
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        secret = password.replace("@", "%40").replace("/", "%2F").replace(" ", "%20")
        return f"postgresql://mailward:{secret}@{host}:{self.server.port}/{database}?{query}"


@contextmanager
def running_with_tls() -> Iterator[TlsServer]:
    """A server on 127.0.0.1 whose certificate is for "localhost" alone."""
    with running(port=_free_port()) as server:
        authority = trustme.CA()
        certificate = authority.issue_cert("localhost")
        key, chain, roots = (server.folder / name for name in ("key.pem", "chain.pem", "roots.pem"))
        certificate.private_key_pem.write_to_path(str(key))
        certificate.cert_chain_pems[0].write_to_path(str(chain))
        authority.cert_pem.write_to_path(str(roots))
        key.chmod(0o600)
        for file in (key, chain):
            if (user := _user()) is not None:
                shutil.chown(file, user)
        server.ask(f"ALTER USER mailward PASSWORD '{PASSWORD}'")
        server.stop()
        rules = "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n"
        (server.folder / "data" / "pg_hba.conf").write_text(rules)
        server.options += ["ssl=on", f"ssl_cert_file={chain}", f"ssl_key_file={key}"]
        server.start()
        yield TlsServer(server, roots)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Pair:
    """A primary, and a standby that has every commit before it is acknowledged."""

    primary: Server
    standby: Server

    def url(self) -> str:
        """Both, as they are written into a configuration: whichever takes writes is used."""
        hosts = f"{self.primary.folder},{self.standby.folder}"
        return f"postgresql://mailward@/postgres?host={hosts}&target_session_attrs=read-write"

    def take_over(self) -> None:
        """Make the standby the primary; it was set up before there was a standby, so it waits for none."""
        assert self.standby.ask("SELECT pg_promote()") == [(True,)]

    def wait_until_synchronous(self) -> None:
        until = time.monotonic() + 30
        while self.primary.ask("SELECT sync_state FROM pg_stat_replication") != [("sync",)]:
            assert time.monotonic() < until, "the standby does not follow"
            time.sleep(0.02)


@contextmanager
def replicated() -> Iterator[Pair]:
    """A primary with a streaming standby and synchronous replication."""
    with ExitStack() as stack:
        options = ["wal_level=replica", "hot_standby=on", "max_wal_senders=4"]
        primary = stack.enter_context(running(*options))
        folder = stack.enter_context(_folder())
        _run("pg_basebackup", folder, "-h", str(primary.folder), "-U", "mailward", "-D", str(folder / "data"),
             "-R", "-X", "stream", "--checkpoint=fast", "--no-sync", "-d", "application_name=standby")  # fmt: skip
        standby = stack.enter_context(_stopped_at_the_end(Server(folder, options=list(options))))
        standby.start()
        primary.ask("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.ask("SELECT pg_reload_conf()")
        pair = Pair(primary, standby)
        pair.wait_until_synchronous()
        yield pair
