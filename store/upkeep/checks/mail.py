"""Rows of one account: mailboxes, emails, their indexes, uploads, and what follows from counting them."""

from collections.abc import Iterator
from dataclasses import dataclass

from msgspec.structs import replace

from store.blob.chunks import shape_of
from store.blob.contract import BlobId
from store.changes.engine import AccountId, Change, Kind, StoreTxn, StoreView
from store.kv.contract import StoreError, counter, counter_octets
from store.mail import emails, mailboxes
from store.mail.model import SEEN, EmailHead, EmailState, Mailbox, MailboxId, ThreadRow, Uid
from store.schema import keys
from store.schema.rows import pack
from store.upkeep.checks import counting
from store.upkeep.findings import Finding, Look, Mend, delete, put

_ADD, _DROP = "the row is written again", "the row is taken out"


@dataclass(frozen=True, slots=True)
class _At:
    """A row of an account, taken apart."""

    account: int
    rest: bytes  #: behind the letter

    @classmethod
    def of(cls, key: bytes, octets: int) -> "_At":
        """Raises ValueError when there are not exactly so many octets behind the letter."""
        if len(key) != 6 + octets:
            raise ValueError(f"its key has {len(key)} octets instead of {6 + octets}")
        return cls(keys.read_u32(key[1:5]), key[6:])

    def u32(self, at: int) -> int:
        return keys.read_u32(self.rest[at : at + 4])

    def u64(self, at: int) -> int:
        return keys.read_u64(self.rest[at : at + 8])

    @property
    def scope(self) -> bytes:
        return keys.scope(self.account)


def check_modseq(look: Look, key: bytes, value: bytes) -> Iterator[Finding]:
    """Nothing in the account's history is newer than its counter: modseqs are never given out twice."""
    at = _At.of(key, 0)
    if len(value) != 8:
        raise ValueError("it is no counter")
    mine = look.account(at.account)
    newest = 0
    for kind in Kind:
        last = next(mine.scan_prefix(b"H" + bytes([kind]), reverse=True, limit=1), None)
        newest = max(newest, keys.read_u64(last[0][2:10]) if last is not None else 0)
    if counter(value) < newest:
        yield Finding(
            look.name_of(at.account),
            f"its counter of changes says {counter(value)}, but its history goes to {newest}",
            key,
            "the counter is set forward",
            put(key, counter_octets(newest)),
        )


def check_last_id(look: Look, key: bytes, value: bytes) -> Iterator[Finding]:
    """No object has an id that is still to be given out."""
    at = _At.of(key, 0)
    if len(value) != 8:
        raise ValueError("it is no counter")
    mine = look.account(at.account)
    highest = 0
    for letter in (b"E", b"S"):
        last = next(mine.scan_prefix(letter, reverse=True, limit=1), None)
        highest = max(highest, keys.read_u64(last[0][1:9]) if last is not None else 0)
    last = next(mine.scan_prefix(b"B", reverse=True, limit=1), None)
    highest = max(highest, keys.read_u32(last[0][1:5]) if last is not None else 0)
    if counter(value) < highest:
        yield Finding(
            look.name_of(at.account),
            f"its last object id is {counter(value)}, but {highest} is in use",
            key,
            "the counter is set forward",
            put(key, counter_octets(highest)),
        )


def check_mailbox(look: Look, key: bytes, value: bytes) -> Iterator[Finding]:
    """It can be read, its parent is there, and it has its row of counts."""
    at = _At.of(key, 4)
    mailbox = mailboxes.read_mailbox(value)
    where = f"{look.name_of(at.account)} mailbox {mailbox.name}"
    if mailbox.id != at.u32(0):
        yield Finding(where, f"its row says it is mailbox {mailbox.id}", key)
    if mailbox.parent is not None and not look.has_mailbox(at.account, mailbox.parent):
        top = pack(replace(mailbox, parent=None))
        yield Finding(
            where, "the mailbox it lies in does not exist", key, "it becomes a mailbox of the top", put(key, top)
        )
    if not look.has(at.scope + keys.counts(mailbox.id)):
        yield Finding(
            where, "has no row of counts", key, "its emails are counted", heal=counting.write(at.account, mailbox.id)
        )
    yield from _counters_are_there(look, at, key)


