"""Mailbox/query: all mailboxes are few, so they are filtered and sorted in memory. RFC 8621 §2.3."""

from collections.abc import Callable, Iterable
from typing import Any

from protocols.jmap import ids
from protocols.jmap.context import Context
from protocols.jmap.errors import MethodError, invalid_arguments
from protocols.jmap.filters import FilterReader
from protocols.jmap.standard import Comparator, convert
from protocols.jmap.window import QueryArguments, cut, query_response, size_of
from store.changes.engine import AccountView
from store.mail import mailboxes
from store.mail.model import Mailbox, MailboxId

Test = Callable[[Mailbox], bool]


class MailboxQueryArguments(QueryArguments, frozen=True, kw_only=True):
    sort_as_tree: bool = False
    filter_as_tree: bool = False


async def query(context: Context, given: dict[str, Any]) -> dict[str, Any]:
    arguments = context.arguments(MailboxQueryArguments, given)
    matches = _test(arguments.filter, context) if arguments.filter is not None else lambda _: True
    sort = [convert(one, Comparator, "sort") for one in arguments.sort or ()]
    keys = [(_sort_value(comparator), comparator.is_ascending) for comparator in sort]

    def body(view: AccountView) -> dict[str, Any]:
        everything = mailboxes.list_all(view)
        for value, is_ascending in reversed(keys):
            everything.sort(key=value, reverse=not is_ascending)
        ordered = _as_tree(everything) if arguments.sort_as_tree else everything
        matching = [mailbox for mailbox in ordered if matches(mailbox)]
        if arguments.filter_as_tree:
            matching = _with_parents(matching, everything)
        found = [ids.mailbox_id(mailbox.id) for mailbox in matching]
        window = cut(found, arguments, size_of(arguments, context), arguments.anchor)
        return query_response(context, arguments, view.modseq, window, len(found))

    return await context.read(body)


def _test(given: dict[str, Any], context: Context) -> Test:
    reader = FilterReader[Test](
        lambda condition: _condition(condition, context),
        _join,
        context.settings.filter_depth,
        context.settings.filter_conditions,
    )
    return reader.read(given)


def _join(operator: str, tests: list[Test]) -> Test:
    if operator == "AND":
        return lambda mailbox: all(test(mailbox) for test in tests)
    if operator == "OR":
        return lambda mailbox: any(test(mailbox) for test in tests)
    return lambda mailbox: not any(test(mailbox) for test in tests)


def _condition(given: dict[str, Any], context: Context) -> Test:
    tests = [_one_condition(name, value, context) for name, value in given.items()]
    return lambda mailbox: all(test(mailbox) for test in tests)


def _one_condition(name: str, value: Any, context: Context) -> Test:
    match name, value:
        case "parentId", None:
            return lambda mailbox: mailbox.parent is None
        case "parentId", str():
            parent = ids.number_of("M", context.resolve_id(value))
            return lambda mailbox: parent is not None and mailbox.parent == parent
        case "name", str():
            wanted = value.casefold()
            return lambda mailbox: wanted in mailbox.name.casefold()
        case "role", str() | None:
            return lambda mailbox: mailbox.role == (value or "")
        case "hasAnyRole", bool():
            return lambda mailbox: bool(mailbox.role) is value
        case "isSubscribed", bool():
            return lambda mailbox: mailbox.is_subscribed is value
        case "parentId" | "name" | "role" | "hasAnyRole" | "isSubscribed", _:
            raise invalid_arguments(f"the filter condition {name} has a value of the wrong type")
        case _:
            raise MethodError("unsupportedFilter", f"unknown condition {name[:100]!r}")


def _sort_value(comparator: Comparator) -> Callable[[Mailbox], Any]:
    match comparator.property:
        case "sortOrder":
            return lambda mailbox: mailbox.sort_order
        case "name":
            return lambda mailbox: mailbox.name.casefold()
        case "parentId":
            return lambda mailbox: mailbox.parent or 0
        case _:
            raise MethodError("unsupportedSort", f"unknown property {comparator.property[:100]!r}")


def _as_tree(ordered: Iterable[Mailbox]) -> list[Mailbox]:
    """Each mailbox right after its parent or an earlier sibling's subtree. RFC 8621 §2.3 sortAsTree."""
    children: dict[MailboxId | None, list[Mailbox]] = {}
    for mailbox in ordered:
        children.setdefault(mailbox.parent, []).append(mailbox)
    tree: list[Mailbox] = []
    waiting = list(reversed(children.get(None, [])))
    while waiting:
        mailbox = waiting.pop()
        tree.append(mailbox)
        waiting.extend(reversed(children.get(mailbox.id, [])))
    return tree


def _with_parents(matching: list[Mailbox], everything: list[Mailbox]) -> list[Mailbox]:
    """Only those whose ancestors all match too. RFC 8621 §2.3 filterAsTree."""
    parents = {mailbox.id: mailbox.parent for mailbox in everything}
    chosen = {mailbox.id for mailbox in matching}

    def is_reachable(mailbox: Mailbox) -> bool:
        above = mailbox.parent
        while above is not None:
            if above not in chosen:
                return False
            above = parents.get(above)
        return True

    return [mailbox for mailbox in matching if is_reachable(mailbox)]
