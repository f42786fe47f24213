"""Email/import: uploaded mails become emails. RFC 8621 §4.8."""

from typing import Any

import msgspec

from protocols.jmap import ids
from protocols.jmap.blob_access import load
from protocols.jmap.context import Context
from protocols.jmap.email_new import Prepared, prepare
from protocols.jmap.email_set import insert_all
from protocols.jmap.errors import MethodError, Refusal, invalid_properties
from protocols.jmap.standard import Arguments, Id, SetOutcome, check_state
from store.changes.engine import AccountTxn


class _Mail(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True, kw_only=True):
    blob_id: Id
    mailbox_ids: dict[str, bool]
    keywords: dict[str, bool] = {}
    received_at: str | None = None


class EmailImportArguments(Arguments, frozen=True, kw_only=True):
    emails: dict[Id, dict[str, Any]]
    if_in_state: str | None = None


async def import_(context: Context, given: dict[str, Any]) -> dict[str, Any]:
    arguments = context.arguments(EmailImportArguments, given)
    if len(arguments.emails) > context.settings.max_set:
        raise MethodError("requestTooLarge", f"at most {context.settings.max_set} mails at once")
    refused: dict[str, Any] = {}
    prepared: dict[str, Prepared] = {}
    for key, properties in arguments.emails.items():
        try:
            prepared[key] = await _prepare(context, properties)
        except Refusal as refusal:
            refused[key] = refusal.error

    def body(txn: AccountTxn) -> SetOutcome:
        outcome = SetOutcome()
        outcome.old_state = check_state(txn, arguments.if_in_state)
        outcome.not_created.update(refused)
        insert_all(context, txn, prepared, outcome)
        outcome.new_state = txn.modseq
        return outcome

    outcome = await context.write(body)
    context.created.update({key: one["id"] for key, one in outcome.created.items()})
    return {
        "accountId": ids.account_id(context.account.id),
        "oldState": str(outcome.old_state),
        "newState": str(outcome.new_state),
        "created": outcome.created or None,
        "notCreated": outcome.not_created or None,
    }


async def _prepare(context: Context, properties: dict[str, Any]) -> Prepared:
    try:
        wanted = msgspec.convert(properties, _Mail)
    except msgspec.ValidationError as error:
        raise invalid_properties(str(error)) from error
    octets = await load(context, wanted.blob_id)
    if octets is None:
        raise invalid_properties("there is no such blob", "blobId")
    return await prepare(context, octets, wanted.mailbox_ids, wanted.keywords, wanted.received_at)
