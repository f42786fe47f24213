"""FoundationDB's binding without FoundationDB: the same names, codes, limits and rules, in this process.

``Double`` is the module ``fdb`` over a ``Cluster``; ``Transaction`` reads one version with its own writes over it,
commits optimistically, and obeys ``on_error``. What is refused is refused when the real client would say so: setters
never raise, commits and reads do. ``tests/contracts/fdb.py`` holds it to the documented rules, and can hold a real
cluster to them as well.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.support.fdb_cluster import LIFE_VERSIONS, Cluster, FDBError, Future, Keys

Change = Callable[[bytes | None], bytes | None]  #: what becomes of a value

MAX_KEY, MAX_VALUE, MAX_TRANSACTION = 10_000, 100_000, 10_000_000
_MUTATION_OCTETS, _RANGE_OCTETS = 48, 32  # what the client counts for each beside keys and values
_RETRYABLE = {1007, 1009, 1020, 1021, 1037, 1038, 1039, 1042, 1051, 1078, 1213}
_MAX_WATCHES = 10_000


@dataclass(frozen=True, slots=True)
class KeyValue:
    key: bytes
    value: bytes


class _Options:
    def __init__(self, transaction: "Transaction") -> None:
        self._transaction = transaction

    def set_timeout(self, param: int) -> None:
        self._transaction.timeout_s = param / 1000 if param else None

    def set_retry_limit(self, param: int) -> None:
        self._transaction.retry_limit = param if param >= 0 else None

    def set_size_limit(self, param: int) -> None:
        if not 32 <= param <= MAX_TRANSACTION:
            raise FDBError(2006)
        self._transaction.size_limit = param


class _Reads:
    """Reads of a transaction; those of a snapshot leave no conflict range."""

    def __init__(self, transaction: "Transaction", is_snapshot: bool) -> None:
        self._transaction = transaction
        self._is_snapshot = is_snapshot

    def get(self, key: bytes) -> Future:
        return self._transaction.answer(lambda: self._transaction.read(key, self._is_snapshot))

    def get_read_version(self) -> Future:
        return self._transaction.answer(self._transaction.version)

    def get_range(
        self, begin: bytes, end: bytes, limit: int = 0, reverse: bool = False, streaming_mode: int = -1
    ) -> "FDBRange":
        return FDBRange(
            self._transaction.answer(
                lambda: self._transaction.read_range((begin, end), limit, reverse, self._is_snapshot)
            )
        )


class FDBRange:
    def __init__(self, future: Future) -> None:
        self._future = future

    def __iter__(self) -> Iterator[KeyValue]:
        return iter(self._future.wait())

    def to_list(self) -> list[KeyValue]:
        return list(self._future.wait())


class Transaction(_Reads):
    def __init__(self, cluster: Cluster) -> None:
        super().__init__(self, is_snapshot=False)
        self.cluster = cluster
        self.snapshot = _Reads(self, is_snapshot=True)
        self.options = _Options(self)
        self.timeout_s: float | None = None
        self.retry_limit: int | None = None
        self.size_limit = MAX_TRANSACTION
        self._made = cluster.clock()
        self._retries = 0
        self._watches: list[tuple[bytes, bytes | None, Future]] = []
        self._restart()

    def _restart(self) -> None:
        self.reads: list[Keys] = []
        self.writes: list[Keys] = []
        self._own: dict[bytes, list[Change]] = {}  #: by key, what happens to it, after the last clearing of it
        self._cleared: list[Keys] = []
        self._stamped: list[tuple[bytes, bytes]] = []
        self._unreadable: list[Keys] = []  #: where stamped keys may come to lie
        self._octets = 0
        self._read_version: int | None = None
        self._deferred: int | None = None
        self._is_committed = False
        for _, _, future in self._watches:
            future.settle(1025)
        self._watches = []

    def reset(self) -> None:
        self._made, self._retries = self.cluster.clock(), 0
        self._restart()

    # Answers

    def answer(self, question: Callable[[], Any]) -> Future:
        """A future of a read."""
        with self.cluster.lock:
            try:
                self._check()
                if self.cluster.faults.reads:
                    raise FDBError(self.cluster.faults.reads.popleft())
                return Future(question())
            except FDBError as error:
                return Future(error=error.code)

    def _check(self) -> None:
        if self._is_committed:
            raise FDBError(2017)
        if self._deferred is not None:
            raise FDBError(self._deferred)
        is_late = self.timeout_s is not None and self.cluster.clock() - self._made >= self.timeout_s
        if is_late or self.cluster.faults.is_away:
            assert self.timeout_s is not None, "a real client would wait for ever"
            raise FDBError(1031)

    def version(self) -> int:
        if self._read_version is None:
            self._read_version = self.cluster.now()
        return self._read_version

    def _version_to_read(self) -> int:
        version = self.version()
        if self.cluster.now() - version > LIFE_VERSIONS:
            raise FDBError(1007)
        return version

    def read(self, key: bytes, is_snapshot: bool) -> bytes | None:
        if key >= b"\xff":
            raise FDBError(2004)
        if len(key) > MAX_KEY:
            return None
        self._version_to_read()
        if not is_snapshot:
            self._note_read((key, key + b"\x00"))
        return self._now_of(key)

    def read_range(self, keys: Keys, limit: int, reverse: bool, is_snapshot: bool) -> list[KeyValue]:
        begin, end = keys
        if begin > b"\xff" or end > b"\xff":
            raise FDBError(2004)
        if begin > end:
            raise FDBError(2005)
        self._version_to_read()
        candidates = sorted(set(self.cluster.between(begin, end)) | {key for key in self._own if begin <= key < end})
        found: list[KeyValue] = []
        for key in reversed(candidates) if reverse else candidates:
            value = self._now_of(key)
            if value is not None:
                found.append(KeyValue(key, value))
            if limit and len(found) == limit:
                begin, end = (key, end) if reverse else (begin, key + b"\x00")
                break
        if not is_snapshot:
            self._note_read((begin, end))
        return found

    def _now_of(self, key: bytes) -> bytes | None:
        if any(begin <= key < end for begin, end in self._unreadable):
            raise FDBError(1036)
        is_cleared = any(begin <= key < end for begin, end in self._cleared)
        value = None if is_cleared else self.cluster.get(key, self._version_to_read())
        for change in self._own.get(key, []):
            value = change(value)
        return value

    def _note_read(self, keys: Keys) -> None:
        """What this transaction has written itself is not read from the database."""
        own = [*self._cleared, *((key, key + b"\x00") for key, ops in self._own.items() if _is_set(ops))]
        for begin, end in _without(keys, sorted(own)):
            self.reads.append((begin, end))
            self._octets += len(begin) + len(end) + _RANGE_OCTETS

    # Changes: the real client keeps their errors for the next answer

    def set(self, key: bytes, value: bytes) -> None:
        def change(_: bytes | None) -> bytes:
            return value

        change.is_set = True  # type: ignore[attr-defined]
        self._change(key, value, change)

    def add(self, key: bytes, param: bytes) -> None:
        def change(before: bytes | None) -> bytes:
            padded = (before or b"")[: len(param)].ljust(len(param), b"\x00")
            total = int.from_bytes(padded, "little") + int.from_bytes(param, "little")
            return (total % (1 << 8 * len(param))).to_bytes(len(param), "little")

        self._change(key, param, change)

    def clear(self, key: bytes) -> None:
        self.clear_range(key, key + b"\x00")

    def clear_range(self, begin: bytes, end: bytes) -> None:
        if begin > end or end > b"\xff":
            self._defer(2005 if begin > end else 2004)
            return
        for key in [key for key in self._own if begin <= key < end]:
            del self._own[key]
        self._cleared.append((begin, end))
        self._note_write((begin, end), len(begin) + len(end))

    def set_versionstamped_key(self, key: bytes, param: bytes) -> None:
        if len(key) < 14 or int.from_bytes(key[-4:], "little") + 14 > len(key):
            self._defer(2000)
            return
        at = int.from_bytes(key[-4:], "little")
        self._stamped.append((key, param))
        self._unreadable.append((key[:at], key[:at] + b"\xff" * 10))
        self._note_write(self._unreadable[-1], len(key) + len(param))

    def _change(self, key: bytes, param: bytes, change: Change) -> None:
        if key >= b"\xff":
            self._defer(2004)
        elif len(key) > MAX_KEY:
            self._defer(2102)
        elif len(param) > MAX_VALUE:
            self._defer(2103)
        else:
            self._own.setdefault(key, []).append(change)
            self._note_write((key, key + b"\x00"), len(key) + len(param))

    def _note_write(self, keys: Keys, octets: int) -> None:
        self.writes.append(keys)
        self._octets += octets + len(keys[0]) + len(keys[1]) + _MUTATION_OCTETS + _RANGE_OCTETS

    def _defer(self, code: int) -> None:
        self._deferred = self._deferred or code

    def add_read_conflict_key(self, key: bytes) -> None:
        self.add_read_conflict_range(key, key + b"\x00")

    def add_read_conflict_range(self, begin: bytes, end: bytes) -> None:
        self._note_read((begin, end))

    def add_write_conflict_range(self, begin: bytes, end: bytes) -> None:
        self.writes.append((begin, end))

    def watch(self, key: bytes) -> Future:
        with self.cluster.lock:
            if len(self.cluster.watches) + len(self._watches) >= _MAX_WATCHES:
                return Future(error=1032)
            try:
                self._check()
                before = self._now_of(key)
            except FDBError as error:
                return Future(error=error.code)
            future = Future(is_ready=False)
            self._watches.append((key, before, future))
            return future

    # The end

    def commit(self) -> Future:
        with self.cluster.lock:
            try:
                self._check()
                if self._octets > self.size_limit:
                    raise FDBError(2101)
                self._is_committed = True
                if self.writes:
                    self._send()
            except FDBError as error:
                for _, _, future in self._watches:
                    future.settle(error.code)
                return Future(error=error.code)
            self.cluster.watches += self._watches
            self._watches = []
            self.cluster.fire()
            return Future()

    def _send(self) -> None:
        faults = self.cluster.faults
        fault = (faults.commits.popleft() if faults.commits else None) or None
        if isinstance(fault, int):
            raise FDBError(fault)
        if fault == "late":
            twin = Transaction(self.cluster)
            twin.reads, twin.writes, twin._own = list(self.reads), list(self.writes), dict(self._own)
            twin._cleared, twin._stamped = list(self._cleared), list(self._stamped)
            twin._read_version = self._read_version  # None: the client is only about to ask for one
            self.cluster.late.append(twin)
        elif fault != "lost":
            self.cluster.land(self)
        if fault is not None:
            raise FDBError(faults.lost_code)

    def apply(self, version: int) -> None:
        """Make the writes those of ``version``."""
        for begin, end in self._cleared:
            for key in self.cluster.between(begin, end):
                if self.cluster.get(key, version) is not None:
                    self.cluster.store(key, None, version)
        for key, changes in self._own.items():
            value = self.cluster.get(key, version)
            for change in changes:
                value = change(value)
            self.cluster.store(key, value, version)
        for key, param in self._stamped:
            at = int.from_bytes(key[-4:], "little")
            stamp = version.to_bytes(8, "big") + b"\x00\x00"
            self.cluster.store(key[:at] + stamp + key[at + 10 : -4], param, version)

    def on_error(self, error: int | FDBError) -> Future:
        code = error.code if isinstance(error, FDBError) else error
        with self.cluster.lock:
            if self.timeout_s is not None and self.cluster.clock() - self._made >= self.timeout_s:
                return Future(error=1031)
            self._retries += 1
            if code not in _RETRYABLE or (self.retry_limit is not None and self._retries > self.retry_limit):
                return Future(error=code)
            self.cluster.backoffs += 1
            self.cluster.most_retries = max(self.cluster.most_retries, self._retries)
            self._restart()
            return Future()


def _is_set(ops: list[Change]) -> bool:
    return any(getattr(op, "is_set", False) for op in ops)


def _without(keys: Keys, holes: list[Keys]) -> Iterator[Keys]:
    """What is left of a range."""
    begin, end = keys
    for low, high in holes:
        if low >= end:
            break
        if high <= begin:
            continue
        if begin < low:
            yield begin, low
        begin = max(begin, high)
    if begin < end:
        yield begin, end


class _StreamingModes:
    want_all, iterator, exact, small, medium, large, serial = -2, -1, 0, 1, 2, 3, 4


class Database:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def create_transaction(self) -> Transaction:
        return Transaction(self._cluster)


class Double:
    """The module ``fdb``: every cluster file names the one cluster."""

    def __init__(self, cluster: Cluster | None = None) -> None:
        self.cluster = cluster or Cluster()
        self.FDBError = FDBError
        self.StreamingMode = _StreamingModes()

    def open(self, cluster_file: str | None = None) -> Database:
        return Database(self.cluster)
