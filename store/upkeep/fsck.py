"""Proving the store's invariants. Reads everything in one snapshot, changes nothing."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from store.accounts import account as accounts
from store.accounts.account import Account
from store.audit import chain
from store.blob.chunks import fault_of
from store.blob.contract import BlobId
from store.changes.engine import AccountView, StoreView
from store.kv.contract import counter
from store.mail import emails, mailboxes, reading
from store.mail.model import SEEN, Email, EmailId, EmailState, MailboxCounts, MailboxId, ThreadRow
from store.quarantine import held as quarantine
from store.quarantine.held import Held
from store.schema import keys
from store.schema.rows import RowDamaged
from store.upkeep import links
from store.upkeep.links import Finding


def check(view: StoreView) -> Iterator[Finding]:
    """Everything that is wrong; nothing when the store is sound."""
    yield from _reading("accounts", check_accounts(view))
    yield from _reading("quarantine", check_quarantine(view))
    for where, look in (
        ("links", links.check_links),
        ("queue", links.check_jobs),
        ("uploads", links.check_uploads),
        ("accounts", links.check_strays),
    ):
        yield from _reading(where, look(view))
    yield from check_audit(view)


def _reading(where: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """A row that cannot be read ends the look at its part of the store, and is a finding itself."""
    try:
        yield from findings
    except RowDamaged as error:
        yield Finding(where, f"a row cannot be read: {error}")


def check_accounts(view: StoreView) -> Iterator[Finding]:
    for account in accounts.all_accounts(view):
        yield from _reading(account.address, check_account(view, account))


def check_audit(view: StoreView) -> Iterator[Finding]:
    broken = chain.verify(view)
    if broken is not None:
        yield Finding(f"audit entry {broken.seq}", broken.why)


def check_quarantine(view: StoreView) -> Iterator[Finding]:
    """Held mails are in the order once each, and their octets are there."""
    ordered = Counter(
        key[len(keys.HELD_ORDER) + 8 :].decode()
        for key, _ in view.kv.scan(keys.HELD_ORDER, keys.prefix_end(keys.HELD_ORDER))
    )
    for _, row in view.kv.scan(keys.HELD, keys.prefix_end(keys.HELD)):
        held: Held = quarantine.read_held(row)
        wanted = 1 if held.is_held else 0
        if ordered.pop(held.id, 0) != wanted:
            yield Finding(f"quarantine {held.id}", f"should be {wanted} times in the order of doubt")
        if held.is_held:
            yield from check_blob(view, held.blob, f"quarantine {held.id}", b"q" + held.id.encode())
    for left in ordered:
        yield Finding(f"quarantine {left}", "is in the order of doubt but has no row")


def check_blob(view: StoreView, blob: BlobId, where: str, owner: bytes) -> Iterator[Finding]:
    """The octets are there and the owner has a link of its own: somebody else's may go at any time."""
    fault = fault_of(view.kv, blob)
    if fault is not None:
        yield Finding(where, f"its octets: {fault}")
    if view.kv.get(keys.link(blob, owner)) is None:
        yield Finding(where, "its octets are not linked and would be collected")


def check_account(view: StoreView, account: Account) -> Iterator[Finding]:
    """Rows, indexes and counters of one account agree with one another."""
    mine = view.account(account.id)
    for address in (account.address, *account.aliases):
        if view.kv.get(keys.address(address)) != keys.u32(account.id):
            yield Finding(account.address, f"address {address} does not lead to the account")
    tally = _Tally(mine)
    for email_id, state in reading.every_state(mine):
        email = emails.get(mine, email_id)
        where = f"{account.address} email {email_id}"
        if email is None:
            yield Finding(where, "has a state but no row")
            continue
        yield from tally.add(where, email, state)
        yield from check_blob(view, email.blob, where, keys.scope(account.id) + b"E" + keys.u64(email_id))
    yield from tally.compare(account.address)


class _Tally:
    """What the counters of an account should say, from its emails."""

    def __init__(self, view: AccountView) -> None:
        self._view = view
        self._modseq = counter(view.get(keys.MODSEQ))
        self._placed: Counter[MailboxId] = Counter()
        self._unread: Counter[MailboxId] = Counter()
        self._octets: Counter[MailboxId] = Counter()
        self._threads: dict[MailboxId, Counter[int]] = defaultdict(Counter)
        self._unread_threads: dict[MailboxId, Counter[int]] = defaultdict(Counter)
        self._emails: set[EmailId] = set()

    def add(self, where: str, email: Email, state: EmailState) -> Iterator[Finding]:
        self._emails.add(email.id)
        unread = int(SEEN not in state.keywords)
        if not state.placements:
            yield Finding(where, "is in no mailbox")
        if not state.created_modseq <= state.modseq <= self._modseq:
            yield Finding(where, f"modseq {state.modseq} lies outside the account's history")
        if self._view.get(keys.thread_member(email.thread, email.id)) is None:
            yield Finding(where, "is missing from its thread")
        for mailbox, uid in state.placements.items():
            if reading.email_at(self._view, mailbox, uid) != email.id:
                yield Finding(where, f"uid {uid} of mailbox {mailbox} does not lead to it")
            if self._view.get(keys.dated(mailbox, email.received_ms, email.id)) is None:
                yield Finding(where, f"is missing from mailbox {mailbox} by date")
            self._placed[mailbox] += 1
            self._unread[mailbox] += unread
            self._octets[mailbox] += email.size
            self._threads[mailbox][email.thread] += 1
            self._unread_threads[mailbox][email.thread] += unread

    def compare(self, account: str) -> Iterator[Finding]:
        known = {m.id for m in mailboxes.list_all(self._view)}
        for mailbox in sorted(known | set(self._placed)):
            where = f"{account} mailbox {mailbox}"
            if mailbox not in known:
                yield Finding(where, "holds emails but does not exist")
            yield from self._compare_mailbox(mailbox, where)
        for key, _ in self._view.scan_prefix(b"E"):
            if EmailId(keys.read_u64(key[1:9])) not in self._emails:
                yield Finding(f"{account} email {keys.read_u64(key[1:9])}", "has a row but no state")

    def _compare_mailbox(self, mailbox: MailboxId, where: str) -> Iterator[Finding]:
        counts = mailboxes.counts(self._view, mailbox)
        uids = [uid for uid, _ in reading.placements(self._view, mailbox)]
        dated = sum(1 for _ in self._view.scan_prefix(b"D" + keys.u32(mailbox)))
        threads = {
            keys.read_u64(key[5:13]): emails.read_thread_row(row)
            for key, row in self._view.scan_prefix(b"Y" + keys.u32(mailbox))
        }
        should = MailboxCounts(
            counts.uid_next,
            self._placed[mailbox],
            self._unread[mailbox],
            len(self._threads[mailbox]),
            sum(1 for n in self._unread_threads[mailbox].values() if n),
            self._octets[mailbox],
        )
        if counts != should:
            yield Finding(where, f"counts say {counts}, its emails say {should}")
        if len(uids) != self._placed[mailbox] or dated != self._placed[mailbox]:
            yield Finding(where, f"{len(uids)} uids and {dated} dates for {self._placed[mailbox]} emails")
        if uids and uids[-1] >= counts.uid_next:
            yield Finding(where, f"uid {uids[-1]} is not below uidnext {counts.uid_next}")
        unread = self._unread_threads[mailbox]
        if threads != {t: ThreadRow(n, unread[t]) for t, n in self._threads[mailbox].items()}:
            yield Finding(where, "its thread counters do not match its emails")
