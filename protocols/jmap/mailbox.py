"""Mailbox objects and Mailbox/get. RFC 8621 §2."""

from typing import Any

from protocols.jmap import ids
from protocols.jmap.context import Context
from protocols.jmap.standard import GetArguments, get_response, wanted_ids, wanted_properties
from store.changes.engine import AccountView
from store.mail import mailboxes
from store.mail.model import Mailbox, MailboxCounts

PROPERTIES = (
    "id",
    "name",
    "parentId",
    "role",
    "sortOrder",
    "totalEmails",
    "unreadEmails",
    "totalThreads",
    "unreadThreads",
    "myRights",
    "isSubscribed",
)


async def get(context: Context, given: dict[str, Any]) -> dict[str, Any]:
    arguments = context.arguments(GetArguments, given)
    asked = wanted_ids(context, arguments.ids) if arguments.ids is not None else None
    properties = wanted_properties(arguments.properties, PROPERTIES, PROPERTIES)

    def body(view: AccountView) -> dict[str, Any]:
        by_id = {ids.mailbox_id(mailbox.id): mailbox for mailbox in mailboxes.list_all(view)}
        wanted = asked if asked is not None else list(by_id)
        found: list[dict[str, Any]] = []
        for text in wanted:
            if text in by_id:
                shown = as_json(by_id[text], mailboxes.counts(view, by_id[text].id))
                found.append({name: shown[name] for name in properties})
        return get_response(context, view.modseq, found, [text for text in wanted if text not in by_id])

    return await context.read(body)


def as_json(mailbox: Mailbox, counts: MailboxCounts) -> dict[str, Any]:
    """The Mailbox object. RFC 8621 §2."""
    return {
        "id": ids.mailbox_id(mailbox.id),
        "name": mailbox.name,
        "parentId": ids.mailbox_id(mailbox.parent) if mailbox.parent is not None else None,
        "role": mailbox.role or None,
        "sortOrder": mailbox.sort_order,
        "totalEmails": counts.total,
        "unreadEmails": counts.unread,
        "totalThreads": counts.threads,
        "unreadThreads": counts.unread_threads,
        "myRights": rights(mailbox),
        "isSubscribed": mailbox.is_subscribed,
    }


def rights(mailbox: Mailbox) -> dict[str, bool]:
    """One's own account: everything, but INBOX keeps its name and its place (RFC 3501 §5.1)."""
    is_inbox = mailbox.role == "inbox"
    return {
        "mayReadItems": True,
        "mayAddItems": True,
        "mayRemoveItems": True,
        "maySetSeen": True,
        "maySetKeywords": True,
        "mayCreateChild": True,
        "mayRename": not is_inbox,
        "mayDelete": not is_inbox,
        "maySubmit": False,
    }