def _counters_are_there(look: Look, at: _At, key: bytes) -> Iterator[Finding]:
    for counter_key, check in ((keys.MODSEQ, check_modseq), (keys.LAST_ID, check_last_id)):
        if not look.has(at.scope + counter_key):
            for lost in check(look, at.scope + counter_key, counter_octets(-1)):
                yield replace_key(lost, key)


def replace_key(finding: Finding, key: bytes) -> Finding:
    return Finding(finding.where, finding.what, key, finding.remedy, finding.mend)


def check_counts(look: Look, key: bytes, value: bytes) -> Iterator[Finding]:
    """They belong to a mailbox, and no uid in use is still to be given out. The numbers: ``Tally``."""
    at = _At.of(key, 4)
    counts = mailboxes.read_counts(value)
    mailbox = MailboxId(at.u32(0))
    where = f"{look.name_of(at.account)} mailbox {mailbox}"
    mine = look.account(at.account)
    if not look.has_mailbox(at.account, mailbox):
        if next(mine.scan_prefix(b"U" + keys.u32(mailbox), limit=1), None) is not None:
            yield from _mailbox_lost(look, at, mailbox, key)
        else:
            yield Finding(where, "has counts but does not exist", key, _DROP, delete(key))
    last = next(mine.scan_prefix(b"U" + keys.u32(mailbox), reverse=True, limit=1), None)
    if last is not None and keys.read_u32(last[0][5:9]) >= counts.uid_next:
        uid = keys.read_u32(last[0][5:9])
        ahead = pack(replace(counts, uid_next=Uid(uid + 1)))
        yield Finding(
            where, f"uid {uid} is not below uidnext {counts.uid_next}", key, "uidnext is set forward", put(key, ahead)
        )


def _mailbox_lost(look: Look, at: _At, mailbox: MailboxId, key: bytes) -> Iterator[Finding]:
    """A mailbox whose row is gone while emails are in it comes back under a name of its own."""
    where = f"{look.name_of(at.account)} mailbox {mailbox}"

    def mend(txn: StoreTxn) -> None:
        mine = txn.account(AccountId(at.account))
        taken = {each.name for each in mailboxes.list_all(mine)}
        roles = {each.role for each in mailboxes.list_all(mine)}
        is_inbox = "inbox" not in roles
        name = "INBOX" if is_inbox and "INBOX" not in taken else f"Recovered {mailbox}"
        row = Mailbox(mailbox, name, None, "inbox" if is_inbox else "", mine.next_modseq() + mailbox)
        mine.save(Kind.MAILBOX, mailbox, keys.mailbox(mailbox), pack(row), Change.CREATED)

    yield Finding(where, "holds emails but does not exist", key, "it is made again under a name of its own", mend)


def check_email(look: Look, key: bytes, value: bytes) -> Iterator[Finding]:
    """Its state, its thread, its octets and the link that keeps them are there."""
    at = _At.of(key, 8)
    email = emails.read_email(value)
    if email.id != at.u64(0):
        raise ValueError(f"it says it is email {email.id}")
    if look.state(at.account, email.id) is None:
        remedy = "it gets a state anew, unread, where its uids say it was, or in the inbox"
        yield Finding("", "has a row but no state", key, remedy, lost=(at.account, email.id))
    member = at.scope + keys.thread_member(email.thread, email.id)
    if not look.has(member):
        yield Finding("", "is missing from its thread", key, _ADD, put(member))
    yield from octets_are_kept(look, email.blob, "", at.scope + b"E" + keys.u64(email.id), key)


def octets_are_kept(look: Look, blob: BlobId, name: str, owner: bytes, key: bytes) -> Iterator[Finding]:
    """The owner has a link of its own: somebody else's may go at any time. That it leads to octets: ``check_link``."""
    link = keys.link(blob, owner)
    if not look.has(link):
        yield Finding(name, "its octets are not linked and would be collected", key, "they are linked", put(link))


def check_state(look: Look, key: bytes, value: bytes) -> Iterator[Finding]:
    """Its email is there, and every mailbox it names leads to it by uid, by date and by thread."""
    at = _At.of(key, 8)
    state, number = emails.read_state(value), at.u64(0)
    email = look.email(at.account, number)
    if email is None:
        remedy = "its row is made again from its octets, or, when no link leads to any, it is taken out"
        yield Finding("", "has a state but no row", key, remedy, lost=(at.account, number))
        return
    yield from _check_history(look, at, key, state)
    if not state.placements:
        remedy = "it is put where a uid leads to it, or into the inbox"
        yield Finding("", "is in no mailbox", key, remedy, lost=(at.account, number))
    for mailbox, uid in state.placements.items():
        yield from _check_placement(look, at, key, email, mailbox, uid)


