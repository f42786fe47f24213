"""Emails half of whose rows are lost: made again from their octets and from what still leads to them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from msgspec.structs import replace

from store.blob.contract import BlobId, BlobMissing
from store.changes.engine import AccountId, AccountTxn, Change, Kind, Store, StoreTxn, StoreView
from store.kv.contract import StoreError, StoreUnavailable, successor
from store.mail import emails, mailboxes
from store.mail.emails import NewEmail
from store.mail.model import Email, EmailId, EmailState, MailboxId, ThreadId, Uid
from store.mail.parsing import digest_octets
from store.schema import keys
from store.schema.rows import pack
from store.upkeep.findings import Finding

_SLICE = 5_000
_Who = tuple[int, int]


@dataclass(slots=True)
class _Clues:
    """What other rows say about an email."""

    uids: dict[MailboxId, Uid] = field(default_factory=dict)
    received_ms: int | None = None
    thread: int | None = None
    blob: BlobId | None = None


async def rescue(store: Store, lost: Mapping[_Who, Finding]) -> AsyncIterator[Finding]:
    """Mend emails by (account, email); yields the findings that were mended."""
    clues = {who: _Clues() for who in lost}
    for account in {account for account, _ in lost}:
        for letter in (b"D", b"T", b"U"):
            prefix = keys.scope(account) + letter
            async for key, value in _all_rows(store, prefix):
                _note(clues, account, key[5:], value)
    if lost:
        async for key, _ in _all_rows(store, keys.LINK):
            owner = key[33:]
            if owner[:1] == keys.SCOPE and owner[5:6] == b"E" and len(owner) == 14:
                found = clues.get((keys.read_u32(owner[1:5]), keys.read_u64(owner[6:])))
                if found is not None:
                    found.blob = BlobId(key[1:33])
    for who, finding in lost.items():
        row = await _row_of(store, who, clues[who])
        if await store.write(partial(_settle, who=who, clues=clues[who], row=row)):
            yield finding


async def _all_rows(store: Store, prefix: bytes) -> AsyncIterator[tuple[bytes, bytes]]:
    start, end = prefix, keys.prefix_end(prefix)
    while True:

        def page(view: StoreView, start: bytes = start) -> list[tuple[bytes, bytes]]:
            return list(view.kv.scan(start, end, limit=_SLICE))

        rows = await store.read(page)
        for row in rows:
            yield row
        if len(rows) < _SLICE:
            return
        start = successor(rows[-1][0])


def _note(clues: dict[_Who, _Clues], account: int, key: bytes, value: bytes) -> None:
    if key[:1] == b"U" and len(key) == 9 and len(value) == 8:
        found = clues.get((account, keys.read_u64(value)))
        if found is not None:
            found.uids[MailboxId(keys.read_u32(key[1:5]))] = Uid(keys.read_u32(key[5:9]))
    elif key[:1] == b"D" and len(key) == 21:
        found = clues.get((account, keys.read_u64(key[13:21])))
        if found is not None:
            found.received_ms = keys.read_u64(key[5:13])
    elif key[:1] == b"T" and len(key) == 17:
        found = clues.get((account, keys.read_u64(key[9:17])))
        if found is not None:
            found.thread = keys.read_u64(key[1:9])


async def _row_of(store: Store, who: _Who, clues: _Clues) -> Email | None:
    """The row of an email from its octets; None when no link leads to any that can be read."""
    if clues.blob is None:
        return None
    try:
        octets = await store.blobs.read(clues.blob)
    except StoreUnavailable:
        raise
    except (BlobMissing, StoreError):
        return None
    digest = await asyncio.to_thread(digest_octets, octets)
    received_ms = clues.received_ms if clues.received_ms is not None else digest.sent_ms or 0
    thread = ThreadId(clues.thread if clues.thread is not None else who[1])
    return emails.row_of(EmailId(who[1]), thread, NewEmail(clues.blob, digest, received_ms))


def _settle(txn: StoreTxn, who: _Who, clues: _Clues, row: Email | None) -> bool:
    """Write the half that is missing; without octets, take the other half out. False: nothing is missing any more."""
    number = who[1]
    mine = txn.account(AccountId(who[0]))
    has_row, value = mine.get(keys.email(number)) is not None, mine.get(keys.state(number))
    if has_row and value is None:
        modseq = mine.next_modseq()
        state = EmailState(modseq, modseq, frozenset(), _placed(mine, number, clues.uids))
        mine.save(Kind.EMAIL, number, keys.state(number), pack(state), Change.UPDATED)
    elif has_row and value is not None and not emails.read_state(value).placements:
        state = replace(
            emails.read_state(value), placements=_placed(mine, number, clues.uids), modseq=mine.next_modseq()
        )
        mine.save(Kind.EMAIL, number, keys.state(number), pack(state), Change.UPDATED)
    elif not has_row and value is not None and row is not None:
        mine.save(Kind.EMAIL, number, keys.email(number), pack(row), Change.UPDATED)
    elif not has_row and value is not None:
        for mailbox, uid in emails.read_state(value).placements.items():
            mine.index(keys.vanished(mailbox, mine.next_modseq(), uid))
        mine.destroy(Kind.EMAIL, number, keys.state(number))
        mine.index(keys.gone(number))  # the search index forgets it
    else:
        return False
    return True


def _placed(mine: AccountTxn, number: int, uids: Mapping[MailboxId, Uid]) -> dict[MailboxId, Uid]:
    """Where the email's uids say it is; in the inbox, or the first mailbox, under a new uid when they say nothing."""
    there = {mailbox: uid for mailbox, uid in uids.items() if mailboxes.get(mine, mailbox) is not None}
    if there:
        return there
    every = mailboxes.list_all(mine)
    home = next((each for each in every if each.role == "inbox"), every[0] if every else None)
    if home is None:
        return {}
    counts = mailboxes.counts(mine, home.id)
    mine.index(keys.counts(home.id), pack(replace(counts, uid_next=Uid(counts.uid_next + 1))))
    mine.index(keys.uid(home.id, counts.uid_next), keys.u64(number))
    return {home.id: counts.uid_next}
