"""What follows from counting an account's rows: the counts of its mailboxes, and what its quota says it holds.

Sums are taken slice by slice. They are exact when nobody changed the account meanwhile; else a mailbox is counted once
more by itself, and in a single snapshot if it never stands still.
"""

from dataclasses import dataclass, field

from store.accounts import account as accounts
from store.changes.engine import AccountId, AccountView, Store, StoreTxn, StoreView
from store.kv.contract import successor
from store.mail import domains, emails, mailboxes, quota
from store.mail.model import SEEN, MailboxCounts, MailboxId, Uid
from store.schema import keys
from store.schema.rows import RowDamaged, pack
from store.upkeep.findings import Finding, Heal, Look

SLICE = 1_000  #: uids counted in one snapshot
_ATTEMPTS = 3

Counted = tuple[MailboxCounts | None, MailboxCounts, int]
"""What the counts say, what they should say, and the account's modseq at which that was so."""


@dataclass(slots=True)
class Tally:
    """What the counts of one account should say: summed from its rows, slice by slice."""

    mails: int = 0
    octets: int = 0
    placed: dict[int, list[int]] = field(default_factory=dict)  #: mailbox: total, unread, octets
    threads: dict[int, list[int]] = field(default_factory=dict)  #: mailbox: threads, those with unread emails
    says: dict[int, MailboxCounts] = field(default_factory=dict)

    def add(self, look: Look, key: bytes, value: bytes) -> None:
        """Count one row of the account. May raise what reading a damaged row raises: that is a finding of its own."""
        letter = key[5:6]
        if letter == b"C" and len(key) == 10:
            self.says[keys.read_u32(key[6:10])] = mailboxes.read_counts(value)
        elif letter == b"E":
            self.mails, self.octets = self.mails + 1, self.octets + emails.read_head(value).size
        elif letter == b"S":
            email = look.email(keys.read_u32(key[1:5]), keys.read_u64(key[6:14]))
            state = emails.read_state(value)
            for mailbox in state.placements if email is not None else ():
                _add(self.placed, mailbox, (1, int(SEEN not in state.keywords), email.size if email else 0))
        elif letter == b"Y":
            row = emails.read_thread_row(value)
            _add(self.threads, keys.read_u32(key[6:10]), (1, int(row.unread > 0)))

    def merge(self, other: "Tally") -> None:
        self.mails, self.octets = self.mails + other.mails, self.octets + other.octets
        for mine, theirs in ((self.placed, other.placed), (self.threads, other.threads)):
            for mailbox, numbers in theirs.items():
                _add(mine, mailbox, tuple(numbers))
        self.says.update(other.says)

    def wrong(self) -> list[MailboxId]:
        """Mailboxes whose counts say something else."""
        return [MailboxId(mailbox) for mailbox, says in self.says.items() if says != self._should(mailbox, says)]

    def _should(self, mailbox: int, says: MailboxCounts) -> MailboxCounts:
        total, unread, octets = self.placed.get(mailbox, [0, 0, 0])
        threads, unread_threads = self.threads.get(mailbox, [0, 0])
        return MailboxCounts(says.uid_next, total, unread, threads, unread_threads, octets)


def _add(sums: dict[int, list[int]], mailbox: int, numbers: tuple[int, ...]) -> None:
    at = sums.setdefault(mailbox, [0] * len(numbers))
    for index, number in enumerate(numbers):
        at[index] += number


async def check_account(store: Store, number: int, tally: Tally) -> list[Finding]:
    """What an account's counts say wrongly, looked at again where it seems so.

    Where a row cannot be read nothing can be counted: that is a finding already.
    """
    try:
        return await _check_account(store, number, tally)
    except RowDamaged:
        return []


async def _check_account(store: Store, number: int, tally: Tally) -> list[Finding]:
    account = AccountId(number)
    found: list[Finding] = []
    for mailbox in tally.wrong():
        says, should, _ = await counted(store, account, mailbox)
        if says is not None and says != should:
            name = await store.read(lambda view: Look(view).name_of(number))
            where = f"{name} mailbox {mailbox}"
            what = f"counts say {_told(says)}, its emails say {_told(should)}"
            found.append(Finding(where, what, remedy="its emails are counted again", heal=write(number, mailbox)))
    said = await store.read(lambda view: quota.difference(view.account(account), tally.mails, tally.octets))
    if said is not None:
        found += await store.read(lambda view: _check_quota(view, account))
    return found


def _told(counts: MailboxCounts) -> str:
    numbers = f"{counts.total} emails, {counts.unread} unread, {counts.octets} octets"
    return f"{numbers}, {counts.threads} threads, {counts.unread_threads} of them unread"


