"""Whether a commit that nobody answered has landed: found out, and settled for ever.

FoundationDB may lose the answer to a commit (1021 and its like), and its retry loop would run the body twice. So each
writer has a row of its own, its mark. Every commit writes a new value there, and has the mark among what it read.
After a lost answer the mark is read: the value is there, so the commit has landed; or it is not, and then another
value is committed over it, with which the lost one is in conflict wherever it still may be on its way.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from store.kv.commit import OutcomeUnknown, Repeatable
from store.kv.contract import StoreUnavailable
from store.kv.foundationdb_binding import Transaction, code_of
from store.kv.foundationdb_link import Link

_SETTLE_S = 5.0  # at least, whatever of the caller's time is left
_KEPT_MS = 24 * 3600 * 1000  # marks of processes that died are removed after that
_SWEPT = 1_000  # at once
_TOLD = (
    "FoundationDB went away during a commit, which may or may not have landed: look whether it is there before "
    "doing it again"
)


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class Mark:
    """The mark of one writer thread."""

    link: Link
    space: bytes  #: prefix of all marks
    now_ms: Callable[[], int] = _wall_ms
    key: bytes = field(init=False)
    _is_there: bool = False

    def __post_init__(self) -> None:
        self.key = self.space + os.urandom(12)

    def put(self, transaction: Transaction) -> bytes:
        """Make this commit one whose outcome can be told; the value to ask for. Raises FDBError.

        The read version is fixed here, before anything is sent: a later fence is then sure to be a conflict.
        """
        transaction.get_read_version().wait()
        value = self._value()
        transaction.add_read_conflict_key(self.key)  # before the set: of a key already written it would say nothing
        transaction.set(self.key, value)
        self._is_there = True
        return value

    def has_landed(self, value: bytes, deadline: float) -> bool:
        """Whether the commit that put ``value`` landed; if not, it never will. Raises OutcomeUnknown.

        Waits until ``deadline`` (monotonic), but not less than five seconds.
        """
        try:
            transaction = self.link.fresh(max(deadline, time.monotonic() + _SETTLE_S))
        except StoreUnavailable as error:
            raise OutcomeUnknown(f"{_TOLD} ({error})") from error
        while True:
            try:
                if transaction.get(self.key).value == value:
                    return True
                transaction.set(self.key, self._value())  # the fence
                transaction.commit().wait()
            except self.link.binding.FDBError as error:
                self._repeat(transaction, error)  # also when the fence's own answer is lost
            else:
                return False

    def _repeat(self, transaction: Transaction, error: Exception) -> None:
        try:
            transaction.on_error(code_of(error)).wait()
        except self.link.binding.FDBError as final:
            raise OutcomeUnknown(f"{_TOLD} ({final})") from final

    def _value(self) -> bytes:
        return self.now_ms().to_bytes(8, "big") + os.urandom(12)

    def remove(self) -> None:
        """Take the mark away at the end; when that cannot be, a later sweep does it. Never raises."""
        if not self._is_there:
            return
        try:
            transaction = self.link.fresh(time.monotonic() + _SETTLE_S)
            transaction.clear(self.key)
            transaction.commit().wait()
        except (self.link.binding.FDBError, StoreUnavailable):
            pass

    def sweep(self, deadline: float) -> None:
        """Remove the marks of processes that died long ago. Raises StoreUnavailable when there is no cluster."""
        while True:
            try:
                self._sweep(self.link.begin(deadline))
            except self.link.binding.FDBError as error:
                refusal = self.link.refusal(error)
                if not isinstance(refusal, Repeatable) or time.monotonic() >= deadline:
                    raise refusal from error
            else:
                self.link.end()
                return

    def _sweep(self, transaction: Transaction) -> None:
        for pair in transaction.snapshot.get_range(self.space, self.space + b"\xff", _SWEPT):
            if self.now_ms() - int.from_bytes(pair.value[:8], "big") > _KEPT_MS:
                transaction.add_read_conflict_key(pair.key)  # its writer may live, and use it this moment
                transaction.clear(pair.key)
        transaction.commit().wait()
