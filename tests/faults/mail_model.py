"""What the store should hold, in plain dicts, and the operations that change both: the store, and this.

An operation says what it would be refused for, and what it changes, from the model alone. Run on the store it gives
a value or a refusal; ``fits`` tells whether the model agrees. What two operations at once did is right when the
model gives the same in some order.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

from msgspec.structs import replace

from gateway.delivery.local import LocalCopy, deliver_copies
from store.accounts import account as accounts
from store.blob.contract import Staged
from store.changes.engine import AccountId, Store, StoreTxn, StoreView
from store.mail import emails, mailboxes, quota, reading
from store.mail.emails import NewEmail, NoSuchEmail
from store.mail.mailboxes import MailboxExists, MailboxNotEmpty, NoSuchMailbox
from store.mail.model import EmailId, MailboxId
from store.mail.parsing import Digest
from store.mail.quota import OverQuota
from store.quarantine import held as quarantine
from store.quarantine.held import DELETED, HELD, RELEASED, Held, HeldCopy, NotHeld
from tests.support.mail_store import START_MS

REFUSALS = (NoSuchEmail, NoSuchMailbox, MailboxExists, MailboxNotEmpty, NotHeld, OverQuota)

Key = tuple[AccountId, int]
"""An account and the id of something in it."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One of the letters, and where an account has it."""

    octets: int
    subject: str
    keywords: frozenset[str]
    boxes: frozenset[MailboxId]


