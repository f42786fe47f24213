"""Mailbox/set: create, rename, move, (un)subscribe, destroy. RFC 8621 §2.5."""

from itertools import islice
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from protocols.jmap import ids, mailbox
from protocols.jmap.context import Context
from protocols.jmap.errors import Refusal, invalid_properties
from protocols.jmap.standard import SetArguments, SetOutcome, UnsignedInt, check_set_size, check_state
from store.changes.engine import AccountTxn, AccountView
from store.mail import emails, mailboxes, reading
from store.mail.model import ROLES, Mailbox, MailboxId

EMPTYING_BATCH = 500


class MailboxSetArguments(SetArguments, frozen=True, kw_only=True):
    on_destroy_remove_emails: bool = False


class _Given(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What a client may say about a mailbox."""

    name: str | UnsetType = UNSET
    parent_id: str | UnsetType | None = UNSET
    role: str | UnsetType | None = UNSET
    sort_order: UnsignedInt | UnsetType = UNSET
    is_subscribed: bool | UnsetType = UNSET


async def set_(context: Context, given: dict[str, Any]) -> dict[str, Any]:
    arguments = context.arguments(MailboxSetArguments, given)
    check_set_size(context, arguments)
    if arguments.on_destroy_remove_emails and arguments.destroy:
        await context.read(lambda view: check_state(view, arguments.if_in_state))
        for text in arguments.destroy:
            await _empty(context, ids.number_of("M", context.resolve_id(text)))
        # Emptying moved the state itself; the client's condition was checked above.
        arguments = replace(arguments, if_in_state=None)

    def body(txn: AccountTxn) -> tuple[SetOutcome, dict[str, str]]:
        work = _Work(context, txn)
        work.outcome.old_state = check_state(txn, arguments.if_in_state)
        work.create_all(arguments.create or {})
        for text, patch in (arguments.update or {}).items():
            work.update(text, patch)
        work.destroy_all(arguments.destroy or [])
        work.outcome.new_state = txn.modseq
        return work.outcome, work.created

    outcome, created = await context.write(body)
    context.created.update(created)
    return outcome.response(context)


async def _empty(context: Context, number: int | None) -> None:
    """Take all emails out, some at a time, so that no transaction is long. Emails in no other mailbox go."""

    def batch(txn: AccountTxn) -> bool:
        found = mailboxes.get(txn, number) if number is not None else None
        if found is None or found.role == "inbox" or any(m.parent == number for m in mailboxes.list_all(txn)):
            return False  # the destroying that follows says why
        some = list(islice(reading.placements(txn, found.id), EMPTYING_BATCH))
        for _, email_id in some:
            state = emails.state(txn, email_id)
            others = [m for m in state.placements if m != found.id] if state is not None else []
            emails.set_mailboxes(txn, email_id, others)
        return len(some) == EMPTYING_BATCH

    while await context.write(batch):
        pass


class _Work:
    """One Mailbox/set inside its transaction."""

    def __init__(self, context: Context, txn: AccountTxn) -> None:
        self.context = context
        self.txn = txn
        self.outcome = SetOutcome()
        self.created: dict[str, str] = {}

    def create_all(self, wanted: dict[str, dict[str, Any]]) -> None:
        """Parents before children, in whatever order they were given. RFC 8620 §5.3."""
        waiting = dict(wanted)
        while waiting:
            ready = [key for key, one in waiting.items() if str(one.get("parentId"))[1:] not in waiting]
            for key in ready or list(waiting):  # a circle is refused one by one
                self._create(key, waiting.pop(key))

    def _create(self, key: str, properties: dict[str, Any]) -> None:
        try:
            made = self._made(_read(properties))
        except Refusal as refused:
            self.outcome.not_created[key] = refused.error
            return
        self.created[key] = ids.mailbox_id(made.id)
        shown = mailbox.as_json(made, mailboxes.counts(self.txn, made.id))
        self.outcome.created[key] = {name: value for name, value in shown.items() if name not in properties}

    def _made(self, given: _Given) -> Mailbox:
        if given.name is UNSET:
            raise invalid_properties("a mailbox needs a name", "name")
        parent = self._parent(given.parent_id) if given.parent_id is not UNSET else None
        role = _role(self.txn, given.role, None) if given.role is not UNSET else ""
        _check_name(given.name, parent)
        try:
            return mailboxes.create(
                self.txn,
                given.name,
                parent,
                self.context.now_ms() // 1000,
                role=role,
                sort_order=given.sort_order if given.sort_order is not UNSET else 10,
                is_subscribed=given.is_subscribed if given.is_subscribed is not UNSET else True,
            )
        except mailboxes.MailboxError as error:
            raise _refusal(error) from error

    def update(self, text: str, patch: dict[str, Any]) -> None:
        found = self._find(text)
        if found is None:
            self.outcome.not_updated[text] = {"type": "notFound"}
            return
        try:
            changed = self._changed(found, _read(_without_same(found, patch, self.txn)))
            if changed != found:
                mailboxes.update(self.txn, changed)
        except Refusal as refused:
            self.outcome.not_updated[text] = refused.error
        except mailboxes.MailboxError as error:
            self.outcome.not_updated[text] = _refusal(error).error
        else:
            self.outcome.updated[text] = None

    def _changed(self, found: Mailbox, given: _Given) -> Mailbox:
        name = given.name if given.name is not UNSET else found.name
        parent = self._parent(given.parent_id) if given.parent_id is not UNSET else found.parent
        role = _role(self.txn, given.role, found.id) if given.role is not UNSET else found.role
        if found.role == "inbox" and (name, parent, role) != (found.name, found.parent, "inbox"):
            raise Refusal("forbidden", "INBOX keeps its name, place and role")
        if (name, parent) != (found.name, found.parent):
            _check_name(name, parent)
        return replace(
            found,
            name=name,
            parent=parent,
            role=role,
            sort_order=given.sort_order if given.sort_order is not UNSET else found.sort_order,
            is_subscribed=given.is_subscribed if given.is_subscribed is not UNSET else found.is_subscribed,
        )

    def destroy_all(self, wanted: list[str]) -> None:
        """Children before parents, in whatever order they were given."""
        waiting = list(dict.fromkeys(wanted))
        while waiting:
            refused: dict[str, Any] = {}
            for text in waiting:
                error = self._destroy(text)
                if error is None:
                    self.outcome.destroyed.append(text)
                else:
                    refused[text] = error
            again = [text for text, error in refused.items() if error["type"] == "mailboxHasChild"]
            if len(refused) == len(waiting):
                again = []
            self.outcome.not_destroyed.update({text: e for text, e in refused.items() if text not in again})
            waiting = again

    def _destroy(self, text: str) -> dict[str, Any] | None:
        found = self._find(text)
        if found is None:
            return {"type": "notFound"}
        try:
            mailboxes.destroy(self.txn, found.id)
        except mailboxes.MailboxHasChildren:
            return {"type": "mailboxHasChild"}
        except mailboxes.MailboxNotEmpty:
            return {"type": "mailboxHasEmail"}
        except mailboxes.MailboxError as error:
            return {"type": "forbidden", "description": str(error)}
        return None

    def _find(self, text: str) -> Mailbox | None:
        number = ids.number_of("M", self._resolve(text))
        return mailboxes.get(self.txn, number) if number is not None else None

    def _resolve(self, text: str) -> str:
        return self.created.get(text[1:], "") or self.context.resolve_id(text) if text.startswith("#") else text

    def _parent(self, text: str | None) -> MailboxId | None:
        if text is None:
            return None
        found = self._find(text)
        if found is None:
            raise invalid_properties("the parent does not exist", "parentId")
        return found.id


def _read(properties: dict[str, Any]) -> _Given:
    try:
        return msgspec.convert(properties, _Given)
    except msgspec.ValidationError as error:
        known = set(_Given.__struct_encode_fields__)
        names = [name for name in properties if name not in known] or list(properties)
        raise invalid_properties(str(error), *names) from error


def _without_same(found: Mailbox, patch: dict[str, Any], view: AccountView) -> dict[str, Any]:
    """Clients may send back what the server set, as long as it is the same. RFC 8620 §5.3."""
    shown = mailbox.as_json(found, mailboxes.counts(view, found.id))
    writable = set(_Given.__struct_encode_fields__)
    return {k: v for k, v in patch.items() if k in writable or k not in shown or shown[k] != v}


def _check_name(name: str, parent: MailboxId | None) -> None:
    if parent is None and name.upper() == "INBOX":
        raise invalid_properties("there is one INBOX", "name")


def _role(view: AccountView, role: str | None, itself: MailboxId | None) -> str:
    if role is None:
        return ""
    if role not in ROLES:
        raise invalid_properties("that role is not supported", "role")
    other = mailboxes.with_role(view, role)
    if other is not None and other.id != itself:
        raise invalid_properties("another mailbox has that role", "role")
    return role


def _refusal(error: mailboxes.MailboxError) -> Refusal:
    name = "parentId" if isinstance(error, mailboxes.NoSuchMailbox) else "name"
    return invalid_properties(str(error), name)
