"""One thread's FoundationDB transaction: its reads as snapshots, its errors as what callers should do.

An attempt that FoundationDB wants repeated goes on in the same transaction object, because the binding's back-off
grows in there.
"""

import time
from collections.abc import Callable

from store.kv.commit import Repeatable
from store.kv.contract import StoreError, StoreUnavailable
from store.kv.foundationdb_binding import Binding, Database, Range, Reads, Transaction, code_of
from store.kv.overlay import Row

#: Longest key: FoundationDB's 10,000 octets less the store's prefix.
MAX_KEY_OCTETS = 9_900
#: What one transaction may write and touch, FoundationDB's limit.
MAX_TRANSACTION_OCTETS = 10_000_000
#: How long a transaction may last from its first read to its commit, FoundationDB's limit.
LONGEST_S = 5.0

TOO_OLD, TIMED_OUT, TOO_LARGE = 1007, 1031, 2101
#: After a commit these say that it has not landed and never will; so does every error of the client (2000 to 2999).
_NOT_LANDED = {TOO_OLD, 1009, 1020, 1037, 1038, 1042}

_TOO_LONG = (
    "a transaction took longer than FoundationDB's 5 seconds: read and write less at once, in several transactions"
)


def has_not_landed(error: Exception) -> bool:
    """Whether this error of a commit leaves no doubt."""
    code = code_of(error)
    return code in _NOT_LANDED or 2000 <= code < 3000


def too_large(octets: int, rows: int) -> StoreError:
    """What to tell whoever wrote too much at once."""
    return StoreError(
        f"a transaction of {rows} rows and {octets} octets is over what FoundationDB takes at once "
        f"({MAX_TRANSACTION_OCTETS} octets, with the keys it read): write fewer rows in one transaction"
    )


def bound(key: bytes) -> bytes:
    """The same bound of a range without being longer than a key may be: no key that there can be lies between."""
    return key if len(key) <= MAX_KEY_OCTETS else key[:MAX_KEY_OCTETS] + b"\x00"


class Link:
    """The transaction of one thread."""

    def __init__(self, binding: Binding, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self.binding = binding
        self._database = database
        self._clock = clock
        self._transaction: Transaction | None = None
        self._until = 0.0
        self._begun = 0.0
        self._goes_on = False

    def begin(self, deadline: float) -> Transaction:
        """The transaction for an attempt that may take until ``deadline`` (monotonic), repetitions included."""
        if self._transaction is None or self._until < deadline:
            self._transaction, self._until = self.fresh(deadline), deadline
        self._begun, self._goes_on = self._clock(), False
        return self._transaction

    def fresh(self, deadline: float) -> Transaction:
        """Another transaction beside this thread's own. Raises StoreUnavailable."""
        try:
            transaction = self._database.create_transaction()
            transaction.options.set_timeout(max(1, int((deadline - time.monotonic()) * 1000)))
        except self.binding.FDBError as error:
            raise StoreUnavailable(f"FoundationDB cannot work now: {error}") from error
        return transaction

    def end(self) -> None:
        """Forget the transaction, unless it is to be repeated."""
        if not self._goes_on:
            self._transaction = None

    def refusal(self, error: Exception) -> StoreError:
        """What callers are told; Repeatable, after the back-off, when the binding says so."""
        transaction, self._transaction = self._transaction, None
        if transaction is None:
            return Repeatable("FoundationDB has ended the transaction")
        if code_of(error) == TOO_OLD and self._clock() - self._begun >= LONGEST_S:
            return StoreUnavailable(_TOO_LONG)
        try:
            transaction.on_error(code_of(error)).wait()
        except self.binding.FDBError as final:
            return _told(final)
        self._transaction, self._goes_on = transaction, True
        return Repeatable(f"FoundationDB could not finish a transaction in time: {error}")


def _told(error: Exception) -> StoreError:
    """What callers are told about an error that repeating does not help."""
    code = code_of(error)
    if code == TIMED_OUT:
        return StoreUnavailable(
            "FoundationDB did not answer in time: see with fdbcli whether the cluster of the cluster file is available"
        )
    if 2000 <= code < 3000:
        return StoreError(f"FoundationDB refused a transaction: {error}")
    return StoreUnavailable(f"FoundationDB cannot work now: {error}")


class LinkRows:
    """``store.kv.overlay.Snapshot`` of a transaction; what it reads can be in a conflict unless ``reads`` says not."""

    __slots__ = ("_link", "_prefix", "_reads")

    def __init__(self, link: Link, reads: Reads, prefix: bytes) -> None:
        self._link = link
        self._reads = reads
        self._prefix = prefix

    def get(self, key: bytes) -> bytes | None:
        if len(key) > MAX_KEY_OCTETS:
            return None
        try:
            return self._reads.get(self._prefix + key).value
        except self._link.binding.FDBError as error:
            raise self._link.refusal(error) from error

    def many(self, keys: list[bytes]) -> list[Row]:
        """Asked for together, so that they cost one round trip."""
        try:
            asked = [(key, self._reads.get(self._prefix + key)) for key in keys if len(key) <= MAX_KEY_OCTETS]
            return [(key, value) for key, future in asked if (value := future.value) is not None]
        except self._link.binding.FDBError as error:
            raise self._link.refusal(error) from error

    def page(self, start: bytes, end: bytes, reverse: bool, rows: int) -> list[Row]:
        cut = len(self._prefix)
        try:
            return [(pair.key[cut:], pair.value) for pair in self._range(start, end, rows, reverse).to_list()]
        except self._link.binding.FDBError as error:
            raise self._link.refusal(error) from error

    def keys(self, start: bytes, end: bytes, most: int) -> list[bytes]:
        """FoundationDB gives no keys without their values: they are dropped batch by batch."""
        cut = len(self._prefix)
        try:
            return [pair.key[cut:] for pair in self._range(start, end, most)]
        except self._link.binding.FDBError as error:
            raise self._link.refusal(error) from error

    def _range(self, start: bytes, end: bytes, rows: int, reverse: bool = False) -> Range:
        mode = self._link.binding.StreamingMode.want_all
        return self._reads.get_range(self._prefix + bound(start), self._prefix + bound(end), rows, reverse, mode)
