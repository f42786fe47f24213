"""What one session believes about its mailbox: sequence numbers change only when the client is told. RFC 3501 §7.

UIDs and email ids sit in two arrays, 12 octets a mail. Of a large mailbox only the newest mails are read when it is
opened; the ones before them, the head, when a command or a change names one of them. So opening costs the same however
much there is, and catching up costs what changed.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter

from protocols.imap.numbers import NumberSet
from protocols.imap.refusal import BadCommand, Disconnect
from store.changes.engine import AccountId, AccountView, Kind, Store
from store.changes.log import CannotCalculateChanges, changes_since, vanished_since
from store.mail import emails, mailboxes, reading
from store.mail.model import EmailId, EmailState, MailboxId, Uid
from store.schema import keys

MOST_CHANGES = 1_000  #: looked at in one snapshot
TAIL = 1_000  #: newest mails whose UIDs are read when a mailbox is opened
_HEAD_STEP = 20_000  #: UIDs read in one snapshot, of those before

Spans = tuple[tuple[int, int], ...]  #: half-open ranges of positions, ascending


@dataclass(frozen=True, slots=True)
class Delta:
    """Some of what happened since a state, in one snapshot."""

    modseq: int
    after_object: int | None = None  #: where to go on within that modseq
    is_complete: bool = True
    arrived: tuple[tuple[Uid, EmailId], ...] = ()
    changed: tuple[tuple[Uid, EmailState], ...] = ()
    vanished: tuple[int, ...] = ()
    is_mailbox_gone: bool = False


@dataclass(slots=True)
class MailboxView:
    """A selected mailbox as this session has announced it."""

    mailbox: MailboxId
    is_read_only: bool
    modseq: int
    uids: "array[int]" = field(default_factory=lambda: array("I"))
    ids: "array[int]" = field(default_factory=lambda: array("Q"))
    gone: set[int] = field(default_factory=set)  #: UIDs that left and whose EXPUNGE is still to be sent
    own: dict[int, int] = field(default_factory=dict)  #: modseqs of changes the client knows, it made them
    head: int = 0  #: mails before those in ``uids``, which are still to be read
    floor: int = 0  #: their UIDs are below this one

    @property
    def size(self) -> int:
        return self.head + len(self.uids)

    @property
    def last_uid(self) -> int:
        return self.uids[-1] if self.uids else 0

    def position_of(self, uid: int) -> int | None:
        """Position (sequence number less one) of a UID, None when the client was never told of it."""
        at = bisect_left(self.uids, uid)
        return self.head + at if at < len(self.uids) and self.uids[at] == uid else None

    def covers(self, messages: NumberSet, *, by_uid: bool) -> bool:
        """Whether the head is not needed to find the mails of a set."""
        if not self.head or not self.uids:
            return not self.head
        wanted = messages.resolve(self.last_uid if by_uid else self.size)
        return wanted[0][0] >= self.floor if by_uid else wanted[0][0] > self.head

    def spans(self, messages: NumberSet, *, by_uid: bool) -> Spans:
        """Positions a set names. Raises BadCommand for a sequence number that is not in use; UIDs may be unused."""
        if by_uid:
            wanted = messages.resolve(self.last_uid)
            spans = ((bisect_left(self.uids, low), bisect_right(self.uids, high)) for low, high in wanted)
            return tuple((self.head + low, self.head + high) for low, high in spans if low < high)
        if not self.size and any(0 in pair for pair in messages.ranges):
            return ()
        wanted = messages.resolve(self.size)
        if wanted[-1][1] > self.size:
            raise BadCommand("no such message")
        return tuple((low - 1, high) for low, high in wanted)

    def arrive(self, arrived: Iterable[tuple[int, int]]) -> None:
        for uid, email_id in arrived:
            self.uids.append(uid)
            self.ids.append(email_id)

    def forget_gone(self) -> Iterator[int]:
        """Take away what left; sequence numbers to say, in the order to say them (highest first)."""
        positions = sorted((at for uid in self.gone if (at := self.position_of(uid)) is not None), reverse=True)
        self.gone.clear()
        if len(positions) > 50:  # deleting one by one would be quadratic
            dropped = {at - self.head for at in positions}
            kept = [at for at in range(len(self.uids)) if at not in dropped]
            self.uids = array("I", (self.uids[at] for at in kept))
            self.ids = array("Q", (self.ids[at] for at in kept))
        else:
            for at in positions:
                del self.uids[at - self.head], self.ids[at - self.head]
        return (at + 1 for at in positions)


def open_view(view: AccountView, mailbox: MailboxId, *, is_read_only: bool) -> MailboxView:
    """Count a mailbox, and read the UIDs of its newest mails."""
    opened = MailboxView(mailbox, is_read_only, view.modseq)
    newest = list(islice(reading.newest_placements(view, mailbox), TAIL + 1))
    if len(newest) > TAIL:
        opened.head = max(mailboxes.counts(view, mailbox).total - len(newest), 0)
        opened.floor = newest[-1][0]
    opened.arrive(reversed(newest))
    return opened


def read_head(view: AccountView, opened: MailboxView, start: int) -> list[tuple[int, int]]:
    """Some of the head from the UID ``start`` on, as the client was told of it: with what left since.

    Fewer than asked for means all. Raises CannotCalculateChanges.
    """
    there = reading.placements(view, opened.mailbox, start, opened.floor - 1)
    found: list[tuple[int, int]] = list(islice(there, _HEAD_STEP))
    end = found[-1][0] if len(found) == _HEAD_STEP else opened.floor - 1
    left = {*vanished_since(view, opened.mailbox, opened.modseq), *opened.gone}
    found += [(uid, 0) for uid in left if start <= uid <= end]
    return sorted(found)


async def complete(store: Store, account: AccountId, opened: MailboxView) -> None:
    """Read the head. Raises Disconnect when the store no longer knows what the client was told."""
    uids, ids = array("I"), array("Q")
    start = 1
    while start < opened.floor:
        try:
            found = await store.read(lambda view, start=start: read_head(view.account(account), opened, start))  # type: ignore[misc]
        except CannotCalculateChanges:
            raise Disconnect("the mailbox changed too much meanwhile; select it again") from None
        for uid, email_id in found:
            uids.append(uid)
            ids.append(email_id)
        start = found[-1][0] + 1 if len(found) >= _HEAD_STEP else opened.floor
    if len(uids) != opened.head:
        raise Disconnect("the mailbox is not what its counters say; select it again, and run fsck if this repeats")
    opened.uids, opened.ids = uids + opened.uids, ids + opened.ids
    opened.head = opened.floor = 0


def read_delta(
    view: AccountView, mailbox: MailboxId, since: int, last_uid: int, after_object: int | None = None
) -> Delta | None:
    """What happened in a mailbox after ``since``, as far as one snapshot should be held for it.

    None when nothing happened in the whole account. Raises CannotCalculateChanges: then look with ``read_again``.
    """
    now = view.modseq
    if now == since and after_object is None:
        return None
    if mailboxes.get(view, mailbox) is None:
        return Delta(now, is_mailbox_gone=True)
    changes = changes_since(view, Kind.EMAIL, since, MOST_CHANGES, after_object=after_object)
    return Delta(
        changes.new_state,
        changes.new_object,
        not changes.has_more,
        () if changes.has_more else tuple(reading.placements(view, mailbox, last_uid + 1)),
        _placed(view, mailbox, last_uid, (*changes.created, *changes.updated)),
        vanished_since(view, mailbox, since, changes.new_state),
    )


def read_again(
    view: AccountView, mailbox: MailboxId, known: Sequence[int], since: int, after_uid: int | None = None
) -> Delta:
    """The same without the log, for some neighbouring UIDs that the client knows, and what came after ``after_uid``."""
    now = view.modseq
    if mailboxes.get(view, mailbox) is None:
        return Delta(now, is_mailbox_gone=True)
    there = dict(reading.placements(view, mailbox, known[0], known[-1])) if known else {}
    view.prefetch(keys.state(email_id) for email_id in there.values())
    states = ((uid, emails.state(view, email_id)) for uid, email_id in there.items())
    changed = tuple((uid, state) for uid, state in states if state is not None and state.modseq > since)
    vanished = tuple(uid for uid in known if uid not in there)
    arrived = tuple(reading.placements(view, mailbox, after_uid + 1)) if after_uid is not None else ()
    return Delta(now, arrived=arrived, changed=changed, vanished=vanished)


def _placed(
    view: AccountView, mailbox: MailboxId, last_uid: int, touched: Iterable[int]
) -> tuple[tuple[Uid, EmailState], ...]:
    """Those of some emails that are in a mailbox under a UID the client knows, in that order."""
    found: list[tuple[Uid, EmailState]] = []
    for email_id in touched:
        state = emails.state(view, email_id)
        uid = state.placements.get(mailbox) if state is not None else None
        if state is not None and uid is not None and uid <= last_uid:
            found.append((uid, state))
    return tuple(sorted(found, key=itemgetter(0)))