def _check_quota(view: StoreView, account: AccountId) -> list[Finding]:
    """The quota's counters in one snapshot. An account that is being removed, or that is gone, has none to be right."""
    row = accounts.get(view.kv, account)
    if row is None or row.is_leaving:
        return []
    mine = view.account(account)
    mails = octets = 0
    for _, value in mine.scan_prefix(b"E"):
        mails, octets = mails + 1, octets + emails.read_head(value).size
    said = quota.difference(mine, mails, octets)
    domain = domains.of_address(row.address)

    async def heal(store: Store) -> None:
        await quota.recount(store, account, domain)

    return [Finding(row.address, said, remedy="its mail is counted again", heal=heal)] if said is not None else []


async def counted(store: Store, account: AccountId, mailbox: MailboxId) -> Counted:
    """What the row of a mailbox's counts says, what it should say, and the account's modseq at which that was so."""
    for _ in range(_ATTEMPTS):
        found = await _count_in_slices(store, account, mailbox)
        if found is not None:
            return found
    return await store.read(lambda view: _whole(view.account(account), mailbox))


async def _count_in_slices(store: Store, account: AccountId, mailbox: MailboxId) -> Counted | None:
    sums, says, began = [0, 0, 0, 0, 0], None, None
    last_uid = 0
    for letter in (b"U", b"Y"):
        prefix = letter + keys.u32(mailbox)
        start: bytes | None = prefix
        while start is not None:
            step = await store.read(lambda view, at=start: _slice(view.account(account), mailbox, at))  # type: ignore[misc]
            began = step.modseq if began is None else began
            if step.modseq != began:
                return None
            sums = [mine + more for mine, more in zip(sums, step.sums, strict=True)]
            says, start, last_uid = step.says, step.next, max(last_uid, step.last_uid)
    assert began is not None
    return says, _counts(says, sums, last_uid), began


@dataclass(frozen=True, slots=True)
class _Slice:
    modseq: int
    says: MailboxCounts | None
    sums: list[int]
    last_uid: int
    next: bytes | None


def _slice(mine: AccountView, mailbox: MailboxId, start: bytes, limit: int | None = SLICE) -> _Slice:
    total = unread = octets = threads = unread_threads = last_uid = rows = 0
    key = start
    for key, value in mine.scan(start, keys.prefix_end(start[:1] + keys.u32(mailbox)), limit=limit):
        rows += 1
        if key[:1] == b"Y":
            threads, unread_threads = threads + 1, unread_threads + (emails.read_thread_row(value).unread > 0)
            continue
        last_uid = keys.read_u32(key[5:9])
        head = mine.row(keys.email(keys.read_u64(value)), emails.read_head)
        state = emails.state(mine, keys.read_u64(value))
        if head is not None and state is not None and state.placements.get(mailbox) == last_uid:
            total, unread, octets = total + 1, unread + (SEEN not in state.keywords), octets + head.size
    says = mine.row(keys.counts(mailbox), mailboxes.read_counts)
    following = successor(key) if rows == limit else None
    return _Slice(mine.modseq, says, [total, unread, threads, unread_threads, octets], last_uid, following)


def _whole(mine: AccountView, mailbox: MailboxId) -> Counted:
    by_uid = _slice(mine, mailbox, b"U" + keys.u32(mailbox), None)
    by_thread = _slice(mine, mailbox, b"Y" + keys.u32(mailbox), None)
    sums = [one + other for one, other in zip(by_uid.sums, by_thread.sums, strict=True)]
    return by_uid.says, _counts(by_uid.says, sums, by_uid.last_uid), by_uid.modseq


def _counts(says: MailboxCounts | None, sums: list[int], last_uid: int) -> MailboxCounts:
    uid_next = max(says.uid_next if says is not None else 1, last_uid + 1)
    return MailboxCounts(Uid(uid_next), *sums)


def write(number: int, mailbox: MailboxId) -> Heal:
    """Count a mailbox again and write it, unless its account changed meanwhile: then once more."""
    account = AccountId(number)
    key = keys.scope(number) + keys.counts(mailbox)

    async def heal(store: Store) -> None:
        for _ in range(_ATTEMPTS):
            _, should, modseq = await counted(store, account, mailbox)

            def once(txn: StoreTxn, modseq: int = modseq, should: MailboxCounts = should) -> bool:
                if txn.account(account).modseq != modseq:
                    return False
                txn.kv.put(key, pack(should))
                return True

            if await store.write(once):
                return
        await store.write(lambda txn: txn.kv.put(key, pack(_whole(StoreView(txn.kv).account(account), mailbox)[1])))

    return heal
