"""Mailboxes of many small generated mails: what the measurements of listing and searching start from.

    python -m benchmarks.mailboxes URL COUNT [--seed 1]

makes an account ``bob@b.example`` with COUNT mails in its inbox in the store that URL names, as ``store.url`` writes
it; one that was interrupted is filled further. ``Letters`` makes the mails (the same seed makes the same ones),
``fill`` puts them into an account without the reception: in large transactions, straight to the rows that
``store.mail.emails.add`` writes, so that a million mails take minutes and ``mailward fsck`` finds nothing wrong.
"""

import argparse
import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from itertools import islice

import numpy as np
from msgspec.structs import replace as with_fields

from store.accounts import account as accounts
from store.blob.contract import Staged
from store.blob.view import Blobs
from store.changes.announce import Announcer
from store.changes.engine import AccountId, AccountTxn, Change, Kind, Store
from store.kv.contract import counter
from store.kv.opening import open_kv
from store.mail import emails, mailboxes, quota
from store.mail.digest import Digest
from store.mail.emails import NewEmail
from store.mail.model import EmailId, EmailState, MailboxId, ThreadId, ThreadRow, Uid
from store.mail.parsing import digest_octets
from store.mail.subjects import subject_digest, thread_subject
from store.mail.threads import thread_key
from store.message.model import Address
from store.schema import keys
from store.schema.rows import pack

START_MS = 1_577_836_800_000  # 1 January 2020
STEP_MS = 180_000  # a mail every three minutes: 5.7 years for a million
WORDS_A_MAIL = 168
WORDS_A_LINE = 12
VOCABULARY = 60_000
PEOPLE = 2_000
THREAD_MAILS = 4  #: every second thread has so many, the others one
MAILS_A_TRANSACTION = 2_000
LOGIN = "bob@b.example"

_COMMON = [
    "the",
    "of",
    "and",
    "to",
    "in",
    "a",
    "is",
    "that",
    "for",
    "it",
    "as",
    "was",
    "with",
    "be",
    "by",
    "on",
    "not",
    "he",
    "his",
    "but",
    "at",
    "are",
    "this",
    "have",
    "from",
    "or",
    "had",
    "an",
    "they",
    "which",
    "one",
    "you",
    "were",
    "her",
    "all",
    "she",
    "there",
    "would",
    "their",
    "we",
    "him",
    "been",
    "has",
    "when",
    "who",
    "will",
    "more",
    "no",
    "if",
    "out",
    "so",
    "said",
    "what",
    "up",
    "its",
    "about",
    "into",
    "than",
    "them",
    "can",
    "only",
    "other",
    "new",
    "some",
    "could",
    "time",
    "these",
    "two",
    "may",
    "then",
    "do",
    "first",
    "any",
    "my",
    "now",
    "such",
    "like",
    "our",
    "over",
    "man",
    "me",
    "even",
    "most",
    "made",
    "after",
    "also",
    "did",
    "many",
    "before",
    "must",
    "through",
    "years",
    "where",
    "much",
    "your",
    "way",
    "well",
    "down",
    "should",
    "because",
    "each",
    "just",
    "those",
    "people",
    "how",
    "too",
    "little",
    "state",
    "good",
    "very",
    "make",
    "world",
    "still",
    "own",
    "see",
    "work",
    "long",
    "get",
    "here",
    "between",
    "both",
    "life",
    "being",
    "under",
    "never",
    "day",
    "same",
    "another",
    "know",
    "while",
    "last",
    "might",
    "us",
    "great",
    "old",
    "year",
    "off",
    "come",
    "since",
    "against",
    "go",
    "came",
    "right",
    "used",
    "take",
    "three",
    "meeting",
    "invoice",
    "report",
    "budget",
    "travel",
    "lunch",
    "project",
    "contract",
    "delivery",
    "order",
    "payment",
    "schedule",
    "review",
]
_ONSETS = [
    "b",
    "bl",
    "br",
    "c",
    "ch",
    "cl",
    "cr",
    "d",
    "dr",
    "f",
    "fl",
    "fr",
    "g",
    "gl",
    "gr",
    "h",
    "j",
    "k",
    "l",
    "m",
    "n",
    "p",
    "pl",
    "pr",
    "qu",
    "r",
    "s",
    "sc",
    "sh",
    "sl",
    "sp",
    "st",
    "t",
    "th",
    "tr",
    "v",
    "w",
    "z",
]
_VOWELS = ["a", "e", "i", "o", "u", "ai", "ea", "ee", "ia", "io", "oa", "ou"]
_CODAS = ["", "", "", "n", "r", "s", "t", "l", "ck", "nd", "rt", "ng", "st", "x"]
_ENDINGS = ["", "", "s", "ed", "ing", "er", "ly", "tion", "ment", "ness"]
_FIRST = [
    "Ann",
    "Bea",
    "Carl",
    "Dora",
    "Emil",
    "Fay",
    "Gus",
    "Hana",
    "Ivo",
    "Jill",
    "Kai",
    "Lena",
    "Max",
    "Nora",
    "Olaf",
    "Pia",
    "Quin",
    "Rosa",
    "Sven",
    "Tina",
    "Uwe",
    "Vera",
]
_LAST = [
    "Abel",
    "Baker",
    "Cruz",
    "Dunn",
    "Egan",
    "Ford",
    "Gray",
    "Holm",
    "Ito",
    "Jung",
    "Klein",
    "Lang",
    "Moor",
    "Novak",
    "Olsen",
    "Park",
    "Reed",
    "Stone",
    "Thor",
    "Wolf",
]


