"""What changed since a state: one answer for JMAP /changes, QRESYNC and sync-collection."""

from dataclasses import dataclass

from store.changes.engine import AccountView, Change, Kind, ModSeq
from store.changes.history import floor_of, vanished_floor
from store.schema import keys


@dataclass(frozen=True, slots=True)
class Changes:
    """Object ids, each in one list only."""

    created: tuple[int, ...]
    updated: tuple[int, ...]
    destroyed: tuple[int, ...]
    old_state: ModSeq
    new_state: ModSeq
    has_more: bool
    new_object: int | None = None  #: when a transaction had to be cut: its changes up to this object are told
    only_counts: bool = False  #: of what was updated, only the counters of mailboxes moved


class CannotCalculateChanges(Exception):
    """The state asked about lies in the future or before what the log still holds."""


def changes_since(
    view: AccountView, kind: Kind, since: int, limit: int = 10_000, *, after_object: int | None = None
) -> Changes:
    """Changes after ``since``, at most ``limit`` ids. Raises CannotCalculateChanges.

    Objects change at most once in a transaction, in the order of their ids, so the list may be cut anywhere:
    ``after_object`` goes on within the transaction ``since``.
    """
    now = view.modseq
    if since > now or since < 0:
        raise CannotCalculateChanges(f"state {since} is not one of ours (now {now})")
    floor = floor_of(view, kind)
    if since < floor or (since == floor and after_object is not None):
        raise CannotCalculateChanges(f"changes before {floor} are forgotten")
    start = keys.change(kind, since + 1, 0) if after_object is None else keys.change(kind, since, after_object + 1)
    folded: dict[int, Change | None] = {}
    beyond_counts: set[int] = set()
    reached, reached_object, has_more = now, None, False
    at, at_object = since, after_object
    for key, value in view.scan(start, keys.prefix_end(b"H" + bytes([kind]))):
        modseq, object_id = keys.read_u64(key[2:10]), keys.read_u64(key[10:18])
        if object_id not in folded and len(folded) >= limit:
            reached, reached_object, has_more = ModSeq(at), at_object if modseq == at else None, True
            break
        at, at_object = modseq, object_id
        change = Change(value[0])
        if change is not Change.COUNTED:
            beyond_counts.add(object_id)
        folded[object_id] = _fold(folded.get(object_id), object_id in folded, change)
    updated = _having(folded, Change.UPDATED)
    return Changes(
        created=_having(folded, Change.CREATED),
        updated=updated,
        destroyed=_having(folded, Change.DESTROYED),
        old_state=ModSeq(since),
        new_state=reached,
        has_more=has_more,
        new_object=reached_object,
        only_counts=bool(updated) and beyond_counts.isdisjoint(updated),
    )


def _having(folded: dict[int, Change | None], wanted: Change) -> tuple[int, ...]:
    return tuple(object_id for object_id, change in folded.items() if change is wanted)


def _fold(before: Change | None, was_seen: bool, change: Change) -> Change | None:
    """Created then destroyed is nothing at all; created then updated is still created."""
    now = Change.UPDATED if change is Change.COUNTED else change
    if not was_seen or before is None:
        return now
    if before is Change.CREATED:
        return None if now is Change.DESTROYED else Change.CREATED
    return now


def vanished_since(view: AccountView, mailbox: int, since: int, until: int | None = None) -> tuple[int, ...]:
    """UIDs that left a mailbox after ``since``, ascending. Raises CannotCalculateChanges. RFC 7162 §3.2.10."""
    if since < vanished_floor(view, mailbox):
        raise CannotCalculateChanges("what vanished by then is forgotten")
    start = keys.vanished(mailbox, since + 1, 0)
    end = keys.prefix_end(b"V" + keys.u32(mailbox)) if until is None else keys.vanished(mailbox, until + 1, 0)
    return tuple(sorted(keys.read_u32(key[-4:]) for key, _ in view.scan(start, end)))
