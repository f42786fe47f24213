"""Email/query. Newest first in one mailbox costs what the page costs, not what the mailbox holds. RFC 8621 §4.4."""

from typing import Any

from protocols.jmap import ids
from protocols.jmap.context import Context
from protocols.jmap.email_filter import read_filter, read_sort
from protocols.jmap.errors import MethodError
from protocols.jmap.window import QueryArguments, Window, cut, query_response, size_of
from store.search.finding import Limits, Question, find
from store.search.texts import Budget, SearchTooLarge


class EmailQueryArguments(QueryArguments, frozen=True, kw_only=True):
    collapse_threads: bool = False


async def query_(context: Context, given: dict[str, Any]) -> dict[str, Any]:
    """Email/query."""
    arguments = context.arguments(EmailQueryArguments, given)
    wanted = read_filter(context, arguments.filter)
    #: how many results are enough; None when all are needed to answer
    enough = arguments.position + size_of(arguments, context) if arguments.is_from_start() else None
    question = Question(
        wanted,
        read_sort(arguments.sort),
        enough,
        collapse_threads=arguments.collapse_threads,
        wants_total=arguments.calculate_total,
    )
    settings = context.settings
    limits = Limits(settings.scan_rows, Budget(settings.search_octets, settings.search_s))
    try:
        found = await find(context.store, context.account.id, question, context.texts, limits)
    except SearchTooLarge as error:
        raise MethodError("unsupportedFilter", "this search would read too much; narrow it") from error
    anchor = ids.number_of("E", arguments.anchor) if arguments.anchor is not None else None
    window = cut(found.ids, arguments, size_of(arguments, context), anchor)
    shown = Window(window.position, [ids.email_id(each) for each in window.found])
    return query_response(context, arguments, found.modseq, shown, found.total)
