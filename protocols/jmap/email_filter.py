"""Email filters and sorts as JMAP writes them, turned into the store's. RFC 8621 §4.4.1, §4.4.2."""

from typing import Any

from protocols.jmap import ids
from protocols.jmap.context import Context, ms_of_date
from protocols.jmap.errors import MethodError, invalid_arguments
from protocols.jmap.filters import FilterReader
from protocols.jmap.standard import Comparator, convert
from store.mail import filters
from store.mail.filters import Filter, Place, Share
from store.mail.model import MailboxId
from store.mail.searchable import FIELD_CHARS, phrases
from store.search.ordering import SortBy, SortKey

SORT_OPTIONS = {
    "receivedAt": SortBy.RECEIVED,
    "sentAt": SortBy.SENT,
    "size": SortBy.SIZE,
    "from": SortBy.FROM,
    "to": SortBy.TO,
    "subject": SortBy.SUBJECT,
    "hasKeyword": SortBy.KEYWORD,
    "allInThreadHaveKeyword": SortBy.ALL_IN_THREAD,
    "someInThreadHaveKeyword": SortBy.SOME_IN_THREAD,
}
_PLACES = {
    "text": Place.TEXT,
    "from": Place.FROM,
    "to": Place.TO,
    "cc": Place.CC,
    "bcc": Place.BCC,
    "subject": Place.SUBJECT,
    "body": Place.BODY,
}
_KEYWORD_SORTS = (SortBy.KEYWORD, SortBy.ALL_IN_THREAD, SortBy.SOME_IN_THREAD)
_STRINGS = frozenset(
    {
        *_PLACES,
        "inMailbox",
        "before",
        "after",
        "hasKeyword",
        "notKeyword",
        "allInThreadHaveKeyword",
        "someInThreadHaveKeyword",
        "noneInThreadHaveKeyword",
    }
)
_NUMBERS = frozenset({"minSize", "maxSize"})
_LISTS = frozenset({"inMailboxOtherThan", "header"})
_KNOWN = _STRINGS | _NUMBERS | _LISTS | {"hasAttachment"}


def read_filter(context: Context, given: dict[str, Any] | None) -> Filter:
    """Raises MethodError invalidArguments, unsupportedFilter."""
    if given is None:
        return filters.EVERYTHING
    reader = FilterReader[Filter](
        lambda condition: _all([_condition(context, name, value) for name, value in condition.items()]),
        _join,
        context.settings.filter_depth,
        context.settings.filter_conditions,
    )
    return reader.read(given)


def _join(operator: str, parts: list[Filter]) -> Filter:
    if operator == "AND":
        return _all(parts)
    if operator == "OR":
        return parts[0] if len(parts) == 1 else filters.Or(tuple(parts))
    return filters.Not(filters.Or(tuple(parts)))


def _all(parts: list[Filter]) -> Filter:
    """One level of AND, so that a mailbox or a date within it is found and the index used."""
    flat: list[Filter] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, filters.And) else (part,))
    return flat[0] if len(flat) == 1 else filters.And(tuple(flat))


def _condition(context: Context, name: str, value: Any) -> Filter:
    if name not in _KNOWN:
        raise MethodError("unsupportedFilter", f"unknown condition {name[:100]!r}")
    if name in _STRINGS and isinstance(value, str):
        return _place_or_keyword(context, name, value)
    if name in _NUMBERS and isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return filters.Size(at_least=value) if name == "minSize" else filters.Size(below=value)
    if name in _LISTS and isinstance(value, list) and all(isinstance(one, str) for one in value):
        return _header(value) if name == "header" else _outside(context, value)
    if name == "hasAttachment" and isinstance(value, bool):
        return filters.Attachment() if value else filters.Not(filters.Attachment())
    raise invalid_arguments(f"the filter condition {name} has a value of the wrong type")


def _place_or_keyword(context: Context, name: str, value: str) -> Filter:
    match name:
        case "inMailbox":
            number = ids.number_of("M", context.resolve_id(value))
            return filters.InMailbox(MailboxId(number)) if number is not None else filters.NOTHING
        case "before":
            return filters.Received(before_ms=_date(name, value))
        case "after":
            return filters.Received(after_ms=_date(name, value))
        case "hasKeyword":
            return filters.Keyword(value.lower())
        case "notKeyword":
            return filters.Not(filters.Keyword(value.lower()))
        case "allInThreadHaveKeyword":
            return filters.ThreadKeyword(Share.ALL, value.lower())
        case "someInThreadHaveKeyword":
            return filters.ThreadKeyword(Share.SOME, value.lower())
        case "noneInThreadHaveKeyword":
            return filters.Not(filters.ThreadKeyword(Share.SOME, value.lower()))
        case _:
            return filters.Words(_PLACES[name], phrases(value))


def _date(name: str, value: str) -> int:
    try:
        return max(ms_of_date(value), 0)
    except (ValueError, OverflowError) as error:
        raise invalid_arguments(f"{name}: {error}") from error


def _header(value: list[str]) -> Filter:
    if not 1 <= len(value) <= 2:
        raise invalid_arguments("the filter condition header has a name and perhaps a text")
    wanted = (value[1][:FIELD_CHARS],) if len(value) == 2 and value[1] else ()
    return filters.HeaderWords(value[0].lower(), wanted)


def _outside(context: Context, value: list[str]) -> Filter:
    numbers = (ids.number_of("M", context.resolve_id(one)) for one in value)
    return filters.OutsideOf(frozenset(MailboxId(number) for number in numbers if number is not None))


def read_sort(given: list[dict[str, Any]] | None) -> tuple[SortKey, ...]:
    """Raises MethodError invalidArguments, unsupportedSort."""
    found: list[SortKey] = []
    for one in (given or ())[:20]:
        comparator: Comparator = convert(one, Comparator, "sort")
        by = SORT_OPTIONS.get(comparator.property)
        if by is None:
            raise MethodError("unsupportedSort", f"unknown property {comparator.property[:100]!r}")
        if by in _KEYWORD_SORTS and not comparator.keyword:
            raise invalid_arguments(f"sort: {comparator.property} needs a keyword")
        found.append(SortKey(by, comparator.is_ascending, (comparator.keyword or "").lower()))
    return tuple(found)
