"""Proving the store's invariants while it is in use, row by row, in many short snapshots.

Every row is asked whether it can be read, whether what it leads to is there, and whether what must be there because of
it is. A row and its neighbours are looked at in one snapshot, so what changes between two does not matter; what is
found is looked at once more before it is told. Memory does not grow with the store.

What is looked at is listed here and nowhere else: ``SPACES`` by the first letters of a key, ``SCOPED`` by the letter of
a row of an account, ``WHOLE`` for what is no matter of single rows.
"""

import asyncio
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace

from store.audit.verify import verify_all
from store.blob.chunks import BLOB
from store.blob.contract import BlobId
from store.changes.engine import Store, StoreView
from store.kv.contract import successor
from store.mail import domains, quota
from store.policy import entries as policy
from store.policy import traps
from store.schema import keys
from store.schema.rows import RowDamaged
from store.trace import rows as trace
from store.upkeep.checks import counting, flow, keeping, mail, people, searching
from store.upkeep.checks.counting import Tally
from store.upkeep.checks.flow import believed, eight_octets, readable
from store.upkeep.findings import Finding, Look, NeighbourDamaged, RowCheck, keys_of

__all__ = ["SCOPED", "SPACES", "WHOLE", "Finding", "Progress", "examine", "findings_of"]

SPACES: dict[bytes, RowCheck] = {
    keys.META: believed,
    b"A": believed,  # which accounts the search index does not know yet
    keys.LINK: flow.check_link,
    keys.ACCOUNT: people.check_account,
    keys.ADDRESS: people.check_address,
    keys.DOMAIN: readable(domains.read_domain),
    keys.GROUP: believed,
    keys.HELD: flow.check_held,
    keys.HELD_ORDER: flow.check_held_index,
    keys.HELD_EXPIRY: flow.check_held_index,
    keys.HELD_RECIPIENT: flow.check_held_index,
    keys.HELD_KEPT: flow.check_held_index,
    keys.HELD_ACCOUNT: flow.check_held_index,
    keys.TRACE: readable(trace.read_trace),
    keys.AUDIT: believed,  # the chain: WHOLE
    keys.JOB: flow.check_job,
    keys.JOB_DEAD: flow.check_job,
    keys.JOB_DUE: flow.check_job_due,
    keys.REPUTATION: flow.check_reputation,
    keys.LABEL: flow.check_label,
    keys.FINGERPRINT: believed,
    keys.SESSION: believed,
    keys.POLICY: readable(policy.read_entry),
    keys.POLICY_HITS: eight_octets,
    keys.SIGHTINGS: eight_octets,
    keys.EXPIRY: flow.check_expiry,
    keys.TRAP + b"t": readable(traps.read_trap),
    keys.TRAP + b"h": eight_octets,
    keys.TRAP + b"l": eight_octets,
    keys.HOLD: keeping.check_hold,
    keys.RULE: keeping.check_rule,
    keys.PSEUDONYM: keeping.check_person,
    keys.PERSON: keeping.check_person,
    keys.MODEL: flow.check_model,
    keys.TO_INDEX: searching.check_to_index,
}

SCOPED: dict[bytes, RowCheck] = {
    keys.MODSEQ: mail.check_modseq,
    keys.LAST_ID: mail.check_last_id,
    keys.SEARCH_STATE: searching.check_search,
    b"B": mail.check_mailbox,
    b"C": mail.check_counts,
    b"D": mail.check_dated,
    b"E": mail.check_email,
    b"H": mail.check_change,
    b"J": believed,
    b"K": keeping.check_kept,
    b"L": believed,
    b"M": mail.check_message_id,
    b"O": searching.check_search,
    b"P": mail.check_upload,
    keys.USAGE: readable(quota.read_usage),
    b"S": mail.check_state,
    b"T": mail.check_thread_member,
    b"U": mail.check_uid,
    b"V": mail.check_vanished,
    b"W": searching.check_search,
    b"Y": mail.check_mailbox_thread,
}

Whole = Callable[[Store], Awaitable[list[Finding]]]


async def _check_audit(store: Store) -> list[Finding]:
    """The chain of audit entries holds. What is broken stays broken: that is what it is for."""
    broken, _ = await verify_all(store)
    return [Finding(f"audit entry {broken.seq}", broken.why)] if broken is not None else []


WHOLE: dict[str, Whole] = {"audit": _check_audit}

ROWS = 500  #: looked at in one snapshot
SNAPSHOT_S = 1.0  #: longest one, roughly; FoundationDB's end after five
BLOBS_AT_ONCE = 8
_END = b"\xff" * 8
_UNREADABLE = (RowDamaged, ValueError, struct.error, IndexError, OverflowError, TypeError)


@dataclass(slots=True)
class Progress:
    """Told after every snapshot."""

    rows: int = 0
    blobs: int = 0
    where: str = ""

    def tell(self) -> None:
        """Overridden by who shows it."""


async def examine(store: Store, progress: Progress | None = None) -> AsyncIterator[Finding]:
    """Everything that is wrong; nothing when the store is sound. Raises StoreUnavailable."""
    progress = progress or Progress()
    for start, end in ((b"", BLOB), (bytes([BLOB[0] + 1]), _END)):
        async for finding in _rows(store, start, end, progress):
            yield finding
    async for finding in _blobs(store, progress):
        yield finding
    for name, look in WHOLE.items():
        progress.where = name
        progress.tell()
        for finding in await look(store):
            yield finding


async def findings_of(store: Store) -> list[Finding]:
    return [finding async for finding in examine(store)]


