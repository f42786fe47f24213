"""What one session believes about its mailbox: sequence numbers change only when the client is told. RFC 3501 §7.

UIDs and email ids sit in two arrays, 12 octets a mail. Catching up costs what changed, not what is there.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import itemgetter

from protocols.imap.numbers import NumberSet
from protocols.imap.refusal import BadCommand
from store.changes.engine import AccountView, Kind
from store.changes.log import CannotCalculateChanges, changes_since, vanished_since
from store.mail import emails, mailboxes, reading
from store.mail.model import EmailId, EmailState, MailboxId, Uid

MOST_CHANGES = 10_000  #: beyond, everything is read again

Spans = tuple[tuple[int, int], ...]  #: half-open ranges of positions, ascending


@dataclass(frozen=True, slots=True)
class Delta:
    """What happened since a modseq, in one snapshot."""

    modseq: int
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

    @property
    def size(self) -> int:
        return len(self.uids)

    @property
    def last_uid(self) -> int:
        return self.uids[-1] if self.uids else 0

    def position_of(self, uid: int) -> int | None:
        """Position (sequence number less one) of a UID, None when the client was never told of it."""
        at = bisect_left(self.uids, uid)
        return at if at < len(self.uids) and self.uids[at] == uid else None

    def spans(self, messages: NumberSet, *, by_uid: bool) -> Spans:
        """Positions a set names. Raises BadCommand for a sequence number that is not in use; UIDs may be unused."""
        if by_uid:
            wanted = messages.resolve(self.last_uid)
            spans = ((bisect_left(self.uids, low), bisect_right(self.uids, high)) for low, high in wanted)
            return tuple(span for span in spans if span[0] < span[1])
        if not self.uids and any(0 in pair for pair in messages.ranges):
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
            dropped = set(positions)
            kept = [at for at in range(len(self.uids)) if at not in dropped]
            self.uids = array("I", (self.uids[at] for at in kept))
            self.ids = array("Q", (self.ids[at] for at in kept))
        else:
            for at in positions:
                del self.uids[at], self.ids[at]
        return (at + 1 for at in positions)


def open_view(view: AccountView, mailbox: MailboxId, *, is_read_only: bool) -> MailboxView:
    """Read a mailbox's UIDs: the one thing whose cost grows with the mailbox."""
    opened = MailboxView(mailbox, is_read_only, view.modseq)
    opened.arrive(reading.placements(view, mailbox))
    return opened


def read_delta(view: AccountView, mailbox: MailboxId, since: int, last_uid: int) -> Delta | None:
    """What happened in a mailbox after ``since``; None when nothing happened in the whole account."""
    now = view.modseq
    if now == since:
        return None
    if mailboxes.get(view, mailbox) is None:
        return Delta(now, is_mailbox_gone=True)
    arrived = tuple(reading.placements(view, mailbox, last_uid + 1))
    vanished = vanished_since(view, mailbox, since)
    changed = sorted(_changed(view, mailbox, since, last_uid), key=itemgetter(0))
    return Delta(now, arrived, tuple(changed), vanished)


def _changed(view: AccountView, mailbox: MailboxId, since: int, last_uid: int) -> Iterator[tuple[Uid, EmailState]]:
    for email_id in _touched(view, mailbox, since):
        state = emails.state(view, email_id)
        if state is None or state.modseq <= since:
            continue
        uid = state.placements.get(mailbox)
        if uid is not None and uid <= last_uid:
            yield uid, state


def _touched(view: AccountView, mailbox: MailboxId, since: int) -> Iterable[int]:
    """Emails that may have changed: those of the log, or all when the log cannot say."""
    try:
        changes = changes_since(view, Kind.EMAIL, since, MOST_CHANGES)
    except CannotCalculateChanges:
        changes = None
    if changes is None or changes.has_more:
        return (email_id for _, email_id in reading.placements(view, mailbox))
    return (*changes.created, *changes.updated)