@dataclass(slots=True)
class Model:
    """Everything that people can notice, without uids and times."""

    mails: dict[Key, Mail] = field(default_factory=dict)
    boxes: dict[Key, str] = field(default_factory=dict)
    held: dict[str, dict[AccountId, str]] = field(default_factory=dict)  #: reception: states of the copies
    limits: dict[AccountId, int] = field(default_factory=dict)  #: mails an account may hold; absent: any number

    def inbox(self, account: AccountId) -> MailboxId:
        return next(MailboxId(box) for (owner, box), name in self.boxes.items() if owner == account and name == "INBOX")

    def mails_of(self, account: AccountId) -> int:
        return sum(owner == account for owner, _ in self.mails)

    def has_room(self, account: AccountId) -> bool:
        return account not in self.limits or self.mails_of(account) < self.limits[account]

    def is_used(self, account: AccountId, box: int) -> bool:
        return any(owner == account and box in mail.boxes for (owner, _), mail in self.mails.items())


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail as it is sent, read and compressed."""

    octets: bytes
    digest: Digest

    def mail(self, keywords: Iterable[str], boxes: Iterable[MailboxId]) -> Mail:
        return Mail(len(self.octets), self.digest.subject, frozenset(keywords), frozenset(boxes))


@dataclass(frozen=True, slots=True)
class Outcome:
    value: Any = None
    refusal: type[Exception] | None = None


class Operation(ABC):
    """One transaction. Its ``letter``, when it has one, is staged before."""

    @abstractmethod
    def body(self, txn: StoreTxn, staged: Staged | None) -> Any: ...

    @abstractmethod
    def refusal(self, model: Model) -> type[Exception] | None: ...

    @abstractmethod
    def change(self, model: Model, value: Any) -> None: ...


@dataclass(slots=True)
class Attempt:
    """One operation on its way; ``would_be`` is what its transaction gave, also when the answer got lost."""

    operation: Operation
    would_be: Any = None

    async def run(self, store: Store) -> Outcome:
        letter: Letter | None = getattr(self.operation, "letter", None)
        staged = await store.blobs.stage(letter.octets) if letter is not None else None

        def body(txn: StoreTxn) -> Any:
            self.would_be = self.operation.body(txn, staged)
            return self.would_be

        try:
            return Outcome(await store.write(body))
        except REFUSALS as error:
            return Outcome(refusal=type(error))


def fits(model: Model, operation: Operation, outcome: Outcome) -> bool:
    """Whether the model would have done the same; it then has."""
    if operation.refusal(model) is not outcome.refusal:
        return False
    if outcome.refusal is None:
        operation.change(model, outcome.value)
    return True


def orders(model: Model, done: Sequence[tuple[Operation, Outcome]]) -> list[Model]:
    """What the model may be after operations that ran at once: one model for each order that explains the outcomes."""
    found: list[Model] = []
    for order in permutations(done):
        after = deepcopy(model)
        if all(fits(after, operation, outcome) for operation, outcome in order):
            found.append(after)
    return found


def seen(view: StoreView) -> Model:
    """What the store says, read like a client does; and that its counters agree."""
    found = Model()
    for account in accounts.all_accounts(view):
        mine = view.account(account.id)
        places: dict[int, set[MailboxId]] = {}
        for box in mailboxes.list_all(mine):
            found.boxes[account.id, box.id] = box.name
            placed = [email for _, email in reading.placements(mine, box.id)]
            counts = mailboxes.counts(mine, box.id)
            unread = sum("$seen" not in state.keywords for email in placed if (state := emails.state(mine, email)))
            assert (counts.total, counts.unread) == (len(placed), unread)
            for email in placed:
                places.setdefault(email, set()).add(box.id)
        for email_id, state in reading.every_state(mine):
            row = emails.get(mine, email_id)
            assert row is not None and frozenset(state.placements) == places.pop(email_id)
            mail = Mail(row.size, row.subject, state.keywords, frozenset(state.placements))
            found.mails[account.id, email_id] = mail
        assert not places
        usage = quota.usage(mine)
        own = [mail for (owner, _), mail in found.mails.items() if owner == account.id]
        assert usage is not None and (usage.mails, usage.octets) == (len(own), sum(mail.octets for mail in own))
        if usage.most_mails > 0:
            found.limits[account.id] = usage.most_mails
    for held in quarantine.newest(view):
        found.held[held.id] = {AccountId(copy.account): copy.state for copy in held.copies if copy.account is not None}
    return found


@dataclass(frozen=True, slots=True)
class Deliver(Operation):
    letter: Letter
    to: tuple[AccountId, ...]

    def body(self, txn: StoreTxn, staged: Staged | None) -> dict[AccountId, EmailId]:
        assert staged is not None
        new = NewEmail(txn.keep(staged), self.letter.digest, START_MS)
        return deliver_copies(txn, [LocalCopy(account, "inbox") for account in self.to], new)

    def refusal(self, model: Model) -> type[Exception] | None:
        return None if any(model.has_room(account) for account in self.to) else OverQuota

    def change(self, model: Model, value: dict[AccountId, EmailId]) -> None:
        for account, email in value.items():
            model.mails[account, email] = self.letter.mail((), {model.inbox(account)})


@dataclass(frozen=True, slots=True)
class Append(Operation):
    letter: Letter
    account: AccountId
    box: MailboxId
    keywords: frozenset[str]

    def body(self, txn: StoreTxn, staged: Staged | None) -> EmailId:
        assert staged is not None
        new = NewEmail(txn.keep(staged), self.letter.digest, START_MS, self.keywords)
        return emails.add(txn.account(self.account), new, [self.box])[0].id

    def refusal(self, model: Model) -> type[Exception] | None:
        if (self.account, self.box) not in model.boxes:
            return NoSuchMailbox
        return None if model.has_room(self.account) else OverQuota

    def change(self, model: Model, value: EmailId) -> None:
        model.mails[self.account, value] = self.letter.mail(self.keywords, {self.box})


@dataclass(frozen=True, slots=True)
class Flag(Operation):
    """Set the keywords of several mails; the first that is gone refuses all."""

    account: AccountId
    mails: tuple[EmailId, ...]
    keywords: frozenset[str]

    def body(self, txn: StoreTxn, staged: Staged | None) -> None:
        for mail in self.mails:
            emails.set_keywords(txn.account(self.account), mail, self.keywords)

    def refusal(self, model: Model) -> type[Exception] | None:
        return None if all((self.account, mail) in model.mails for mail in self.mails) else NoSuchEmail

    def change(self, model: Model, value: None) -> None:
        for mail in self.mails:
            before = model.mails[self.account, mail]
            model.mails[self.account, mail] = Mail(before.octets, before.subject, self.keywords, before.boxes)


@dataclass(frozen=True, slots=True)
class Move(Operation):
    """Into exactly these mailboxes; into none is an expunge."""

    account: AccountId
    mail: EmailId
    boxes: frozenset[MailboxId]

    def body(self, txn: StoreTxn, staged: Staged | None) -> None:
        emails.set_mailboxes(txn.account(self.account), self.mail, sorted(self.boxes))

    def refusal(self, model: Model) -> type[Exception] | None:
        if (self.account, self.mail) not in model.mails:
            return NoSuchEmail
        return None if all((self.account, box) in model.boxes for box in self.boxes) else NoSuchMailbox

    def change(self, model: Model, value: None) -> None:
        before = model.mails.pop((self.account, self.mail))
        if self.boxes:
            after = Mail(before.octets, before.subject, before.keywords, self.boxes)
            model.mails[self.account, self.mail] = after


@dataclass(frozen=True, slots=True)
class Copy(Operation):
    account: AccountId
    mail: EmailId
    box: MailboxId

    def body(self, txn: StoreTxn, staged: Staged | None) -> EmailId:
        return emails.copy_within(txn.account(self.account), self.mail, self.box)[0].id

    def refusal(self, model: Model) -> type[Exception] | None:
        if (self.account, self.mail) not in model.mails:
            return NoSuchEmail
        if (self.account, self.box) not in model.boxes:
            return NoSuchMailbox
        return None if model.has_room(self.account) else OverQuota

    def change(self, model: Model, value: EmailId) -> None:
        source = model.mails[self.account, self.mail]
        model.mails[self.account, value] = Mail(source.octets, source.subject, source.keywords, frozenset({self.box}))


@dataclass(frozen=True, slots=True)
class MakeBox(Operation):
    account: AccountId
    name: str

    def body(self, txn: StoreTxn, staged: Staged | None) -> MailboxId:
        return mailboxes.create(txn.account(self.account), self.name, None, 1).id

    def refusal(self, model: Model) -> type[Exception] | None:
        return MailboxExists if _is_taken(model, self.account, self.name, None) else None

    def change(self, model: Model, value: MailboxId) -> None:
        model.boxes[self.account, value] = self.name


@dataclass(frozen=True, slots=True)
class RenameBox(Operation):
    account: AccountId
    box: MailboxId
    name: str

    def body(self, txn: StoreTxn, staged: Staged | None) -> None:
        before = mailboxes.get(txn.account(self.account), self.box)
        if before is None:
            raise NoSuchMailbox
        mailboxes.update(txn.account(self.account), replace(before, name=self.name))

    def refusal(self, model: Model) -> type[Exception] | None:
        if (self.account, self.box) not in model.boxes:
            return NoSuchMailbox
        return MailboxExists if _is_taken(model, self.account, self.name, self.box) else None

    def change(self, model: Model, value: None) -> None:
        model.boxes[self.account, self.box] = self.name


@dataclass(frozen=True, slots=True)
class DestroyBox(Operation):
    account: AccountId
    box: MailboxId

    def body(self, txn: StoreTxn, staged: Staged | None) -> None:
        mailboxes.destroy(txn.account(self.account), self.box)

    def refusal(self, model: Model) -> type[Exception] | None:
        if (self.account, self.box) not in model.boxes:
            return NoSuchMailbox
        return MailboxNotEmpty if model.is_used(self.account, self.box) else None

    def change(self, model: Model, value: None) -> None:
        del model.boxes[self.account, self.box]


@dataclass(frozen=True, slots=True)
class Limit(Operation):
    """How many mails an account may hold; 0 is any number."""

    account: AccountId
    mails: int

    def body(self, txn: StoreTxn, staged: Staged | None) -> None:
        quota.limit(txn.account(self.account), most_mails=self.mails)

    def refusal(self, model: Model) -> type[Exception] | None:
        return None

    def change(self, model: Model, value: None) -> None:
        model.limits.pop(self.account, None)
        if self.mails:
            model.limits[self.account] = self.mails


@dataclass(frozen=True, slots=True)
class Hold(Operation):
    letter: Letter
    reception: str
    to: tuple[AccountId, ...]

    def body(self, txn: StoreTxn, staged: Staged | None) -> None:
        assert staged is not None
        copies = tuple(HeldCopy(f"{account}@b.example", account, "", HELD) for account in self.to)
        held = Held(self.reception, txn.keep(staged), START_MS, START_MS * 2, "spam", 0.9, 1, "", "", "", "", copies)
        quarantine.put(txn, held)

    def refusal(self, model: Model) -> type[Exception] | None:
        return None

    def change(self, model: Model, value: None) -> None:
        model.held[self.reception] = dict.fromkeys(self.to, HELD)


@dataclass(frozen=True, slots=True)
class Settle(Operation):
    """Release the held copies of some accounts, or give them up."""

    letter: Letter
    reception: str
    to: tuple[AccountId, ...]
    is_release: bool

    def body(self, txn: StoreTxn, staged: Staged | None) -> dict[AccountId, EmailId]:
        assert staged is not None
        addresses = frozenset(f"{account}@b.example" for account in self.to)
        state = RELEASED if self.is_release else DELETED
        moved = quarantine.settle(txn, self.reception, state, "admin", START_MS, addresses)
        if not self.is_release:
            return {}
        copies = [LocalCopy(AccountId(copy.account), "inbox") for copy in moved if copy.account is not None]
        return deliver_copies(txn, copies, NewEmail(txn.keep(staged), self.letter.digest, START_MS), must_fit=False)

    def _held(self, model: Model) -> list[AccountId]:
        return [account for account in self.to if model.held.get(self.reception, {}).get(account) == HELD]

    def refusal(self, model: Model) -> type[Exception] | None:
        return None if self._held(model) else NotHeld

    def change(self, model: Model, value: dict[AccountId, EmailId]) -> None:
        for account in self._held(model):
            model.held[self.reception][account] = RELEASED if self.is_release else DELETED
        for account, email in value.items():
            model.mails[account, email] = self.letter.mail((), {model.inbox(account)})


def _is_taken(model: Model, account: AccountId, name: str, itself: MailboxId | None) -> bool:
    return any(owner == account and other == name and box != itself for (owner, box), other in model.boxes.items())
