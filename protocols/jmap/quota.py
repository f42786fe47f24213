"""Quota objects: what an account may hold and holds. Only what is limited has one. RFC 9425."""

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec

from protocols.jmap.context import Context
from protocols.jmap.errors import MethodError, invalid_arguments
from protocols.jmap.filters import FilterReader
from protocols.jmap.standard import (
    ChangesArguments,
    Comparator,
    GetArguments,
    convert,
    get_response,
    wanted_ids,
    wanted_properties,
)
from protocols.jmap.window import QueryArguments, cut, query_response, size_of
from store.changes.engine import StoreView
from store.mail import quota
from store.mail.quota import Standing

PROPERTIES = (
    "id",
    "resourceType",
    "used",
    "hardLimit",
    "scope",
    "name",
    "types",
    "warnLimit",
    "softLimit",
    "description",
)
_SORTS = ("name", "used")

Quota = dict[str, Any]
Test = Callable[[Quota], bool]


async def get(context: Context, given: dict[str, Any]) -> dict[str, Any]:
    """Quota/get. RFC 9425 §4.2."""
    arguments = context.arguments(GetArguments, given)
    asked = wanted_ids(context, arguments.ids) if arguments.ids is not None else None
    properties = wanted_properties(arguments.properties, PROPERTIES, PROPERTIES)
    there = {one["id"]: one for one in await _quotas(context)}
    wanted = asked if asked is not None else list(there)
    found = [{name: there[text][name] for name in properties} for text in wanted if text in there]
    return get_response(context, _state(there.values()), found, [text for text in wanted if text not in there])


async def changes(context: Context, given: dict[str, Any]) -> dict[str, Any]:
    """Quota/changes: counters keep no history, so only "nothing changed" can be told. RFC 9425 §4.3."""
    arguments = context.arguments(ChangesArguments, given)
    state = _state(await _quotas(context))
    if arguments.since_state != state:
        raise MethodError("cannotCalculateChanges", "get the quotas again")
    return {
        "accountId": given["accountId"],
        "oldState": state,
        "newState": state,
        "hasMoreChanges": False,
        "updatedProperties": None,
        "created": [],
        "updated": [],
        "destroyed": [],
    }


async def query(context: Context, given: dict[str, Any]) -> dict[str, Any]:
    """Quota/query. RFC 9425 §4.4."""
    arguments = context.arguments(QueryArguments, given)
    found = await _quotas(context)
    if arguments.filter is not None:
        settings = context.settings
        reader = FilterReader[Test](_condition, _join, settings.filter_depth, settings.filter_conditions)
        matches = reader.read(arguments.filter)
        found = [one for one in found if matches(one)]
    for given_key in reversed(arguments.sort or ()):
        key: Comparator = convert(given_key, Comparator, "sort")
        if key.property not in _SORTS:
            raise MethodError("unsupportedSort", f"unknown property {key.property[:100]!r}")
        found.sort(key=lambda one, name=key.property: one[name], reverse=not key.is_ascending)  # type: ignore[misc]
    ids = [one["id"] for one in found]
    window = cut(ids, arguments, size_of(arguments, context), arguments.anchor)
    return query_response(context, arguments, _state(found), window, len(ids))


async def _quotas(context: Context) -> list[Quota]:
    def body(view: StoreView) -> Standing:
        return quota.standing(view.kv, view.account(context.account.id))

    now = await context.store.read(body)
    every = (
        ("octets", "storage", now.octets, now.most_octets, "How much mail the account holds"),
        ("count", "messages", now.mails, now.most_mails, "How many mails the account holds"),
    )
    return [_quota(kind, name, used, most, text) for kind, name, used, most, text in every if most]


def _quota(kind: str, name: str, used: int, most: int, description: str) -> Quota:
    return {
        "id": name,
        "resourceType": kind,
        "used": used,
        "hardLimit": most,
        "scope": "account",
        "name": name,
        "types": ["Mail"],
        "warnLimit": None,
        "softLimit": None,
        "description": description,
    }


def _state(quotas: Any) -> str:
    return hashlib.blake2b(msgspec.json.encode(list(quotas)), digest_size=8).hexdigest()


def _condition(given: dict[str, Any]) -> Test:
    wanted: list[Test] = []
    for name, value in given.items():
        if not isinstance(value, str):
            raise invalid_arguments(f"the filter condition {name[:100]} is a string")
        match name:
            case "name":
                wanted.append(lambda one, value=value: value.casefold() in one["name"])  # type: ignore[misc]
            case "scope" | "resourceType":
                wanted.append(lambda one, name=name, value=value: one[name] == value)  # type: ignore[misc]
            case "type":
                wanted.append(lambda one, value=value: value in one["types"])  # type: ignore[misc]
            case _:
                raise MethodError("unsupportedFilter", f"unknown condition {name[:100]!r}")
    return lambda one: all(test(one) for test in wanted)


def _join(operator: str, tests: list[Test]) -> Test:
    if operator == "AND":
        return lambda one: all(test(one) for test in tests)
    if operator == "OR":
        return lambda one: any(test(one) for test in tests)
    return lambda one: not any(test(one) for test in tests)
