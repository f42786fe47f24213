"""How far back the change log goes: a bounded number of rows for each account and kind, pruned in small steps.

A pass counts only what was logged since the one before, so an account where nothing happens costs two reads. A
client that was away for longer than the log remembers starts over: JMAP is told cannotCalculateChanges, and an
IMAP session looks at its mailbox again (RFC 7162 §3.2.5.1 lets a server forget which UIDs vanished).
"""

from collections.abc import Callable
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from store.changes.engine import AccountTxn, AccountView, Kind
from store.schema import keys
from store.schema.rows import Reader, pack

BATCH = 1_000  #: rows counted or taken away in one transaction


class History(Struct, frozen=True, array_like=True):
    """What a log holds."""

    floor: int = 0  #: changes up to this modseq are forgotten
    counted_to: bytes = b""  #: the last key counted
    rows: int = 0  #: up to there


read_history = Reader(History)


def floor_of(view: AccountView, kind: Kind) -> int:
    """The oldest state whose changes can still be told."""
    return _floor(view, keys.history(kind))


def vanished_floor(view: AccountView, mailbox: int) -> int:
    return _floor(view, keys.vanished_history(mailbox))


def _floor(view: AccountView, key: bytes) -> int:
    found = view.row(key, read_history)
    return found.floor if found is not None else 0


Step = Callable[[AccountTxn], bool]
"""Counts and cuts some rows; whether there is more to do."""


def due(view: AccountView, most: int) -> list[Step]:
    """What a pass has to do: the logs that grew, or that are longer than they may be."""
    logs = [(keys.history(kind), b"H" + bytes([kind])) for kind in Kind]
    for key, _ in view.scan_prefix(b"C"):  # each mailbox has its counters
        number = keys.read_u32(key[1:5])
        logs.append((keys.vanished_history(number), b"V" + keys.u32(number)))
    return [
        partial(_step, key=key, prefix=prefix, most=most) for key, prefix in logs if _is_due(view, key, prefix, most)
    ]


def _is_due(view: AccountView, key: bytes, prefix: bytes, most: int) -> bool:
    now = view.row(key, read_history) or History()
    start = now.counted_to + b"\x00" if now.counted_to else prefix
    return now.rows > most or next(view.scan(start, keys.prefix_end(prefix), limit=1), None) is not None


def _step(txn: AccountTxn, key: bytes, prefix: bytes, most: int) -> bool:
    now = txn.row(key, read_history) or History()
    start, end = now.counted_to + b"\x00" if now.counted_to else prefix, keys.prefix_end(prefix)
    new = [each for each, _ in txn.scan(start, end, limit=BATCH)]
    if new:
        now = replace(now, counted_to=new[-1], rows=now.rows + len(new))
    surplus = min(now.rows - most, BATCH)
    if surplus > 0:
        old = [each for each, _ in txn.scan(prefix, end, limit=surplus)]
        for each in old:
            txn.unindex(each)
        if old:
            # The transaction that was cut into is forgotten as a whole.
            now = replace(now, floor=keys.read_u64(old[-1][len(prefix) : len(prefix) + 8]), rows=now.rows - len(old))
        else:
            now = replace(now, rows=0)
    if new or surplus > 0:
        txn.index(key, pack(now))
    return len(new) == BATCH or surplus == BATCH
