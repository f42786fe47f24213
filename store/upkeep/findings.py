"""What a look at the store finds, and what looks: one row at a time, in one snapshot with its neighbours."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from store.accounts import account as accounts
from store.changes.engine import AccountId, AccountView, Store, StoreTxn, StoreView
from store.mail import emails, mailboxes
from store.mail.model import EmailHead, EmailState, Mailbox, MailboxId
from store.schema import keys
from store.schema.rows import RowDamaged

S = TypeVar("S", bound=msgspec.Struct)
K = TypeVar("K")
V = TypeVar("V")

Mend = Callable[[StoreTxn], None]
Heal = Callable[[Store], Awaitable[object]]
_REMEMBERED = 10_000  # names of accounts and mailboxes in one slice


@dataclass(frozen=True, slots=True)
class Finding:
    """One invariant that does not hold."""

    where: str  #: empty: the email the row is of
    what: str
    key: bytes = b""  #: the row to look at again; empty: a look of its own found it
    remedy: str = ""  #: what ``--repair`` does about it, as a sentence without its stop; empty: nothing it can do
    mend: Mend | None = None  #: does it, in a transaction that has just found the same again
    heal: Heal | None = None  #: does it in transactions of its own, where one would be too large
    is_unreadable: bool = False  #: the row itself cannot be read: it is set aside, outside the store
    lost: tuple[int, int] | None = None  #: (account, email): half of it is gone, and other rows may say the rest


class NeighbourDamaged(Exception):
    """A row that another one needs cannot be read. It is a finding of its own, so this look ends quietly."""


@dataclass(slots=True)
class Look:
    """One snapshot, with what its rows are asked again and again."""

    view: StoreView
    _names: OrderedDict[int, str | None] = field(default_factory=OrderedDict)
    _mailboxes: OrderedDict[tuple[int, int], bool] = field(default_factory=OrderedDict)

    def get(self, key: bytes) -> bytes | None:
        return self.view.kv.get(key)

    def has(self, key: bytes) -> bool:
        return self.view.kv.get(key) is not None

    def row(self, key: bytes, read: Callable[[bytes], S]) -> S | None:
        """A neighbour. Raises NeighbourDamaged."""
        value = self.view.kv.get(key)
        try:
            return read(value) if value is not None else None
        except RowDamaged as error:
            raise NeighbourDamaged(keys_of(key)) from error

    def account(self, number: int) -> AccountView:
        return self.view.account(AccountId(number))

    def email(self, account: int, email: int) -> EmailHead | None:
        return self.row(keys.scope(account) + keys.email(email), emails.read_head)

    def state(self, account: int, email: int) -> EmailState | None:
        return self.row(keys.scope(account) + keys.state(email), emails.read_state)

    def mailbox(self, account: int, mailbox: int) -> Mailbox | None:
        return self.row(keys.scope(account) + keys.mailbox(mailbox), mailboxes.read_mailbox)

    def has_mailbox(self, account: int, mailbox: MailboxId) -> bool:
        known = self._mailboxes.get((account, mailbox))
        if known is None:
            known = self.has(keys.scope(account) + keys.mailbox(mailbox))
            _remember(self._mailboxes, (account, mailbox), known)
        return known

    def name_of(self, number: int) -> str:
        """The account's address, or its number when there is no such account."""
        if number not in self._names:
            try:
                found = self.row(keys.account(number), accounts.read_account)
                _remember(self._names, number, found.address if found is not None else None)
            except NeighbourDamaged:
                _remember(self._names, number, None)
        return self._names[number] or f"account {number}"

    def name_of_email(self, account: int, email: int) -> str:
        """Enough for a person to find it: account, mailbox, uid, subject."""
        try:
            row = self.row(keys.scope(account) + keys.email(email), emails.read_email)
            state = self.state(account, email)
        except NeighbourDamaged:
            row, state = None, None
        places = [self._place(account, box, uid) for box, uid in state.placements.items()] if state else []
        subject = f' "{row.subject[:80]}"' if row is not None else ""
        return f"{self.name_of(account)} email {email}{subject}" + (f" in {', '.join(places)}" if places else "")

    def _place(self, account: int, mailbox: int, uid: int) -> str:
        try:
            found = self.mailbox(account, mailbox)
        except NeighbourDamaged:
            found = None
        return f"{found.name if found is not None else f'mailbox {mailbox}'} uid {uid}"


def _remember(where: OrderedDict[K, V], key: K, value: V) -> None:
    where[key] = value
    if len(where) > _REMEMBERED:
        where.popitem(last=False)


RowCheck = Callable[[Look, bytes, bytes], Iterator[Finding]]
"""(snapshot, key, value): what is wrong with one row and with what must be there because of it.

May raise RowDamaged, ValueError, struct.error or IndexError: then the row itself cannot be read.
"""


_SPACES = {
    b"A": "to index", b"m": "meta", b"b": "blob", b"l": "link", b"a": "account", b"n": "address", b"d": "domain",
    b"g": "group", b"q": "quarantine",
    b"t": "trace", b"u": "audit entry", b"j": "job", b"r": "reputation", b"k": "label", b"z": "model",
    b"f": "fingerprint", b"s": "session", b"p": "policy", b"h": "hold", b"o": "rule", b"e": "expiry", b"i": "pseudonym",
    b"y": "trap",
}  # fmt: skip


def space_of(key: bytes) -> str:
    """What a key is a row of."""
    return "account rows" if key[:1] == keys.SCOPE else _SPACES.get(key[:1], f"row {key[:1].hex()}")


def keys_of(key: bytes) -> str:
    """A key for people: what it is a row of, and the rest as text where it is text."""
    if key[:1] == keys.SCOPE and len(key) > 5:
        return f"account {keys.read_u32(key[1:5])} row {chr(key[5])} {key[6:46].hex()}"
    name, rest = _SPACES.get(key[:1], f"row {key[:1].hex()}"), key[1:65]
    is_text = rest.isascii() and rest.decode("ascii").isprintable()
    return f"{name} {rest.decode('ascii') if is_text else rest.hex()}"


def put(key: bytes, value: bytes = b"") -> Mend:
    return lambda txn: txn.kv.put(key, value)


def delete(key: bytes) -> Mend:
    return lambda txn: txn.kv.delete(key)