@dataclass(slots=True)
class _Slice:
    """What one snapshot gave."""

    findings: list[Finding] = field(default_factory=list)
    tallies: dict[int, Tally] = field(default_factory=dict)
    rows: int = 0
    last: bytes = b""
    next: bytes | None = None


async def _rows(store: Store, start: bytes, end: bytes, progress: Progress) -> AsyncIterator[Finding]:
    position: bytes | None = start
    open_account: int | None = None
    tally = Tally()
    while position is not None:
        step = await store.read(lambda view, at=position: _slice(view, at, end))  # type: ignore[misc]
        for finding in step.findings:
            async for confirmed in _confirmed(store, finding):
                yield confirmed
        for account, part in step.tallies.items():
            if open_account is not None and account != open_account:
                for finding in await counting.check_account(store, open_account, tally):
                    yield finding
                tally = Tally()
            open_account = account
            tally.merge(part)
        progress.rows += step.rows
        progress.where = keys_of(step.last)[:40]
        progress.tell()
        position = step.next
    if open_account is not None:
        for finding in await counting.check_account(store, open_account, tally):
            yield finding


def _slice(view: StoreView, start: bytes, end: bytes) -> _Slice:
    """Look at the next rows, as many as fit into a short snapshot."""
    step, look, until = _Slice(), Look(view), time.monotonic() + SNAPSHOT_S
    owner = b""
    for key, value in view.kv.scan(start, end, limit=ROWS):
        if key[:1] == keys.SCOPE and key[1:5] != owner and len(key) > 5:
            owner = key[1:5]
            step.findings += people.check_owner(look, keys.read_u32(owner), key)
        step.findings += check_row(look, key, value)
        _count(step, look, key, value)
        step.rows, step.last = step.rows + 1, key
        if step.rows == ROWS or time.monotonic() > until:
            step.next = successor(key)
            break
    return step


def _count(step: _Slice, look: Look, key: bytes, value: bytes) -> None:
    if key[:1] == keys.SCOPE and len(key) > 5:
        try:
            step.tallies.setdefault(keys.read_u32(key[1:5]), Tally()).add(look, key, value)
        except (NeighbourDamaged, *_UNREADABLE):
            return  # a finding of its own


def check_of(key: bytes) -> RowCheck | None:
    """Who knows rows under such a key; None: nobody."""
    if key[:1] == keys.SCOPE:
        return SCOPED.get(key[5:6])
    return SPACES.get(key[:2]) or SPACES.get(key[:1])


def check_row(look: Look, key: bytes, value: bytes) -> list[Finding]:
    """What is wrong with one row, its neighbours in the same snapshot considered."""
    check = check_of(key)
    if check is None:
        return [Finding(keys_of(key), "is of a kind that this program does not know", key)]
    found: list[Finding] = []
    try:
        for finding in check(look, key, value):
            found.append(finding if finding.where else replace(finding, where=_where(look, key)))
    except NeighbourDamaged:
        pass  # the neighbour is a finding of its own
    except _UNREADABLE as error:
        what = f"a row cannot be read: {error}"
        where = _where(look, key)
        found.append(Finding(where, what, key, "it is set aside, outside the store", is_unreadable=True))
    return found


def _where(look: Look, key: bytes) -> str:
    if key[:1] == keys.SCOPE and key[5:6] in {b"E", b"S"} and len(key) == 14:
        return look.name_of_email(keys.read_u32(key[1:5]), keys.read_u64(key[6:14]))
    return keys_of(key)


def check_again(view: StoreView, key: bytes) -> list[Finding]:
    """What is wrong with the row under a key as it is now; nothing when it is gone."""
    value = view.kv.get(key)
    if value is None:
        return []
    look = Look(view)
    found = check_row(look, key, value)
    if key[:1] == keys.SCOPE and len(key) > 5:
        found += people.check_owner(look, keys.read_u32(key[1:5]), key)
    return found


async def _confirmed(store: Store, finding: Finding) -> AsyncIterator[Finding]:
    """What a second look finds as well: between the steps of something large, a store may look odd for a moment."""
    for each in await store.read(lambda view: check_again(view, finding.key)):
        if each.what == finding.what:
            yield each
            return


async def _blobs(store: Store, progress: Progress) -> AsyncIterator[Finding]:
    """Every octet of every blob is as it was written; what nobody links is garbage and will be collected."""
    after: BlobId | None = None
    while ids := await store.blobs.list_ids(after, ROWS):
        for start in range(0, len(ids), BLOBS_AT_ONCE):
            batch = ids[start : start + BLOBS_AT_ONCE]
            faults = await asyncio.gather(*(store.blobs.fault_of(blob) for blob in batch))
            for blob, fault in zip(batch, faults, strict=True):
                if fault is not None:
                    for finding in await _missed(store, blob):
                        yield finding
        after = ids[-1]
        progress.blobs += len(ids)
        progress.where = f"mail {after.hex()[:8]}"
        progress.tell()


async def _missed(store: Store, blob: BlobId) -> list[Finding]:
    """A damaged blob, looked at once more, by those who would miss it."""
    fault = await store.blobs.fault_of(blob)
    owners, has_row = await store.read(lambda view: (flow.owners_of(Look(view), blob), flow.is_whole(Look(view), blob)))
    if fault is None or (fault == flow.NOT_WHOLE and not has_row):  # without a row its links are findings
        return []
    return [Finding(owner, f"its octets {blob.hex()[:16]}: {fault}") for owner in owners]
