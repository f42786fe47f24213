"""What changed since a state: one answer for JMAP /changes, QRESYNC and sync-collection."""

from dataclasses import dataclass

from store.changes.engine import AccountView, Change, Kind, ModSeq
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


class CannotCalculateChanges(Exception):
    """The state asked about lies in the future or before what the log still holds."""


def changes_since(view: AccountView, kind: Kind, since: int, limit: int = 10_000) -> Changes:
    """Changes after ``since``, at most ``limit`` ids and never half a transaction. Raises CannotCalculateChanges."""
    now = view.modseq
    if since > now or since < 0:
        raise CannotCalculateChanges(f"state {since} is not one of ours (now {now})")
    start = keys.change(kind, since + 1, 0)
    end = keys.prefix_end(b"H" + bytes([kind]))
    folded: dict[int, Change | None] = {}
    reached, has_more = now, False
    at = since
    for key, value in view.scan(start, end):
        modseq, object_id = keys.read_u64(key[2:10]), keys.read_u64(key[10:18])
        if modseq != at and len(folded) >= limit:
            reached, has_more = ModSeq(at), True
            break
        at = modseq
        folded[object_id] = _fold(folded.get(object_id), object_id in folded, Change(value[0]))
    groups: dict[Change, list[int]] = {Change.CREATED: [], Change.UPDATED: [], Change.DESTROYED: []}
    for object_id, change in folded.items():
        if change is not None:
            groups[change].append(object_id)
    return Changes(
        tuple(groups[Change.CREATED]),
        tuple(groups[Change.UPDATED]),
        tuple(groups[Change.DESTROYED]),
        ModSeq(since),
        reached,
        has_more,
    )


def _fold(before: Change | None, was_seen: bool, now: Change) -> Change | None:
    """Created then destroyed is nothing at all; created then updated is still created."""
    if not was_seen or before is None:
        return now
    if before is Change.CREATED:
        return None if now is Change.DESTROYED else Change.CREATED
    return now


def vanished_since(view: AccountView, mailbox: int, since: int) -> tuple[int, ...]:
    """UIDs that left a mailbox after ``since``, ascending. RFC 7162 §3.2.10."""
    start = keys.vanished(mailbox, since + 1, 0)
    end = keys.prefix_end(b"V" + keys.u32(mailbox))
    return tuple(sorted(keys.read_u32(key[-4:]) for key, _ in view.scan(start, end)))
