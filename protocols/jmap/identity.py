"""Identity/get: the addresses one writes from, as far as reading mail needs them. RFC 8621 §6."""

from typing import Any

from protocols.jmap.context import Context
from protocols.jmap.standard import GetArguments, get_response, wanted_ids, wanted_properties

PROPERTIES = ("id", "name", "email", "replyTo", "bcc", "textSignature", "htmlSignature", "mayDelete")


async def get(context: Context, given: dict[str, Any]) -> dict[str, Any]:
    arguments = context.arguments(GetArguments, given)
    properties = wanted_properties(arguments.properties, PROPERTIES, PROPERTIES)
    account = context.account
    known = {f"I{index}": address for index, address in enumerate((account.address, *account.aliases), 1)}
    asked = wanted_ids(context, arguments.ids) if arguments.ids is not None else list(known)
    found: list[dict[str, Any]] = []
    for one in asked:
        if one in known:
            identity = _identity(one, account.name, known[one])
            found.append({name: identity[name] for name in properties})
    return get_response(context, "0", found, [one for one in asked if one not in known])


def _identity(number: str, name: str, email: str) -> dict[str, Any]:
    return {
        "id": number,
        "name": name,
        "email": email,
        "replyTo": None,
        "bcc": None,
        "textSignature": "",
        "htmlSignature": "",
        "mayDelete": False,
    }
