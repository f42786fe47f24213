"""One connection to PostgreSQL and the statements on it: snapshots read by pages, commits sent in one go.

psycopg and not asyncpg, because a body is a plain function in a thread: psycopg's blocking calls run right
there, while asyncpg lives on an event loop and each of a body's reads would cross to it and back. Measured over
a unix socket: 20 us a point read against 82 us.
"""

import contextlib
import logging
import os
import random
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from store.kv.commit import OutcomeUnknown, Repeatable, TransactionLost
from store.kv.contract import StoreError, StoreUnavailable, WriteTxn
from store.kv.overlay import Pending, Remembering, Row, run_body
from store.kv.postgres_errors import hopeless, is_gone, refusal, refusal_of_commit, text_of

#: Longest key: an entry of PostgreSQL's index must fit into a third of its page.
MAX_KEY_OCTETS = 2600
OLDEST_VERSION = 150_000
_BYTEA_OID = 17
_LOCK = 0x4D574152  # "MWAR": the advisory lock under which the table is made
_STATEMENT_OCTETS = 8 << 20  # of values in one INSERT
_LONGEST_PAUSE_S = 0.5  # between two attempts to connect

# A conflict ends a batch before its end, which is ordinary here and not worth psycopg's warning.
logging.getLogger("psycopg").setLevel(logging.ERROR)

WRITE = "BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE"
READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_NEXT = "COMMIT AND CHAIN"  # ends a transaction that only read, and begins one of its kind

_TABLE = "CREATE TABLE IF NOT EXISTS kv(k bytea PRIMARY KEY, v bytea NOT NULL)"
_AS_IT_IS = "ALTER TABLE kv ALTER COLUMN v SET STORAGE EXTERNAL"  # frames of blobs are compressed already
_SESSION = (
    # Every statement here has one good plan, through the index; another would also lock rows it did not ask for.
    "SET enable_seqscan = off",
    "SET enable_bitmapscan = off",
    "SET plan_cache_mode = force_generic_plan",
    "SET jit = off",
    "SET statement_timeout = '25s'",
    "SET idle_in_transaction_session_timeout = '120s'",
    "SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')",
)
KEEP_ALIVE: dict[str, str | int] = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    "fallback_application_name": "mailward",
}

_GET = "SELECT v FROM kv WHERE k=%b"
_GET_MANY = "SELECT k,v FROM kv WHERE k=ANY(%b::bytea[])"
_SCAN = "SELECT k,v FROM kv WHERE k>=%b AND k<%b ORDER BY k LIMIT %b"
_SCAN_BACK = "SELECT k,v FROM kv WHERE k>=%b AND k<%b ORDER BY k DESC LIMIT %b"
_KEYS = "SELECT k FROM kv WHERE k>=%b AND k<%b ORDER BY k LIMIT %b"
_PUT = "INSERT INTO kv SELECT * FROM unnest(%b::bytea[],%b::bytea[]) ON CONFLICT(k) DO UPDATE SET v=excluded.v"
_DELETE = "DELETE FROM kv WHERE k=ANY(%b::bytea[])"
_DELETE_RANGES = "DELETE FROM kv USING unnest(%b::bytea[],%b::bytea[]) AS r(s,e) WHERE k>=r.s AND k<r.e"


