"""The arguments and answers that all object types share. RFC 8620 §5."""

from collections.abc import Collection, Iterable, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from protocols.jmap import ids
from protocols.jmap.context import Context
from protocols.jmap.errors import MethodError, invalid_arguments
from store.changes.engine import AccountView, Kind
from store.changes.log import CannotCalculateChanges, changes_since

Id = Annotated[str, Meta(min_length=1, max_length=255)]
UnsignedInt = Annotated[int, Meta(ge=0, le=2**53 - 1)]
PositiveInt = Annotated[int, Meta(ge=1, le=2**53 - 1)]
Int = Annotated[int, Meta(ge=-(2**53) + 1, le=2**53 - 1)]


class Arguments(Struct, rename="camel", forbid_unknown_fields=True, frozen=True, kw_only=True):
    account_id: Id


class GetArguments(Arguments, frozen=True, kw_only=True):
    ids: list[str] | None = None
    properties: list[str] | None = None


class ChangesArguments(Arguments, frozen=True, kw_only=True):
    since_state: str
    max_changes: PositiveInt | None = None


class QueryChangesArguments(Arguments, frozen=True, kw_only=True):
    since_query_state: str
    filter: dict[str, Any] | None = None
    sort: list[dict[str, Any]] | None = None
    max_changes: PositiveInt | None = None
    up_to_id: Id | None = None
    calculate_total: bool = False
    collapse_threads: bool = False
    sort_as_tree: bool = False
    filter_as_tree: bool = False


class SetArguments(Arguments, frozen=True, kw_only=True):
    if_in_state: str | None = None
    create: dict[Id, dict[str, Any]] | None = None
    update: dict[Id, dict[str, Any]] | None = None
    destroy: list[Id] | None = None


class Comparator(Struct, rename="camel", frozen=True, kw_only=True):
    """One key of a sort. Further fields belong to the property. RFC 8620 §5.5."""

    property: str
    is_ascending: bool = True
    collation: str | None = None
    keyword: str | None = None


def wanted_ids(context: Context, asked: Sequence[str]) -> list[str]:
    """Ids to get, each once, creation ids resolved. Raises MethodError requestTooLarge."""
    if len(asked) > context.settings.max_get:
        raise MethodError("requestTooLarge", f"at most {context.settings.max_get} objects at once")
    return list(dict.fromkeys(context.resolve_id(one) for one in asked))


def wanted_properties(asked: Sequence[str] | None, known: Collection[str], default: Iterable[str]) -> list[str]:
    """Properties to return, always with the id. Raises MethodError invalidArguments for unknown ones."""
    if asked is None:
        return list(default)
    unknown = [name for name in asked if name not in known]
    if unknown:
        raise invalid_arguments(f"unknown property {unknown[0][:100]!r}")
    return list(dict.fromkeys(["id", *asked]))


def get_response(context: Context, state: object, found: list[dict[str, Any]], missing: list[str]) -> dict[str, Any]:
    return {
        "accountId": ids.account_id(context.account.id),
        "state": str(state),
        "list": found,
        "notFound": missing,
    }


def check_set_size(context: Context, arguments: SetArguments) -> None:
    """Raises MethodError requestTooLarge. RFC 8620 §5.3."""
    size = sum(len(part) for part in (arguments.create, arguments.update, arguments.destroy) if part is not None)
    if size > context.settings.max_set:
        raise MethodError("requestTooLarge", f"at most {context.settings.max_set} objects at once")


def check_state(view: AccountView, expected: str | None) -> int:
    """The state before a change. Raises MethodError stateMismatch. RFC 8620 §5.3."""
    now = view.modseq
    if expected is not None and expected != str(now):
        raise MethodError("stateMismatch")
    return now


class SetOutcome:
    """What became of each create, update and destroy. RFC 8620 §5.3."""

    def __init__(self) -> None:
        self.created: dict[str, Any] = {}
        self.updated: dict[str, Any] = {}
        self.destroyed: list[str] = []
        self.not_created: dict[str, Any] = {}
        self.not_updated: dict[str, Any] = {}
        self.not_destroyed: dict[str, Any] = {}
        self.old_state = 0
        self.new_state = 0

    def response(self, context: Context) -> dict[str, Any]:
        return {
            "accountId": ids.account_id(context.account.id),
            "oldState": str(self.old_state),
            "newState": str(self.new_state),
            "created": self.created or None,
            "updated": self.updated or None,
            "destroyed": self.destroyed or None,
            "notCreated": self.not_created or None,
            "notUpdated": self.not_updated or None,
            "notDestroyed": self.not_destroyed or None,
        }


async def changes(context: Context, given: dict[str, Any], kind: Kind, letter: str) -> dict[str, Any]:
    """Foo/changes for a kind of object. RFC 8620 §5.2."""
    arguments = context.arguments(ChangesArguments, given)
    since = ids.parse_state(arguments.since_state)
    if since is None:
        raise MethodError("cannotCalculateChanges", "that state is not one of ours")
    limit = min(arguments.max_changes or context.settings.max_changes, context.settings.max_changes)
    try:
        found = await context.read(
            lambda view: changes_since(view, kind, since.modseq, limit, after_object=since.object_id)
        )
    except CannotCalculateChanges as error:
        raise MethodError("cannotCalculateChanges", str(error)) from error
    answer = {
        "accountId": ids.account_id(context.account.id),
        "oldState": arguments.since_state,
        "newState": str(ids.State(found.new_state, found.new_object)),
        "hasMoreChanges": found.has_more,
        "created": [f"{letter}{number}" for number in found.created],
        "updated": [f"{letter}{number}" for number in found.updated],
        "destroyed": [f"{letter}{number}" for number in found.destroyed],
    }
    if kind is Kind.MAILBOX:
        counted = found.only_counts and bool(found.updated)
        answer["updatedProperties"] = list(COUNT_PROPERTIES) if counted else None
    return answer


#: What a delivery changes about a mailbox. RFC 8621 §2.2.
COUNT_PROPERTIES = ("totalEmails", "unreadEmails", "totalThreads", "unreadThreads")


async def query_changes(context: Context, given: dict[str, Any]) -> dict[str, Any]:
    """Foo/queryChanges: arguments are checked, changes are never calculated. RFC 8620 §5.6."""
    context.arguments(QueryChangesArguments, given)
    raise MethodError("cannotCalculateChanges", "ask again with the query")


def convert(value: Any, kind: type[msgspec.Struct], what: str) -> Any:
    """A nested argument, checked. Raises MethodError invalidArguments."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise invalid_arguments(f"{what}: {error}") from error