@dataclass(frozen=True, slots=True)
class Letter:
    """One generated mail."""

    octets: bytes
    digest: Digest
    received_ms: int
    is_answer: bool  #: belongs to the thread of the mail before it


def vocabulary(size: int = VOCABULARY) -> list[str]:
    """Distinct words, the commonest first; always the same."""
    chance = np.random.default_rng(7)
    found = dict.fromkeys(_COMMON)
    while len(found) < size:
        syllables = int(chance.integers(1, 4))
        parts = [
            str(chance.choice(_ONSETS)) + str(chance.choice(_VOWELS)) + str(chance.choice(_CODAS))
            for _ in range(syllables)
        ]
        found["".join(parts) + str(chance.choice(_ENDINGS))] = None
    return list(found)


class Letters:
    """Endless small mails of about 1.2 kB; words follow Zipf's law, every 25th mail has an attachment."""

    def __init__(self, seed: int = 1, size: int = VOCABULARY, first: int = 0) -> None:
        """``first``: the number of the first, and its date after it; others than those that begin at nought."""
        self._chance = np.random.default_rng(seed if not first else (seed, first))
        self.words = vocabulary(size)
        ranks = np.arange(2, size + 2, dtype=np.float64)
        weights = 1 / ranks
        self._cumulated = np.cumsum(weights / weights.sum())
        pairs = [(f, n) for f in _FIRST for n in _LAST]
        self._people = [
            Address(
                f"{pairs[i % len(pairs)][0]} {pairs[i % len(pairs)][1]}",
                f"{self.words[300 + i]}@{self.words[i % 90 + 200]}.example",
            )
            for i in range(PEOPLE)
        ]
        self._plain: Digest | None = None
        self._made = first

    def __iter__(self) -> Iterator[Letter]:
        while True:
            yield from self._batch(500)

    def _batch(self, count: int) -> Iterator[Letter]:
        drawn = np.searchsorted(self._cumulated, self._chance.random((count, WORDS_A_MAIL + 6)))
        who = (self._chance.random((count, 2)) ** 2 * PEOPLE).astype(np.int64)
        word = self.words.__getitem__
        for row, (sender, recipient) in zip(drawn.tolist(), who.tolist(), strict=True):
            text = list(map(word, row))
            lines = [" ".join(text[at : at + WORDS_A_LINE]) for at in range(6, WORDS_A_MAIL + 6, WORDS_A_LINE)]
            yield self._letter(text[:6], lines, self._people[sender], self._people[recipient])

    def _letter(self, subject: list[str], lines: list[str], sender: Address, recipient: Address) -> Letter:
        number = self._made
        self._made += 1
        received_ms = START_MS + number * STEP_MS
        place = number % (THREAD_MAILS + 1)
        is_answer = place >= 2
        title = " ".join(subject[:4]) if not is_answer else "Re: " + " ".join(subject[:3])
        head = (
            f"From: {sender.name} <{sender.email}>\r\nTo: {recipient.name} <{recipient.email}>\r\n"
            f"Subject: {title}\r\n"
            f"Date: {format_datetime(datetime.fromtimestamp(received_ms // 1000, UTC))}\r\n"
            f"Message-ID: <{number}.{sender.email}>\r\nMIME-Version: 1.0\r\n"
        )
        body = "\r\n".join(lines) + f"\r\nNumber {number:08d}\r\n"
        if number % 25 == 7:
            octets = _with_attachment(head, body, subject[4])
            return Letter(octets, digest_octets(octets), received_ms, is_answer)
        octets = f"{head}Content-Type: text/plain; charset=us-ascii\r\n\r\n{body}".encode()
        return Letter(
            octets, self._digest(octets, title, sender, recipient, number, received_ms), received_ms, is_answer
        )

    def _digest(
        self, octets: bytes, title: str, sender: Address, recipient: Address, number: int, received_ms: int
    ) -> Digest:
        """What ``digest_octets`` says, from a template: reading a mail is most of the cost of making one."""
        if self._plain is None or number % 10_000 == 0:
            self._plain = digest_octets(octets)
            return self._plain
        plain = self._plain
        start = octets.index(b"\r\n\r\n") + 4
        sizes = b" %d %d" % (len(octets) - start, octets.count(b"\r\n", start))
        old = b" %d %d" % (plain.structure.body_end - plain.structure.body_start, WORDS_A_MAIL // WORDS_A_LINE + 1)
        date = octets[octets.index(b"\r\nDate: ") + 8 :].split(b"\r\n", 1)[0]
        return replace(
            plain,
            size=len(octets),
            sent_ms=received_ms // 1000 * 1000,
            subject=title,
            preview=" ".join(octets[start : start + 300].decode().split())[:256].rstrip(),
            message_ids=(f"{number}.{sender.email}",),
            addresses={**plain.addresses, "From": (sender,), "To": (recipient,)},
            structure=with_fields(plain.structure, body_start=start, body_end=len(octets)),
            imap_envelope=_envelope(date, title, sender, recipient, number),
            imap_body=plain.imap_body.replace(old, sizes),
            imap_bodystructure=plain.imap_bodystructure.replace(old, sizes),
            header_octets=start,
        )


def _with_attachment(head: str, body: str, name: str) -> bytes:
    return (
        f'{head}Content-Type: multipart/mixed; boundary="frontier"\r\n\r\n'
        f"--frontier\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n{body}\r\n"
        f'--frontier\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename="{name}.pdf"\r\n'
        f"Content-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQK\r\n--frontier--\r\n"
    ).encode()


def _envelope(date: bytes, title: str, sender: Address, recipient: Address, number: int) -> bytes:
    def person(address: Address) -> bytes:
        local, _, domain = address.email.partition("@")
        return f'(("{address.name}" NIL "{local}" "{domain}"))'.encode()

    who = person(sender)
    return b'("%b" "%b" %b %b %b %b NIL NIL NIL "<%b>")' % (
        date,
        title.encode(),
        who,
        who,
        who,
        person(recipient),
        f"{number}.{sender.email}".encode(),
    )


@dataclass(slots=True)
class _Filling:
    """Where a mailbox stands while it is filled; written back to its counters by every transaction."""

    uid: int
    total: int = 0
    threads: int = 0
    octets: int = 0
    thread: int = 0  #: of the mail before
    thread_mails: int = 0


async def fill(
    store: Store,
    account: AccountId,
    mailbox: MailboxId,
    count: int,
    letters: Letters | None = None,
    *,
    told: Callable[[int], None] = lambda _: None,
) -> None:
    """Fill a mailbox up to ``count`` mails, all read; ``told`` is called with how many are in so far."""
    counts = await store.read(lambda view: mailboxes.counts(view.account(account), mailbox))
    filled = counts.total
    stream = iter(letters or Letters(first=filled))
    at = _Filling(counts.uid_next, filled, counts.threads, counts.octets)
    while filled < count:
        batch = list(islice(stream, min(MAILS_A_TRANSACTION, count - filled)))
        staged = [await store.blobs.stage(letter.octets) for letter in batch]
        at = await store.write(
            lambda txn, batch=batch, staged=staged, at=at: _add(  # type: ignore[misc]
                txn.account(account), mailbox, batch, staged, at
            )
        )
        filled += len(batch)
        told(filled)


def _add(txn: AccountTxn, mailbox: MailboxId, batch: list[Letter], staged: list[Staged], before: _Filling) -> _Filling:
    """Every row of these mails, as ``emails.add`` writes them."""
    at = replace(before)
    modseq = txn.next_modseq()
    first = counter(txn.get(keys.LAST_ID)) + 1
    for email_id, letter, octets in zip(range(first, first + len(batch)), batch, staged, strict=False):
        _thread(txn, mailbox, email_id, letter, at)
        new = NewEmail(txn.store.keep(octets), letter.digest, letter.received_ms, frozenset({"$seen"}))
        email = emails.row_of(EmailId(email_id), ThreadId(at.thread), new)
        txn.save(Kind.EMAIL, email_id, keys.email(email_id), pack(email), Change.CREATED)
        txn.link(email.blob, b"E" + keys.u64(email_id))
        txn.index(keys.thread_member(at.thread, email_id))
        subject = subject_digest(thread_subject(email.subject).text)
        txn.index(thread_key(email.message_ids[0]), subject + keys.u64(at.thread))
        quota.take(txn, email.size)
        txn.index(keys.uid(mailbox, at.uid), keys.u64(email_id))
        txn.index(keys.dated(mailbox, email.received_ms, email_id))
        state = EmailState(modseq, modseq, frozenset({"$seen"}), {mailbox: Uid(at.uid)})
        txn.index(keys.state(email_id), pack(state))
        at.uid, at.total, at.octets = at.uid + 1, at.total + 1, at.octets + email.size
    for _ in batch:
        txn.next_id()
    counts = mailboxes.counts(txn, mailbox)
    moved = with_fields(counts, uid_next=Uid(at.uid), total=at.total, threads=at.threads, octets=at.octets)
    txn.hold(keys.counts(mailbox), moved)
    txn.store.kv.put(keys.to_index(txn.account), b"")
    txn.log(Kind.MAILBOX, mailbox, Change.COUNTED)
    return at


def _thread(txn: AccountTxn, mailbox: MailboxId, email_id: int, letter: Letter, at: _Filling) -> None:
    if letter.is_answer and at.thread:
        at.thread_mails += 1
        txn.log(Kind.THREAD, at.thread, Change.UPDATED)
    else:
        at.thread, at.thread_mails, at.threads = email_id, 1, at.threads + 1
        txn.log(Kind.THREAD, at.thread, Change.CREATED)
    txn.index(keys.mailbox_thread(mailbox, at.thread), pack(ThreadRow(at.thread_mails, 0)))


async def open_filled(url: str, count: int, seed: int = 1, *, told: Callable[[int], None] = lambda _: None) -> Store:
    """A store with ``bob@b.example`` and his ``count`` mails, new or filled further; the caller closes it."""
    kv = await open_kv(url)
    store = Store(kv, Blobs(kv), Announcer())
    account = await store.read(lambda view: accounts.find(view, LOGIN))
    if account is None:
        account = await store.write(lambda txn: accounts.create(txn, LOGIN, "Bob", "", START_MS // 1000))
    bob = account.id
    inbox = await store.read(lambda view: mailboxes.with_role(view.account(bob), "inbox"))
    assert inbox is not None
    counts = await store.read(lambda view: mailboxes.counts(view.account(bob), inbox.id))
    await fill(store, bob, inbox.id, count, Letters(seed, first=counts.total), told=told)
    return store


async def _main(url: str, count: int, seed: int) -> None:
    started = time.monotonic()
    store = await open_filled(url, count, seed, told=lambda done: print(f"\r{done} of {count}", end="", flush=True))
    await store.close()
    print(f"\r{count} mails in {time.monotonic() - started:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description="Make a mailbox of many small mails.")
    parser.add_argument("url", metavar="URL")
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    asyncio.run(_main(given.url, given.count, given.seed))


if __name__ == "__main__":
    main()
