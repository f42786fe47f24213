"""The database behind the double of FoundationDB's binding (``tests/support/fdb_double.py``).

Versions that advance with a clock, rows with their history, the ranges every commit wrote, watches, and the faults
a test asks for.
"""

import threading
import time
from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

Keys = tuple[bytes, bytes]  #: a range: from the first key to before the second

VERSIONS_A_SECOND = 1_000_000
LIFE_VERSIONS = 5 * VERSIONS_A_SECOND
_NAMES = {
    1007: "Transaction is too old to perform reads or be committed",
    1009: "Request for future version",
    1020: "Transaction not committed due to conflict with another transaction",
    1021: "Transaction may or may not have committed",
    1025: "Operation aborted because the transaction was cancelled",
    1031: "Operation aborted because the transaction timed out",
    1037: "Storage process does not have recent mutations",
    2101: "Transaction exceeds byte limit",
    2102: "Key length exceeds limit",
    2103: "Value length exceeds limit",
}


class FDBError(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code

    @property
    def description(self) -> str:
        return _NAMES.get(self.code, "error")

    def __str__(self) -> str:
        return f"{self.description} ({self.code})"


class Future:
    """Ready when made, unless it is a watch."""

    def __init__(self, value: Any = None, error: int | None = None, is_ready: bool = True) -> None:
        self._value, self._error = value, error
        self._ready = threading.Event()
        self._callbacks: list[Callable[[Any], None]] = []
        self._lock = threading.Lock()
        if is_ready:
            self._ready.set()

    def wait(self) -> Any:
        if not self._ready.wait(60):
            raise AssertionError("a real client would wait for ever")
        if self._error is not None:
            raise FDBError(self._error)
        return self._value

    @property
    def value(self) -> Any:
        return self.wait()

    def is_ready(self) -> bool:
        return self._ready.is_set()

    def on_ready(self, callback: Callable[[Any], None]) -> None:
        with self._lock:
            if not self._ready.is_set():
                self._callbacks.append(callback)
                return
        callback(self)

    def settle(self, error: int | None = None) -> None:
        with self._lock:
            if self._ready.is_set():
                return
            self._error = error
            self._ready.set()
        for callback in self._callbacks:
            callback(self)

    def cancel(self) -> None:
        self.settle(1101)


class Sent(Protocol):
    """A transaction that was sent to be committed."""

    reads: list[Keys]
    writes: list[Keys]

    def version(self) -> int:
        """What it has read at."""
        ...

    def apply(self, version: int) -> None:
        """Make its writes those of ``version``."""
        ...


@dataclass(slots=True)
class Faults:
    """What goes wrong, in the order in which it is asked for; each once."""

    reads: deque[int] = field(default_factory=deque)  #: codes for reads
    #: For commits: a code, 0 for none; or how an answer gets lost: it "landed", is "lost" for ever, or is "late", still
    #: on its way.
    commits: deque[int | str] = field(default_factory=deque)
    lost_code: int = 1021  #: what the client says of an answer that was lost
    is_away: bool = False  #: nothing is answered before a timeout


class Cluster:
    """The rows, their history and who wrote when."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.most_retries = 0  #: of one transaction, whose back-off grew that often
        self.lock = threading.RLock()
        self.faults = Faults()
        self.backoffs = 0  #: how often a client was told to wait and try again
        self.commits = 0  #: transactions that wrote something
        self.watches: list[tuple[bytes, bytes | None, Future]] = []
        self.late: list[Sent] = []  #: commits on their way
        self._keys: list[bytes] = []
        self._history: dict[bytes, list[tuple[int, bytes | None]]] = {}
        self._written: list[tuple[int, list[Keys]]] = []
        self._version = 0
        self._started = clock()

    def now(self) -> int:
        """The version a new transaction reads at."""
        self._version = max(self._version, int((self.clock() - self._started) * VERSIONS_A_SECOND))
        return self._version

    def get(self, key: bytes, version: int) -> bytes | None:
        entries = self._history.get(key, [])
        at = bisect_right(entries, version, key=lambda entry: entry[0])
        return entries[at - 1][1] if at else None

    def written_at(self, key: bytes) -> int:
        """The version of the last commit that wrote this key."""
        return self._history[key][-1][0]

    def between(self, begin: bytes, end: bytes) -> list[bytes]:
        """Keys that are there, or were."""
        return self._keys[bisect_left(self._keys, begin) : bisect_left(self._keys, end)]

    def is_disturbed(self, reads: list[Keys], version: int) -> bool:
        """Whether somebody has written into these ranges since ``version``."""
        at = bisect_right(self._written, version, key=lambda entry: entry[0])
        singles = {begin for _, ranges in self._written[at:] for begin, end in ranges if end == begin + b"\x00"}
        wide = [each for _, ranges in self._written[at:] for each in ranges if each[1] != each[0] + b"\x00"]
        ordered = sorted(singles)
        for begin, end in reads:
            first = bisect_left(ordered, begin)
            if first < len(ordered) and ordered[first] < end:
                return True
            if any(low < end and begin < high for low, high in wide):
                return True
        return False

    def land(self, transaction: Sent) -> int:
        """Check and apply; the commit's version. Raises FDBError."""
        with self.lock:
            version = self.now()
            if version - transaction.version() > LIFE_VERSIONS:
                raise FDBError(1007)
            if self.is_disturbed(transaction.reads, transaction.version()):
                raise FDBError(1020)
            version = self._version = version + 1
            transaction.apply(version)
            self._written.append((version, transaction.writes))
            while self._written[0][0] < version - 2 * LIFE_VERSIONS:
                del self._written[0]
            self.commits += 1
            self.fire()
            return version

    def store(self, key: bytes, value: bytes | None, version: int) -> None:
        if key not in self._history:
            insort(self._keys, key)
            self._history[key] = []
        self._history[key].append((version, value))

    def fire(self) -> None:
        for watch in list(self.watches):
            key, before, future = watch
            if future.is_ready() or self.get(key, self._version) != before:
                self.watches.remove(watch)
                future.settle()

    def deliver_late(self) -> list[int]:
        """Let the commits that are on their way arrive; 0 or the error each one ends with."""
        ends = []
        for transaction in self.late:
            try:
                self.land(transaction)
                ends.append(0)
            except FDBError as error:
                ends.append(error.code)
        self.late.clear()
        return ends

    def lose_watches(self, code: int = 1101) -> None:
        """As when the connection to a storage server is lost."""
        with self.lock:
            lost, self.watches = self.watches, []
        for _, _, future in lost:
            future.settle(code)
