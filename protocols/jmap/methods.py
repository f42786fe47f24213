"""The table of methods."""

from typing import Any

from protocols.jmap import (
    email_get,
    email_import,
    email_parse,
    email_query,
    email_set,
    identity,
    mailbox,
    mailbox_query,
    mailbox_set,
    quota,
    search_snippet,
    standard,
    thread,
)
from protocols.jmap.context import CORE, MAIL, QUOTA, SUBMISSION, Context, Method
from store.changes.engine import Kind


async def _echo(_: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    """RFC 8620 §4."""
    return arguments


async def _mailbox_changes(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    return await standard.changes(context, arguments, Kind.MAILBOX, "M")


async def _email_changes(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    return await standard.changes(context, arguments, Kind.EMAIL, "E")


async def _thread_changes(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    return await standard.changes(context, arguments, Kind.THREAD, "T")


METHODS: dict[str, Method] = {
    "Core/echo": Method(CORE, _echo),
    "Mailbox/get": Method(MAIL, mailbox.get),
    "Mailbox/changes": Method(MAIL, _mailbox_changes),
    "Mailbox/query": Method(MAIL, mailbox_query.query),
    "Mailbox/queryChanges": Method(MAIL, standard.query_changes),
    "Mailbox/set": Method(MAIL, mailbox_set.set_),
    "Thread/get": Method(MAIL, thread.get),
    "Thread/changes": Method(MAIL, _thread_changes),
    "Email/get": Method(MAIL, email_get.get),
    "Email/changes": Method(MAIL, _email_changes),
    "Email/query": Method(MAIL, email_query.query_),
    "Email/queryChanges": Method(MAIL, standard.query_changes),
    "Email/set": Method(MAIL, email_set.set_),
    "Email/import": Method(MAIL, email_import.import_),
    "Email/parse": Method(MAIL, email_parse.parse),
    "SearchSnippet/get": Method(MAIL, search_snippet.get),
    "Quota/get": Method(QUOTA, quota.get),
    "Quota/changes": Method(QUOTA, quota.changes),
    "Quota/query": Method(QUOTA, quota.query),
    "Quota/queryChanges": Method(QUOTA, standard.query_changes),
    "Identity/get": Method(SUBMISSION, identity.get),
}
