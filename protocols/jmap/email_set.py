"""Email/set: write drafts, flag, file, destroy. RFC 8621 §4.6."""

from collections.abc import Iterator
from typing import Any

from protocols.jmap import ids
from protocols.jmap.context import Context
from protocols.jmap.email_create import compose
from protocols.jmap.email_new import Prepared, check_keywords, find_mailboxes, insert, prepare, true_keys
from protocols.jmap.errors import Refusal, invalid_properties
from protocols.jmap.standard import SetArguments, SetOutcome, check_set_size, check_state
from store.changes.engine import AccountTxn
from store.mail import emails, mailboxes
from store.mail.model import EmailId, EmailState, MailboxId
from store.mail.moves import Moved, marked


async def set_(context: Context, given: dict[str, Any]) -> dict[str, Any]:
    arguments = context.arguments(SetArguments, given)
    check_set_size(context, arguments)
    if arguments.if_in_state is not None:  # before mails are built for nothing
        await context.read(lambda view: check_state(view, arguments.if_in_state))
    refused: dict[str, Any] = {}
    prepared: dict[str, Prepared] = {}
    for key, properties in (arguments.create or {}).items():
        try:
            prepared[key] = await _prepare(context, properties)
        except Refusal as refusal:
            refused[key] = refusal.error

    def body(txn: AccountTxn) -> tuple[SetOutcome, list[Moved]]:
        outcome, moves = SetOutcome(), list[Moved]()
        outcome.old_state = check_state(txn, arguments.if_in_state)
        outcome.not_created.update(refused)
        insert_all(context, txn, prepared, outcome)
        for text, patch in (arguments.update or {}).items():
            _update(context, txn, outcome, moves, text, patch)
        for text in dict.fromkeys(arguments.destroy or ()):
            _destroy(context, txn, outcome, text)
        outcome.new_state = txn.modseq
        return outcome, moves

    outcome, moves = await context.write(body)
    context.created.update({key: one["id"] for key, one in outcome.created.items()})
    if context.on_moved is not None:
        for move in moves:
            context.on_moved(move)
    return outcome.response(context)


async def _prepare(context: Context, properties: dict[str, Any]) -> Prepared:
    octets = await compose(context, properties)
    return await prepare(
        context,
        octets,
        properties.get("mailboxIds"),
        properties.get("keywords"),
        properties.get("receivedAt"),
    )


def insert_all(context: Context, txn: AccountTxn, prepared: dict[str, Prepared], outcome: SetOutcome) -> None:
    """Add prepared mails, each accepted or refused by itself."""
    for key, one in prepared.items():
        try:
            outcome.created[key] = insert(txn, one, context.resolve_id)
        except Refusal as refused:
            outcome.not_created[key] = refused.error


def _find(context: Context, txn: AccountTxn, text: str, outcome: SetOutcome) -> tuple[EmailId, EmailState] | None:
    made = outcome.created.get(text[1:]) if text.startswith("#") else None
    number = ids.number_of("E", made["id"] if made is not None else context.resolve_id(text))
    state = emails.state(txn, number) if number is not None else None
    return (EmailId(number), state) if number is not None and state is not None else None


def _update(
    context: Context, txn: AccountTxn, outcome: SetOutcome, moves: list[Moved], text: str, patch: dict[str, Any]
) -> None:
    found = _find(context, txn, text, outcome)
    if found is None:
        outcome.not_updated[text] = {"type": "notFound"}
        return
    email_id, state = found
    try:
        keywords = check_keywords(_patched(patch, "keywords", state.keywords))
        places = frozenset(ids.mailbox_id(mailbox) for mailbox in state.placements)
        wanted = frozenset(context.resolve_id(one) for one in _patched(patch, "mailboxIds", places))
        unknown = [name for name in patch if name.partition("/")[0] not in ("keywords", "mailboxIds")]
        if unknown:
            raise invalid_properties("only keywords and mailboxIds of an email can change", *unknown)
        if not wanted:
            raise invalid_properties("an email is in at least one mailbox", "mailboxIds")
        target = find_mailboxes(txn, wanted, context.resolve_id)
    except Refusal as refused:
        outcome.not_updated[text] = refused.error
        return
    emails.set_keywords(txn, email_id, keywords)
    emails.set_mailboxes(txn, email_id, target)
    filed = list(_moved(txn, email_id, frozenset(state.placements), frozenset(target)))
    said = marked(txn.account, email_id, state.keywords, keywords)
    moves.extend(filed or ([said] if said is not None else []))
    outcome.updated[text] = None


def _moved(
    txn: AccountTxn, email_id: EmailId, before: frozenset[MailboxId], after: frozenset[MailboxId]
) -> Iterator[Moved]:
    """A move between mailboxes of different roles; Junk is named when it is among several."""
    source, target = _role(txn, before - after or before), _role(txn, after - before)
    if after - before and source != target:
        yield Moved(txn.account, (email_id,), source, target)


def _role(txn: AccountTxn, places: frozenset[MailboxId]) -> str:
    found = (mailboxes.get(txn, place) for place in sorted(places))
    roles = [mailbox.role for mailbox in found if mailbox is not None]
    return "junk" if "junk" in roles else next(iter(roles), "")


def _patched(patch: dict[str, Any], name: str, before: frozenset[str]) -> frozenset[str]:
    """A set after a patch: replaced as a whole, or member by member. Raises Refusal. RFC 8620 §5.3."""
    prefix = f"{name}/"
    members = {key: value for key, value in patch.items() if key.startswith(prefix)}
    if name in patch:
        if members:
            raise Refusal("invalidPatch", f"{name} is patched as a whole and in parts")
        return true_keys(patch[name], name)
    after = set(before)
    for key, value in members.items():
        member = key[len(prefix) :]
        if "/" in member:
            raise Refusal("invalidPatch", f"{key[:100]!r} points into a value")
        member = member.replace("~1", "/").replace("~0", "~")
        member = member.lower() if name == "keywords" else member
        if value is True:
            after.add(member)
        elif value is None:
            after.discard(member)
        else:
            raise invalid_properties(f"{key[:100]!r} is true or null", key)
    return frozenset(after)


def _destroy(context: Context, txn: AccountTxn, outcome: SetOutcome, text: str) -> None:
    found = _find(context, txn, text, outcome)
    if found is None:
        outcome.not_destroyed[text] = {"type": "notFound"}
        return
    emails.destroy(txn, found[0])
    outcome.destroyed.append(text)
