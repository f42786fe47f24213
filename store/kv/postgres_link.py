"""One connection to PostgreSQL and the statements on it: snapshots read by pages, commits sent in one go.

psycopg and not asyncpg, because a body is a plain function in a thread: psycopg's blocking calls run right
there, while asyncpg lives on an event loop and each of a body's reads would cross to it and back. Measured over
a unix socket: 20 us a point read against 82 us.
"""

import logging
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import psycopg

from store.kv.commit import OutcomeUnknown, Repeatable, TransactionLost
from store.kv.contract import StoreError, StoreUnavailable, WriteTxn
from store.kv.overlay import Pending, Row, run_body

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

_TABLE = "CREATE TABLE IF NOT EXISTS kv(k bytea PRIMARY KEY, v bytea NOT NULL)"
_AS_IT_IS = "ALTER TABLE kv ALTER COLUMN v SET STORAGE EXTERNAL"  # frames of blobs are compressed already
_SESSION = (
    # Every statement here has one good plan, through the index; another would also lock rows it did not ask for.
    "SET enable_seqscan = off",
    "SET enable_bitmapscan = off",
    "SET plan_cache_mode = force_generic_plan",
    "SET jit = off",
    "SET statement_timeout = '60s'",
    "SET idle_in_transaction_session_timeout = '120s'",
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
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
_SCAN = "SELECT k,v FROM kv WHERE k>=%b AND k<%b ORDER BY k LIMIT %b"
_SCAN_BACK = "SELECT k,v FROM kv WHERE k>=%b AND k<%b ORDER BY k DESC LIMIT %b"
_KEYS = "SELECT k FROM kv WHERE k>=%b AND k<%b ORDER BY k LIMIT %b"
_PUT = "INSERT INTO kv SELECT * FROM unnest(%b::bytea[],%b::bytea[]) ON CONFLICT(k) DO UPDATE SET v=excluded.v"
_DELETE = "DELETE FROM kv WHERE k=ANY(%b::bytea[])"

_CONFLICTS = {"40001", "40P01"}  # serialisation failure, deadlock
_GONE = {"57P01", "57P02", "57P03", "57P05", "25P03"}  # the server stops, starts, or ended an idle session


def _is_gone(error: psycopg.Error) -> bool:
    state = error.sqlstate
    return state in _GONE or (state or "08").startswith("08")  # without a state the server did not say it


def refusal(error: psycopg.Error) -> StoreError:
    """What callers are told when PostgreSQL refuses, outside of COMMIT."""
    text = " ".join(str(error).split())[:300]
    state = error.sqlstate or ""
    if state in _CONFLICTS:
        return Repeatable(f"other transactions were in the way for too long: {text}")
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) and _is_gone(error):
        return Repeatable(f"PostgreSQL cannot be reached: {text}")
    if state.startswith("XX"):
        return StoreError(f"PostgreSQL found its data damaged: {text}")
    return StoreUnavailable(f"PostgreSQL cannot work now: {text}")


def refusal_of_commit(error: psycopg.Error) -> StoreError:
    """The same for the batch that ends in COMMIT: when the server went silent, nobody knows."""
    if _is_gone(error) or error.sqlstate == "40003":
        text = " ".join(str(error).split())[:300]
        return OutcomeUnknown(f"PostgreSQL went away during a commit, which may or may not have landed: {text}")
    return refusal(error)


