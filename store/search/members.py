"""Who is in a mailbox, for questions about many emails at once.

Read from the mailbox's UIDs and kept. The mailbox's counters say whether it still holds: who comes in takes a UID, and
who leaves is taken from the total. When the total has grown by as much as the next UID, nobody has left and only the
new ones are read.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from store.changes.engine import AccountView
from store.mail import mailboxes
from store.mail.model import MailboxId
from store.schema import keys
from store.search.coding import Numbers
from store.search.memory import Memory
from store.search.reader import Ids

_STATE_COST = 64  #: what it takes to look at one email's state, in rows of a scan that need not be done again


@dataclass(frozen=True, slots=True)
class _Known:
    uid_next: int
    total: int
    inside: Ids  #: by email id; ends with the last that is inside


class Members:
    """Memberships in one snapshot."""

    def __init__(self, view: AccountView, memory: Memory) -> None:
        self._view = view
        self._memory = memory

    def among(self, mailbox: MailboxId, ids: Numbers, spend: Callable[[int], None]) -> Ids | None:
        """Which emails are in a mailbox; None when looking at the state of each takes less.

        ``spend`` is told how many rows are read, and may raise.
        """
        counts = mailboxes.counts(self._view, mailbox)
        key = (self._view.account, b"U", mailbox)
        known: _Known | None = self._memory.recall(key)
        if known is None and len(ids) * _STATE_COST < counts.total:
            return None
        if known is None or (known.uid_next, known.total) != (counts.uid_next, counts.total):
            grown = counts.uid_next - known.uid_next if known is not None else -1
            if known is None or grown < 0 or grown != counts.total - known.total:
                known = _Known(1, 0, np.zeros(0, dtype=np.bool_))
            spend(counts.total - known.total)
            known = _Known(counts.uid_next, counts.total, self._with(known, mailbox))
            self._memory.keep(key, known, known.inside.nbytes)
        found = np.zeros(len(ids), dtype=np.bool_)
        is_low = ids < len(known.inside)
        found[is_low] = known.inside[ids[is_low]]
        return found

    def _with(self, known: _Known, mailbox: MailboxId) -> Ids:
        rows = self._view.scan(keys.uid(mailbox, known.uid_next), keys.prefix_end(b"U" + keys.u32(mailbox)))
        added = np.frombuffer(b"".join([value for _, value in rows]), dtype=">u8").astype(np.int64)
        inside = np.zeros(max(len(known.inside), int(added.max()) + 1 if len(added) else 0), dtype=np.bool_)
        inside[: len(known.inside)] = known.inside
        inside[added] = True
        return inside
