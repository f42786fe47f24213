"""What people say by moving mail: into Junk it is spam, out of Junk it is wanted, by that person.

Protocols tell about moves after their commit and do not wait. A mail without a reception id never came through the
gate, and nothing is learned from it; nor from moves to Trash, which say nothing about why. The keywords $Junk and
$NotJunk say the same as a move.
"""

import asyncio

import structlog
from msgspec.structs import replace

from gateway.learning.labels import label_of_octets
from gateway.learning.opinions import give
from gateway.reputation import relations
from store.accounts import account as accounts
from store.audit import chain
from store.blob.contract import BlobMissing
from store.changes.engine import Store, StoreTxn
from store.kv.contract import StoreError
from store.labels.rows import Label
from store.mail import emails
from store.mail.model import Email
from store.mail.moves import Moved
from store.mail.parsing import digest_octets

log = structlog.get_logger()

WAITING = 1_000  #: moves that are remembered at once
EMAILS = 200  #: of one move
_TOLD = {
    ("move", True): "moved to Junk",
    ("move", False): "moved out of Junk",
    ("keyword", True): "marked as junk",
    ("keyword", False): "marked as no junk",
}
_LONGEST = 10 * 1024 * 1024  #: octets of a mail that is read again to learn from it


class Moves:
    """Hears of moves and learns from them, one after another."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: asyncio.Queue[Moved] = asyncio.Queue(WAITING)

    def __call__(self, moved: Moved) -> None:
        """Told by a protocol; never waits. Beyond ``WAITING`` moves are forgotten, with a line in the log."""
        if opinion_of(moved) is None and not _is_sent(moved):
            return
        try:
            self._waiting.put_nowait(moved)
        except asyncio.QueueFull:
            log.warning("moves.forgotten", account=moved.account, emails=len(moved.emails))

    async def follow(self) -> None:
        """Learn until cancelled."""
        while True:
            moved = await self._waiting.get()
            try:
                await self.learn(moved)
            except StoreError as error:
                log.warning("moves.store", account=moved.account, error=repr(error))

    async def drain(self) -> None:
        """Learn from what waits now. Raises StoreError."""
        while not self._waiting.empty():
            await self.learn(self._waiting.get_nowait())

    async def learn(self, moved: Moved) -> int:
        """Labels made of one move. Raises StoreError."""
        is_spam = opinion_of(moved)
        made = 0
        for email_id in moved.emails[:EMAILS]:
            email = await self._store.read(lambda view, one=email_id: emails.get(view.account(moved.account), one))  # type: ignore[misc]
            if email is None:
                continue
            if is_spam is None:
                await self._sent(moved, email)
            elif email.reception and email.size <= _LONGEST and not await self._label(moved, email, is_spam):
                break
            else:
                made += bool(email.reception)
        return made

    async def _label(self, moved: Moved, email: Email, is_spam: bool) -> bool:
        """False when the account said enough for today."""
        octets = await self._octets(email)
        if octets is None:
            return True
        now_ms = int(self._store.clock() * 1000)
        label = await asyncio.to_thread(label_of_octets, email.reception, octets, is_spam, "", now_ms)
        label = replace(label, blob=email.blob)
        return await self._store.write(lambda txn: _put(txn, moved, label, now_ms))

    async def _sent(self, moved: Moved, email: Email) -> None:
        octets = await self._octets(email)
        if octets is not None:
            digest = await asyncio.to_thread(digest_octets, octets)
            now_ms = int(self._store.clock() * 1000)
            await self._store.write(lambda txn: relations.record_sent(txn, moved.account, digest, now_ms))

    async def _octets(self, email: Email) -> bytes | None:
        try:
            return await self._store.blobs.read(email.blob) if email.size <= _LONGEST else None
        except BlobMissing:
            return None  # it was destroyed meanwhile


def opinion_of(moved: Moved) -> bool | None:
    """Whether a move calls mail spam; None when it says nothing."""
    if moved.target_role == "junk" and moved.source_role != "junk":
        return True
    if moved.source_role == "junk" and moved.target_role not in {"junk", "trash"}:
        return False
    return None


def _is_sent(moved: Moved) -> bool:
    return moved.source_role == "drafts" and moved.target_role == "sent"


def _put(txn: StoreTxn, moved: Moved, label: Label, now_ms: int) -> bool:
    account = accounts.get(txn.kv, moved.account)
    if account is None:
        return False
    if not give(txn, replace(label, by=account.address, at_ms=now_ms), moved.how):
        return False
    chain.record(txn, now_ms, account.address, "mail.label", label.id, _TOLD[moved.how, label.is_spam])
    return True