def _check_history(look: Look, at: _At, key: bytes, state: EmailState) -> Iterator[Finding]:
    now = look.account(at.account).modseq
    if not state.created_modseq <= state.modseq <= now:

        def mend(txn: StoreTxn) -> None:
            counter_key = at.scope + keys.MODSEQ
            missing = max(state.modseq, state.created_modseq) - counter(txn.kv.get(counter_key))
            if missing > 0:
                txn.kv.add(counter_key, missing)
            fresh = replace(state, modseq=max(state.modseq, state.created_modseq))
            txn.kv.put(key, pack(fresh))

        what = f"modseq {state.modseq} lies outside the account's history"
        yield Finding("", what, key, "the account's counter is set forward", mend)


def _check_placement(
    look: Look, at: _At, key: bytes, email: EmailHead, mailbox: MailboxId, uid: Uid
) -> Iterator[Finding]:
    if not look.has_mailbox(at.account, mailbox):
        yield from _mailbox_lost(look, at, mailbox, key)
    by_uid = at.scope + keys.uid(mailbox, uid)
    leads_to = look.get(by_uid)
    if leads_to != keys.u64(email.id):
        other = keys.read_u64(leads_to) if leads_to is not None and len(leads_to) == 8 else None
        is_free = other is None or not _is_placed(look, at.account, other, mailbox, uid)
        what = f"uid {uid} of mailbox {mailbox} does not lead to it"
        if is_free:
            yield Finding("", what, key, _ADD, put(by_uid, keys.u64(email.id)))
        else:
            remedy = "it gets another uid"
            yield Finding("", f"{what} but to email {other}", key, remedy, _another_uid(at, key, email.id, mailbox))
    by_date = at.scope + keys.dated(mailbox, email.received_ms, email.id)
    if not look.has(by_date):
        yield Finding("", f"is missing from mailbox {mailbox} by date", key, _ADD, put(by_date))
    in_thread = at.scope + keys.mailbox_thread(mailbox, email.thread)
    if not look.has(in_thread):
        mend = _count_thread(at.account, mailbox, email.thread)
        yield Finding("", f"its thread is not counted in mailbox {mailbox}", key, "it is counted", mend)


def _is_placed(look: Look, account: int, email: int, mailbox: int, uid: int) -> bool:
    state = look.state(account, email)
    return state is not None and state.placements.get(MailboxId(mailbox)) == uid


def _another_uid(at: _At, key: bytes, email: int, mailbox: MailboxId) -> Mend:
    def mend(txn: StoreTxn) -> None:
        mine = txn.account(AccountId(at.account))
        row, counts = txn.kv.get(key), mailboxes.counts(mine, mailbox)
        if row is not None:
            state = emails.read_state(row)
            moved = replace(state, placements={**state.placements, mailbox: counts.uid_next}, modseq=mine.next_modseq())
            mine.save(Kind.EMAIL, email, keys.state(email), pack(moved), Change.UPDATED)
            mine.index(keys.uid(mailbox, counts.uid_next), keys.u64(email))
            mine.index(keys.counts(mailbox), pack(replace(counts, uid_next=Uid(counts.uid_next + 1))))

    return mend


def check_uid(look: Look, key: bytes, value: bytes) -> Iterator[Finding]:
    """It leads to an email that is there under that uid."""
    at = _At.of(key, 8)
    mailbox, uid, email = at.u32(0), at.u32(4), keys.read_u64(value)
    if not _is_placed(look, at.account, email, mailbox, uid):
        where = f"{look.name_of(at.account)} mailbox {mailbox} uid {uid}"
        has_state = look.has(at.scope + keys.state(email))
        if not has_state and look.has(at.scope + keys.email(email)):
            return  # the email without a state is a finding, and this row says where it was
        yield Finding(where, f"leads to email {email}, which is not there", key, _DROP, delete(key))


def check_dated(look: Look, key: bytes, value: bytes) -> Iterator[Finding]:
    at = _At.of(key, 20)
    mailbox, ms, number = at.u32(0), at.u64(4), at.u64(12)
    email, state = look.email(at.account, number), look.state(at.account, number)
    if email is None or state is None:
        is_half = email is not None or state is not None  # then the row may still tell where the email was
        is_right = is_half
    else:
        is_right = email.received_ms == ms and mailbox in state.placements
    if not is_right:
        where = f"{look.name_of(at.account)} mailbox {mailbox}"
        yield Finding(where, f"lists email {number} by a date under which it is not there", key, _DROP, delete(key))


