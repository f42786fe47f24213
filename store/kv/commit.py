"""Where callers on event loops meet the store's threads: tickets, an inbox, and the group commit.

A caller leaves a ticket and awaits its future. The writer thread takes what has queued up, runs every body
inside one transaction, commits once, and only then answers: many transactions, one fsync. This file knows
when to begin, commit and give up; what that means to a database is ``Ledger``'s business.
"""

import asyncio
import contextlib
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol

from store.kv.contract import StoreError, StoreUnavailable

_GROUP_ATTEMPTS = 3  # before each body of a group gets its own transaction
_LONGEST_PAUSE_S = 0.1  # between two attempts


@dataclass(slots=True, eq=False)
class Ticket:
    """One queued transaction body and what became of it."""

    body: Callable[[Any], Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    deadline: float  #: monotonic seconds until when a lock may be waited for
    result: Any = None
    error: BaseException | None = None

    @property
    def is_abandoned(self) -> bool:
        """Whether the caller was cancelled, so that a body not yet started need not run."""
        return self.future.cancelled()

    def fail(self, error: BaseException) -> None:
        # A StopIteration cannot be set on a future: its caller would wait for ever.
        self.error = RuntimeError("a transaction body raised StopIteration") if _stops(error) else error
        if self.error is not error:
            self.error.__cause__ = error

    def settle(self) -> None:
        """Answer the caller; on the caller's loop."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


def _pause(attempt: int) -> None:
    time.sleep(random.uniform(0.0, min(0.001 * 2 ** min(attempt, 10), _LONGEST_PAUSE_S)))


def _stops(error: BaseException) -> bool:
    return isinstance(error, StopIteration)


def deliver(tickets: Iterable[Ticket]) -> None:
    """Answer the callers, with one wake-up per event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Ticket]] = {}
    for ticket in tickets:
        by_loop.setdefault(ticket.loop, []).append(ticket)
    for loop, answered in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, answered)


def _settle(tickets: list[Ticket]) -> None:
    for ticket in tickets:
        ticket.settle()


class Inbox:
    """A bounded queue from event loops to threads."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: deque[Ticket] = deque()
        self._changed = threading.Condition()
        self._closed = False

    async def ask(self, body: Callable[[Any], Any], wait_s: float) -> Any:
        """Queue ``body`` and await its result. Raises StoreUnavailable when full or closed."""
        loop = asyncio.get_running_loop()
        ticket = Ticket(body, loop, loop.create_future(), time.monotonic() + wait_s)
        with self._changed:
            if self._closed:
                raise StoreUnavailable("the store is closed")
            if len(self._waiting) >= self._limit:
                raise StoreUnavailable(f"{self._limit} transactions are waiting already")
            self._waiting.append(ticket)
            self._changed.notify()
        return await ticket.future

    def take(self, timeout_s: float | None) -> Ticket | None:
        """The next ticket; None after ``timeout_s`` (None: no limit), or when closed and drained."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed, timeout_s)
            return self._waiting.popleft() if self._waiting else None

    def take_now(self) -> Ticket | None:
        with self._changed:
            return self._waiting.popleft() if self._waiting else None

    @property
    def is_closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Take no more; what is queued will still be served."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class Ledger(Protocol):
    """What the group writer needs of a database; called from one thread only."""

    def begin(self, deadline: float) -> None:
        """Start a transaction that no other can be beside. Raises StoreUnavailable after ``deadline``."""
        ...

    def run(self, body: Callable[[Any], Any]) -> Any:
        """Run one body so that its exception undoes only its own changes. Raises TransactionLost."""
        ...

    def commit(self) -> None:
        """Make everything durable. Raises TransactionLost."""
        ...

    def rollback(self) -> None:
        """Undo everything; never raises."""
        ...

    def tidy(self, *, idle: bool) -> None:
        """Upkeep between transactions, after callers were answered; never raises."""
        ...

    @property
    def idle_s(self) -> float | None:
        """Seconds of quiet after which ``tidy(idle=True)`` is worth calling; None: nothing to tidy."""
        ...

    def close(self) -> None: ...


class Repeatable(StoreUnavailable):
    """Nothing was written, and running the bodies again may help at once: a conflict, a lost connection."""