class Link:
    """A connection of one thread, made anew when it is lost. Transactions begin with their first statement."""

    def __init__(self, url: str, begin: str) -> None:
        self._where = where_of(url)
        self._begin = begin
        self._connection: psycopg.Connection[Any] | None = None
        self._has_begun = False
        self._is_left = False  #: an earlier transaction is still to be ended, together with the next one's begin
        self._asked: float | None = None  #: since when an answer is waited for (monotonic)
        self._asking = threading.Lock()  #: held by whoever looks at the connection from outside its thread
        self._is_unreplicated = False

    def connect(self, deadline: float) -> psycopg.Connection[Any]:
        """The connection; waited for with jitter until ``deadline`` (monotonic). Raises StoreUnavailable."""
        why = "the caller has waited for too long already"
        while self._connection is None or self._connection.closed:
            self._has_begun = self._is_left = False
            if time.monotonic() >= deadline:
                raise StoreUnavailable(f"PostgreSQL cannot be reached: {why}")
            try:
                self._connection = self._open()
            except psycopg.Error as error:
                why = text_of(error)
                time.sleep(random.uniform(0.01, _LONGEST_PAUSE_S))
        return self._connection

    def try_connect(self) -> None:
        """Connect now. Raises psycopg.Error."""
        self._connection = self._open()

    def _open(self) -> psycopg.Connection[Any]:
        connection = psycopg.connect(self._where, autocommit=True, prepare_threshold=0, **KEEP_ALIVE)  # type: ignore[arg-type]
        try:
            with connection.pipeline():
                for setting in _SESSION:
                    connection.execute(setting)
        except psycopg.Error:
            connection.close()
            raise
        connection.add_notice_handler(self._notice)
        return connection

    def _notice(self, notice: psycopg.errors.Diagnostic) -> None:
        """A person told the server to stop waiting for its standby: the commit is said to be done, and is not safe."""
        if notice.source_function == "SyncRepWaitForLSN":
            self._is_unreplicated = True

    @property
    def _alive(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            raise Repeatable("the connection to PostgreSQL was lost")
        return self._connection

    @contextmanager
    def _watched(self) -> Iterator[None]:
        self._asked = time.monotonic()
        try:
            yield
        finally:
            with self._asking:
                self._asked = None

    def hang_up(self, silent_s: float) -> bool:
        """End the connection from another thread when the server has not answered for so long; whether it was.

        A server that is stopped, or that waits for a standby that is gone, keeps the connection and says nothing.
        """
        with self._asking:
            if self._asked is None or time.monotonic() - self._asked < silent_s or self._connection is None:
                return False
            with (
                contextlib.suppress(OSError, psycopg.Error),
                socket.socket(fileno=os.dup(self._connection.fileno())) as line,
            ):
                line.shutdown(socket.SHUT_RDWR)
        return True

    def ask(self, statement: str, values: Sequence[object]) -> list[Any]:
        """Rows of a statement in the transaction. Raises StoreError."""
        connection = self._alive
        try:
            with self._watched():
                cursor = connection.cursor(binary=True)
                if self._has_begun:
                    return cursor.execute(statement, values).fetchall()
                self._has_begun = True
                begin = _NEXT if self._is_left else self._begin
                self._is_left = False
                with connection.pipeline():
                    connection.execute(begin)
                    cursor.execute(statement, values)
                return cursor.fetchall()
        except psycopg.Error as error:
            if is_gone(error):
                self.close()
            raise refusal(error) from error

    def commit(self, statements: Sequence[tuple[str, Sequence[object]]]) -> None:
        """Send the statements and COMMIT together. Raises TransactionLost."""
        if not statements and not self._has_begun:
            return
        try:
            connection = self._alive
            if _has_something_to_say(connection):
                self.ask("SELECT 1", ())  # if it only said goodbye, nothing was sent yet, and all may run again
        except StoreError as error:
            raise TransactionLost(error) from error
        self._is_unreplicated = False
        try:
            with self._watched(), connection.pipeline():
                if not self._has_begun:
                    connection.execute(self._begin)
                self._has_begun = True
                for statement, values in statements:
                    connection.execute(statement, values)
                ended = connection.execute("COMMIT")
        except psycopg.Error as error:
            if is_gone(error):
                self.close()
            raise TransactionLost(refusal_of_commit(error)) from error
        if ended.statusmessage != "COMMIT":
            raise TransactionLost(Repeatable("PostgreSQL undid a transaction instead of committing it"))
        self._has_begun = False
        if self._is_unreplicated:
            why = "a commit is on the primary only: its wait for the standby was cancelled"
            raise TransactionLost(OutcomeUnknown(why))

    def leave(self) -> None:
        """Be done with a transaction that only read; the next one ends it on the way. Call only when there is one."""
        self._is_left, self._has_begun = self._is_left or self._has_begun, False

    def rollback(self) -> None:
        """End the transaction without its writes; never raises."""
        if not self._has_begun and not self._is_left:
            return
        self._has_begun = self._is_left = False
        if self._connection is None:
            return
        try:
            with self._watched():
                # Where nothing can have been written it is the same; after a ROLLBACK psycopg prepares all anew.
                self._connection.execute("COMMIT" if self._begin == READ else "ROLLBACK")
        except psycopg.Error:
            self.close()

    def close(self) -> None:
        if self._connection is not None:
            with self._asking:
                self._connection.close()
                self._connection = None
        self._has_begun = self._is_left = False


def _has_something_to_say(connection: psycopg.Connection[Any]) -> bool:
    """Whether the server has written although it was not asked anything: as a rule, that it ends the connection."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def where_of(url: str) -> str:
    """The connection string; of several hosts the one that takes writes, unless the URL says otherwise."""
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        raise hopeless(error) or StoreError(text_of(error)) from error
    if "," in str(parts.get("host", "")):
        parts.setdefault("target_session_attrs", "read-write")
    return make_conninfo("", **parts)


def prepare(url: str, deadline: float) -> None:
    """Make the table if it is not there. Raises StoreError for an old server or somebody else's table.

    A server that is not there yet is waited for; one that will never let us in is told at once.
    """
    link = Link(url, READ)
    try:
        connection = _first(link, deadline)
        if connection.info.server_version < OLDEST_VERSION:
            has, needed = connection.info.server_version // 10_000, OLDEST_VERSION // 10_000
            raise StoreError(f"this server is PostgreSQL {has}; Mailward needs {needed} or newer")
        with connection.transaction():  # two processes may open a new database at the same moment
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            if connection.execute("SELECT to_regclass('kv') IS NULL").fetchone() == (True,):
                connection.execute(_TABLE)
                connection.execute(_AS_IT_IS)
        columns = connection.execute("SELECT * FROM kv LIMIT 0").description or []
        if [(column.name, column.type_code) for column in columns] != [("k", _BYTEA_OID), ("v", _BYTEA_OID)]:
            raise StoreError("this database has a table kv that is not a Mailward store")
    except psycopg.Error as error:
        raise refusal(error) from error
    finally:
        link.close()


def _first(link: Link, deadline: float) -> psycopg.Connection[Any]:
    """The first connection of a process. Raises StoreError at once when waiting cannot help."""
    try:
        link.try_connect()
    except psycopg.Error as error:
        told = hopeless(error)
        if told is not None:
            raise told from error
    return link.connect(deadline)


class LinkRows:
    """``store.kv.overlay.Snapshot`` of the transaction on a link."""

    __slots__ = ("_link",)

    def __init__(self, link: Link) -> None:
        self._link = link

    def get(self, key: bytes) -> bytes | None:
        rows = self._link.ask(_GET, (key,))
        return rows[0][0] if rows else None

    def many(self, keys: list[bytes]) -> list[Row]:
        return self._link.ask(_GET_MANY, (keys,))

    def page(self, start: bytes, end: bytes, reverse: bool, rows: int) -> list[Row]:
        return self._link.ask(_SCAN_BACK if reverse else _SCAN, (start, end, rows))

    def keys(self, start: bytes, end: bytes, most: int) -> list[bytes]:
        return [row[0] for row in self._link.ask(_KEYS, (start, end, most))]


def remembering(link: Link) -> Remembering:
    rows = LinkRows(link)
    return Remembering(rows, rows.many)


class PostgresLedger:
    """``store.kv.commit.Ledger`` on one connection."""

    idle_s: float | None = None

    def __init__(self, link: Link) -> None:
        self._link = link
        self._rows = remembering(link)
        self._pending = Pending(by_range=True)

    def begin(self, deadline: float) -> None:
        self._rows = remembering(self._link)
        self._pending = Pending(by_range=True)
        self._link.connect(deadline)

    def run(self, body: Callable[[WriteTxn], Any]) -> Any:
        return run_body(body, self._rows, self._pending, MAX_KEY_OCTETS)

    def commit(self) -> None:
        self._link.commit(_statements(self._pending))
        self._pending = Pending(by_range=True)

    def rollback(self) -> None:
        self._pending = Pending(by_range=True)
        self._link.rollback()

    def tidy(self, *, idle: bool) -> None:
        """Nothing: the server has autovacuum."""

    def close(self) -> None:
        self._link.rollback()
        self._link.close()


def _statements(pending: Pending) -> list[tuple[str, Sequence[object]]]:
    """The writes as few statements, rows in key order so that two commits seldom lock each other out."""
    statements: list[tuple[str, Sequence[object]]] = []
    rows = pending.rows
    if pending.ranges:
        ranges = sorted(pending.ranges)
        statements.append((_DELETE_RANGES, ([start for start, _ in ranges], [end for _, end in ranges])))
    keys: list[bytes] = []
    values: list[bytes] = []
    octets = 0
    for key, value in sorted(rows.items()):
        if value is None:
            continue
        keys.append(key)
        values.append(value)
        octets += len(value)
        if octets >= _STATEMENT_OCTETS:
            statements.append((_PUT, (keys, values)))
            keys, values, octets = [], [], 0
    if keys:
        statements.append((_PUT, (keys, values)))
    gone = sorted(key for key, value in rows.items() if value is None)
    if gone:
        statements.append((_DELETE, (gone,)))
    return statements
