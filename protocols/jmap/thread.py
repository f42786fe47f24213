"""Thread/get. RFC 8621 §3."""

from typing import Any

from protocols.jmap import ids
from protocols.jmap.context import Context
from protocols.jmap.errors import invalid_arguments
from protocols.jmap.standard import GetArguments, get_response, wanted_ids, wanted_properties
from store.changes.engine import AccountView
from store.mail import reading
from store.mail.model import ThreadId

PROPERTIES = ("id", "emailIds")


async def get(context: Context, given: dict[str, Any]) -> dict[str, Any]:
    arguments = context.arguments(GetArguments, given)
    if arguments.ids is None:
        raise invalid_arguments("threads are got by their ids only")
    asked = wanted_ids(context, arguments.ids)
    properties = wanted_properties(arguments.properties, PROPERTIES, PROPERTIES)

    def body(view: AccountView) -> dict[str, Any]:
        found: list[dict[str, Any]] = []
        missing: list[str] = []
        for text in asked:
            number = ids.number_of("T", text)
            members = reading.thread_members(view, ThreadId(number)) if number is not None else []
            if not members:
                missing.append(text)
                continue
            thread = {"id": text, "emailIds": [ids.email_id(member) for member in members]}
            found.append({name: thread[name] for name in properties})
        return get_response(context, view.modseq, found, missing)

    return await context.read(body)