def check_thread_member(look: Look, key: bytes, value: bytes) -> Iterator[Finding]:
    at = _At.of(key, 16)
    thread, number = at.u64(0), at.u64(8)
    email = look.email(at.account, number)
    if email is None and look.has(at.scope + keys.state(number)):
        return  # this row says in which thread an email was whose row is lost
    if email is None or email.thread != thread:
        where = f"{look.name_of(at.account)} thread {thread}"
        yield Finding(where, f"lists email {number}, which is not in it", key, _DROP, delete(key))


def check_mailbox_thread(look: Look, key: bytes, value: bytes) -> Iterator[Finding]:
    """How many emails of a thread are in a mailbox, and unread, counted anew."""
    at = _At.of(key, 12)
    mailbox, thread = MailboxId(at.u32(0)), at.u64(4)
    says, should = emails.read_thread_row(value), counted_thread(look.view, at.account, mailbox, thread)
    if says != should:
        where = f"{look.name_of(at.account)} mailbox {mailbox} thread {thread}"
        what = f"counts {says.total} emails ({says.unread} unread), there are {should.total} ({should.unread})"
        yield Finding(where, what, key, "it is counted again", _count_thread(at.account, mailbox, thread))


def counted_thread(view: StoreView, account: int, mailbox: MailboxId, thread: int) -> ThreadRow:
    mine = view.account(AccountId(account))
    total = unread = 0
    for key, _ in mine.scan_prefix(b"T" + keys.u64(thread)):
        row = mine.get(keys.state(keys.read_u64(key[9:17])))
        state = emails.read_state(row) if row is not None else None
        if state is not None and mailbox in state.placements:
            total, unread = total + 1, unread + (SEEN not in state.keywords)
    return ThreadRow(total, unread)


def _count_thread(account: int, mailbox: MailboxId, thread: int) -> Mend:
    def mend(txn: StoreTxn) -> None:
        row = counted_thread(StoreView(txn.kv), account, mailbox, thread)
        key = keys.scope(account) + keys.mailbox_thread(mailbox, thread)
        if row.total:
            txn.kv.put(key, pack(row))
        else:
            txn.kv.delete(key)

    return mend


def check_message_id(look: Look, key: bytes, value: bytes) -> Iterator[Finding]:
    """It names a thread; one that is gone is passed over when the next answer comes."""
    at = _At.of(key, 16)
    if len(value) != 8 and (not value or len(value) % 16):
        what = "a Message-ID leads to no thread"
        yield Finding(look.name_of(at.account), what, key, _DROP, delete(key))


def check_change(look: Look, key: bytes, value: bytes) -> Iterator[Finding]:
    at = _At.of(key, 17)
    if at.rest[0] not in set(Kind) or value not in {bytes([each]) for each in Change}:
        raise ValueError("a change of an unknown kind")
    yield from ()


def check_vanished(look: Look, key: bytes, value: bytes) -> Iterator[Finding]:
    at = _At.of(key, 16)
    if not look.has_mailbox(at.account, MailboxId(at.u32(0))) and not look.has(at.scope + keys.counts(at.u32(0))):
        where = f"{look.name_of(at.account)} mailbox {at.u32(0)}"
        yield Finding(where, "is gone, but its list of vanished uids is there", key, _DROP, delete(key))


def check_upload(look: Look, key: bytes, value: bytes) -> Iterator[Finding]:
    """An upload that waits is linked, whole, and of the size it says."""
    at = _At.of(key, 40)
    blob, size = BlobId(at.rest[8:]), keys.read_u64(value)
    where = f"account {at.account} upload {blob.hex()[:16]}"
    owner = key[: 6 + 8]
    yield from octets_are_kept(look, blob, where, owner, key)
    try:
        shape = shape_of(look.view.kv, blob)
    except StoreError:
        shape = None
    if shape is None or shape.size != size:

        def mend(txn: StoreTxn) -> None:
            txn.kv.delete(key)
            txn.unlink(blob, owner)

        yield Finding(where, "its octets are not there as a whole", key, "the upload is forgotten", mend)