class OutcomeUnknown(StoreUnavailable):
    """The database was told to commit and did not answer: it may have. Never repeated; the caller is told."""


class TransactionLost(Exception):
    """The database undid the whole transaction; ``error`` is what the callers should see."""

    def __init__(self, error: StoreError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(slots=True)
class GroupStats:
    """Counts since the store was opened."""

    groups: int = 0  #: transactions committed: each is one fsync
    bodies: int = 0  #: bodies those groups held, also the ones that raised
    largest: int = 0  #: most bodies in one group
    lost: int = 0  #: groups the database undid


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class GroupLimits:
    bodies: int  #: most bodies in one transaction
    time_s: float  #: no further body joins a transaction this old
    is_full: Callable[[], bool] = _never  #: whether the transaction has no room for a further body


@dataclass(slots=True)
class GroupWriter:
    """The writer thread: groups what is queued into transactions."""

    inbox: Inbox
    ledger: Ledger
    limits: GroupLimits
    stats: GroupStats = field(default_factory=GroupStats)

    def run(self) -> None:
        """Serve until the inbox is closed and empty."""
        while True:
            first = self.inbox.take(self.ledger.idle_s)
            if first is not None:
                self._serve(first)
                first = None  # a body may hold a whole mail: it goes now, not when the next one comes
                self.ledger.tidy(idle=False)
            elif self.inbox.is_closed:
                break
            else:
                self.ledger.tidy(idle=True)
        self.ledger.close()

    def _serve(self, first: Ticket) -> None:
        group = [first]
        error = self._attempt(group, self.limits)
        for attempt in range(1, _GROUP_ATTEMPTS):
            if not isinstance(error, Repeatable):
                break
            _pause(attempt)
            error = self._attempt(group, self.limits)
        if isinstance(error, OutcomeUnknown):
            for ticket in group:
                ticket.fail(error)
        elif error is not None and (len(group) > 1 or isinstance(error, Repeatable)):
            # One body may have filled the disk for all: each gets its own transaction, and its own answer.
            for ticket in group:
                self._serve_alone(ticket)
        elif error is not None:
            first.fail(error)
        deliver(group)

    def _serve_alone(self, ticket: Ticket) -> None:
        """Give one body a transaction of its own; again, with jitter, while that may help and its time lasts."""
        for attempt in count(1):
            error = self._attempt([ticket], GroupLimits(bodies=1, time_s=0.0))
            if error is None:
                return
            if not isinstance(error, Repeatable) or time.monotonic() >= ticket.deadline:
                ticket.fail(error)
                return
            _pause(attempt)

    def _attempt(self, group: list[Ticket], limits: GroupLimits) -> StoreError | None:
        """Commit ``group``, which others may join; or undo it all and say why."""
        try:
            self.ledger.begin(group[0].deadline)
            self._run_bodies(group, limits)
            self.ledger.commit()
        except TransactionLost as lost:
            error = lost.error
        except StoreError as refused:
            error = refused
        except Exception as fault:  # boundary: a thread that died of a defect would leave every caller waiting
            error = StoreError(f"the store's writer failed: {type(fault).__name__}: {fault}")
            error.__cause__ = fault
        else:
            self.stats.groups += 1
            self.stats.bodies += len(group)
            self.stats.largest = max(self.stats.largest, len(group))
            return None
        self.stats.lost += 1
        self.ledger.rollback()
        return error

    def _run_bodies(self, group: list[Ticket], limits: GroupLimits) -> None:
        started = time.monotonic()
        for ticket in group:
            self._run_one(ticket)
        while len(group) < limits.bodies and time.monotonic() - started < limits.time_s and not limits.is_full():
            joining = self.inbox.take_now()
            if joining is None:
                return
            group.append(joining)
            self._run_one(joining)

    def _run_one(self, ticket: Ticket) -> None:
        ticket.result = ticket.error = None
        if ticket.is_abandoned:
            return
        try:
            ticket.result = self.ledger.run(ticket.body)
        except TransactionLost:
            raise
        except BaseException as error:  # boundary: whatever a body raises is its caller's
            ticket.fail(error)
