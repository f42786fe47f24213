"""Which conversation a mail belongs to. RFC 8621 §3, RFC 5256 §2.1.

Two emails are in one thread when they name a Message-ID in common and their subjects agree once the marks of
answers are off: who answers an old mail to find an address, under a new subject, begins a new conversation. An
answer without any reference joins by its subject alone, if the last mail of that thread is no older than
``SUBJECT_MS`` and the author of the answer took part in it.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from store.changes.engine import AccountTxn
from store.mail.digest import Digest
from store.mail.model import Email, EmailId, ThreadId
from store.mail.subjects import subject_digest, thread_subject
from store.message.model import Address
from store.schema import keys
from store.schema.rows import Reader

SUBJECT_MS = 30 * 86_400_000
MOST_THREADS = 8  #: subjects kept for one Message-ID; the oldest is forgotten
MOST_MERGED = 50  #: emails that move to another thread at once; a larger thread stays as it is

_PAIR = 16  # subject digest and thread id, eight octets each
_ANY_SUBJECT = bytes(8)
_read_email = Reader(Email)


@dataclass(frozen=True, slots=True)
class Found:
    """The thread of a mail, and emails of other threads that turn out to belong to it."""

    thread: ThreadId
    is_new: bool
    strays: tuple[EmailId, ...] = ()


def find(txn: AccountTxn, digest: Digest, received_ms: int, email_id: EmailId) -> Found:
    """The thread for a mail that comes; ``email_id`` names a new one. Writes what leads later mails to it."""
    known = dict.fromkeys(names_of(digest), b"")
    for key in known:
        known[key] = txn.get(key) or b""
    base = thread_subject(digest.subject)
    subject = subject_digest(base.text)
    living = _living(txn, known.values(), subject)
    if not living and base.text and base.is_reply and not (digest.in_reply_to or digest.references):
        living = _by_subject(txn, subject, digest.addresses["From"], received_ms)
    thread, strays = _joined(txn, living) if living else (ThreadId(email_id), ())
    for key, pairs in known.items():
        _remember(txn, key, pairs, subject, thread)
    if base.text:
        txn.index(keys.subject(subject), keys.u64(thread) + keys.u64(received_ms))
    return Found(thread, not living, strays)


def follow(txn: AccountTxn, email: Email) -> None:
    """An email has changed its thread: what it names leads there as well."""
    subject = subject_digest(thread_subject(email.subject).text)
    for key in _names(email):
        _remember(txn, key, txn.get(key) or b"", subject, email.thread)


def is_alive(txn: AccountTxn, thread: int) -> bool:
    return next(txn.scan_prefix(b"T" + keys.u64(thread), limit=1), None) is not None


def forget(txn: AccountTxn, last: Email) -> None:
    """Take a dead thread out of what its last email named; ``collect`` gets what only earlier ones did."""
    for key in _names(last):
        _keep(txn, key, txn.get(key) or b"", lambda thread: thread != last.thread)
    key = keys.subject(subject_digest(thread_subject(last.subject).text))
    row = txn.get(key)
    if row is not None and row[:8] == keys.u64(last.thread):
        txn.unindex(key)


def collect(txn: AccountTxn, start: bytes, limit: int) -> bytes | None:
    """Take dead threads out of some rows by Message-ID or subject; where to go on, None at the end of them."""
    rows = list(txn.scan(start, keys.prefix_end(start[:1]), limit=limit))
    known: dict[int, bool] = {}

    def lives(thread: int) -> bool:
        if thread not in known:
            known[thread] = is_alive(txn, thread)
        return known[thread]

    for key, row in rows:
        if key[:1] == b"M":
            _keep(txn, key, row, lives)
        elif not lives(keys.read_u64(row[:8])):
            txn.unindex(key)
    return rows[-1][0] + b"\x00" if len(rows) == limit else None


def names_of(digest: Digest) -> list[bytes]:
    """The keys under which a mail that comes looks for its thread, nearest relatives first."""
    names = (*digest.message_ids, *digest.in_reply_to, *digest.references[::-1])
    return [thread_key(name) for name in names]


def _names(email: Email) -> set[bytes]:
    return {thread_key(name) for name in (*email.message_ids, *email.in_reply_to, *email.references)}


def thread_key(message_id: str) -> bytes:
    digest = hashlib.blake2b(message_id.encode("utf-8", "surrogateescape"), digest_size=16).digest()
    return keys.message_id(digest)


def _pairs(row: bytes) -> list[bytes]:
    """Subject and thread, oldest first. Rows written before subjects counted hold the thread alone."""
    if len(row) == _PAIR // 2:
        return [_ANY_SUBJECT + row]
    return [row[at : at + _PAIR] for at in range(0, len(row), _PAIR)]


def _remember(txn: AccountTxn, key: bytes, row: bytes, subject: bytes, thread: ThreadId) -> None:
    pairs = [pair for pair in _pairs(row) if pair[:8] != subject] if row else []
    after = b"".join((*pairs[-MOST_THREADS + 1 :], subject + keys.u64(thread)))
    if after != row:
        txn.index(key, after)


def _keep(txn: AccountTxn, key: bytes, row: bytes, lives: Callable[[int], bool]) -> None:
    """Leave the threads that live in a row; without any the row goes."""
    pairs = _pairs(row) if row else []
    kept = [pair for pair in pairs if lives(keys.read_u64(pair[8:]))]
    if not kept:
        txn.unindex(key)
    elif len(kept) < len(pairs):
        txn.index(key, b"".join(kept))


def _living(txn: AccountTxn, rows: Iterable[bytes], subject: bytes) -> list[ThreadId]:
    """Threads of this subject that some rows lead to and that still exist: names outlive them."""
    found: dict[int, bool] = {}
    for row in rows:
        for pair in _pairs(row) if row else ():
            thread = keys.read_u64(pair[8:])
            if thread not in found and pair[:8] in (subject, _ANY_SUBJECT):
                found[thread] = is_alive(txn, thread) and (
                    pair[:8] == subject or _subject_of(txn, thread) in (subject, None)
                )
    return [ThreadId(thread) for thread, is_ours in found.items() if is_ours]


def _subject_of(txn: AccountTxn, thread: int) -> bytes | None:
    last = _last_email(txn, thread)
    return subject_digest(thread_subject(last.subject).text) if last is not None else None


def _by_subject(txn: AccountTxn, subject: bytes, authors: tuple[Address, ...], received_ms: int) -> list[ThreadId]:
    """The latest thread of a subject, if it is recent and the author had a part in it."""
    row = txn.get(keys.subject(subject))
    if row is None or abs(received_ms - keys.read_u64(row[8:16])) > SUBJECT_MS:
        return []
    thread = keys.read_u64(row[:8])
    last = _last_email(txn, thread)
    if last is None:
        return []
    took_part = {each.email.lower() for field in (last.from_, last.to, last.cc) for each in field}
    return [ThreadId(thread)] if any(each.email.lower() in took_part for each in authors) else []


def _last_email(txn: AccountTxn, thread: int) -> Email | None:
    member = next(txn.scan_prefix(b"T" + keys.u64(thread), reverse=True, limit=1), None)
    row = txn.get(b"E" + member[0][9:17]) if member is not None else None
    return _read_email(row) if row is not None else None


def _joined(txn: AccountTxn, threads: list[ThreadId]) -> tuple[ThreadId, tuple[EmailId, ...]]:
    """The largest of some threads, and the emails of the others, as far as they may be moved at once."""
    if len(threads) == 1:
        return threads[0], ()
    members = {
        thread: [
            EmailId(keys.read_u64(key[9:17]))
            for key, _ in txn.scan_prefix(b"T" + keys.u64(thread), limit=MOST_MERGED + 1)
        ]
        for thread in threads
    }
    largest = max(threads, key=lambda thread: len(members[thread]))
    strays: list[EmailId] = []
    for thread in threads:
        if thread != largest and len(strays) + len(members[thread]) <= MOST_MERGED:
            strays += members[thread]
    return largest, tuple(strays)