class Link:
    """A connection of one thread, made anew when it is lost. Transactions begin with their first statement."""

    def __init__(self, url: str, begin: str) -> None:
        self._url = url
        self._begin = begin
        self._connection: psycopg.Connection[Any] | None = None
        self._has_begun = False

    def connect(self, deadline: float) -> psycopg.Connection[Any]:
        """The connection; waited for with jitter until ``deadline`` (monotonic). Raises StoreUnavailable."""
        while self._connection is None or self._connection.closed:
            self._has_begun = False
            try:
                self._connection = self._open()
            except psycopg.Error as error:
                if time.monotonic() >= deadline or not isinstance(error, psycopg.OperationalError):
                    raise StoreUnavailable(f"PostgreSQL cannot be reached: {' '.join(str(error).split())}") from error
                time.sleep(random.uniform(0.01, _LONGEST_PAUSE_S))
        return self._connection

    def _open(self) -> psycopg.Connection[Any]:
        connection = psycopg.connect(self._url, autocommit=True, prepare_threshold=0, **KEEP_ALIVE)  # type: ignore[arg-type]
        try:
            with connection.pipeline():
                for setting in _SESSION:
                    connection.execute(setting)
        except psycopg.Error:
            connection.close()
            raise
        return connection

    @property
    def _alive(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            raise Repeatable("the connection to PostgreSQL was lost")
        return self._connection

    def ask(self, statement: str, values: Sequence[object]) -> list[Any]:
        """Rows of a statement in the transaction. Raises StoreError."""
        connection = self._alive
        try:
            cursor = connection.cursor(binary=True)
            if self._has_begun:
                return cursor.execute(statement, values).fetchall()
            self._has_begun = True
            with connection.pipeline():
                connection.execute(self._begin)
                cursor.execute(statement, values)
            return cursor.fetchall()
        except psycopg.Error as error:
            raise refusal(error) from error

    def commit(self, statements: Sequence[tuple[str, Sequence[object]]]) -> None:
        """Send the statements and COMMIT together. Raises TransactionLost."""
        if not statements and not self._has_begun:
            return
        try:
            connection = self._alive
        except StoreError as error:
            raise TransactionLost(error) from error
        try:
            with connection.pipeline():
                if not self._has_begun:
                    connection.execute(self._begin)
                self._has_begun = True
                for statement, values in statements:
                    connection.execute(statement, values)
                ended = connection.execute("COMMIT")
        except psycopg.Error as error:
            raise TransactionLost(refusal_of_commit(error)) from error
        if ended.statusmessage != "COMMIT":
            raise TransactionLost(Repeatable("PostgreSQL undid a transaction instead of committing it"))
        self._has_begun = False

    def rollback(self) -> None:
        """End the transaction without its writes; never raises."""
        if not self._has_begun:
            return
        self._has_begun = False
        if self._connection is None:
            return
        try:
            self._connection.execute("ROLLBACK")
        except psycopg.Error:
            self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._has_begun = False


def prepare(url: str, deadline: float) -> None:
    """Make the table if it is not there. Raises StoreError for an old server or somebody else's table."""
    link = Link(url, READ)
    try:
        connection = link.connect(deadline)
        if connection.info.server_version < OLDEST_VERSION:
            raise StoreError(f"PostgreSQL {OLDEST_VERSION // 10_000} or newer is needed")
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


class LinkRows:
    """``store.kv.overlay.Snapshot`` of the transaction on a link."""

    __slots__ = ("_link",)

    def __init__(self, link: Link) -> None:
        self._link = link

    def get(self, key: bytes) -> bytes | None:
        rows = self._link.ask(_GET, (key,))
        return rows[0][0] if rows else None

    def page(self, start: bytes, end: bytes, reverse: bool, rows: int) -> list[Row]:
        return self._link.ask(_SCAN_BACK if reverse else _SCAN, (start, end, rows))

    def keys(self, start: bytes, end: bytes, most: int) -> list[bytes]:
        return [row[0] for row in self._link.ask(_KEYS, (start, end, most))]


class PostgresLedger:
    """``store.kv.commit.Ledger`` on one connection."""

    idle_s: float | None = None

    def __init__(self, link: Link) -> None:
        self._link = link
        self._rows = LinkRows(link)
        self._pending = Pending()

    def begin(self, deadline: float) -> None:
        self._pending = Pending()
        self._link.connect(deadline)

    def run(self, body: Callable[[WriteTxn], Any]) -> Any:
        return run_body(body, self._rows, self._pending, MAX_KEY_OCTETS)

    def commit(self) -> None:
        self._link.commit(_statements(self._pending.rows))
        self._pending = Pending()

    def rollback(self) -> None:
        self._pending = Pending()
        self._link.rollback()

    def tidy(self, *, idle: bool) -> None:
        """Nothing: the server has autovacuum."""

    def close(self) -> None:
        self._link.rollback()
        self._link.close()


def _statements(rows: dict[bytes, bytes | None]) -> list[tuple[str, Sequence[object]]]:
    """The writes as few statements, rows in key order so that two commits seldom lock each other out."""
    statements: list[tuple[str, Sequence[object]]] = []
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
