"""Mail that its owner destroyed and that a hold or a rule keeps back: out of every mailbox, octets still linked."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from store.changes.engine import AccountTxn, AccountView
from store.mail import mailboxes
from store.mail.model import Email, EmailState, MailboxId
from store.retention.policy import Matter, Refusal, bares, may_delete, owners_of, read_policy
from store.schema import keys
from store.schema.rows import Reader, pack

OWNER = "its owner"  #: who destroyed a mail, when nobody else says so


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """What the row of the email does not tell about mail that is kept back."""

    keywords: frozenset[str]
    mailboxes: tuple[str, ...]  #: full names
    places: tuple[str, ...]  #: roles of these, "" for one without
    at_ms: int
    by: str
    why: str  #: at that time; whether it may go by now is asked again


@dataclass(frozen=True, slots=True)
class KeptEmail:
    email: Email
    kept: Kept


read_kept = Reader(Kept)
_read_email = Reader(Email)


def let_go(txn: AccountTxn, email: Email, state: EmailState, by: str = OWNER) -> Refusal | None:
    """Called by whoever destroys an email, before its link goes: keeps it back when it may not go, and says why."""
    if txn.store.once(read_policy).is_empty:
        return None
    by_id = {mailbox.id: mailbox for mailbox in mailboxes.list_all(txn)}
    places = [by_id[each] for each in state.placements if each in by_id]
    refusal = may_delete(txn.store, matter_of(txn, email, frozenset(mailbox.role for mailbox in places)))
    if refusal is not None:
        names = tuple(mailboxes.path_of(mailbox, by_id) for mailbox in places)
        roles = tuple(mailbox.role for mailbox in places)
        kept = Kept(state.keywords, names, roles, txn.store.now_ms, by, refusal.sentence)
        txn.index(keys.kept_email(email.id), pack(email))
        txn.index(keys.kept_state(email.id), pack(kept))
        txn.link(email.blob, owner(email.id))
    return refusal


def matter_of(view: AccountView, email: Email, places: frozenset[str]) -> Matter:
    """An email as holds and rules look at it."""
    named = (email.from_, email.sender, email.reply_to, email.to, email.cc, email.bcc)
    people = bares(address.email for field in named for address in field)
    return Matter(owners_of(view.raw, view.account), people, email.received_ms, places)


def places_of(view: AccountView, placements: Iterable[MailboxId]) -> frozenset[str]:
    """The roles of the mailboxes an email is in."""
    found = (mailboxes.get(view, mailbox) for mailbox in placements)
    return frozenset(mailbox.role for mailbox in found if mailbox is not None)


def every(view: AccountView, after: int = 0, limit: int | None = None) -> Iterator[KeptEmail]:
    """Mail of an account that is kept back, in the order it came; from ids above ``after``."""
    start, end = keys.kept_email(after + 1), keys.prefix_end(keys.kept_email(0)[:2])
    for key, row in view.scan(start, end, limit=limit):
        state = view.get(keys.kept_state(keys.read_u64(key[2:])))
        if state is not None:
            yield KeptEmail(_read_email(row), read_kept(state))


def drop_what_may_go(txn: AccountTxn, after: int, limit: int) -> tuple[int, int, int]:
    """Let mail go whose hold ended and whose rules allow it; (looked at, dropped, last id looked at)."""
    looked = dropped = 0
    last = after
    for each in list(every(txn, after, limit)):
        email = each.email
        looked, last = looked + 1, email.id
        if may_delete(txn.store, matter_of(txn, email, frozenset(each.kept.places))) is None:
            txn.unindex(keys.kept_email(email.id))
            txn.unindex(keys.kept_state(email.id))
            txn.unlink(email.blob, owner(email.id))
            dropped += 1
    return looked, dropped, last


def owner(email_id: int) -> bytes:
    """Who holds the link of mail that is kept back."""
    return keys.kept_email(email_id)
