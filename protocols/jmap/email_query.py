"""Email/query. Newest first in one mailbox costs what the page costs, not what the mailbox holds. RFC 8621 §4.4."""

import asyncio
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from protocols.jmap import ids
from protocols.jmap.context import Context
from protocols.jmap.email_filter import read_filter, read_sort
from protocols.jmap.errors import MethodError
from protocols.jmap.search import Budget, SearchTooLarge
from protocols.jmap.window import QueryArguments, Window, cut, query_response, size_of
from store.blob.contract import BlobMissing
from store.changes.engine import AccountView
from store.mail import filters, mailboxes, query
from store.mail.model import ThreadId
from store.mail.query import Hit, Query

YIELD_EVERY = 200


class EmailQueryArguments(QueryArguments, frozen=True, kw_only=True):
    collapse_threads: bool = False


async def query_(context: Context, given: dict[str, Any]) -> dict[str, Any]:
    """Email/query."""
    arguments = context.arguments(EmailQueryArguments, given)
    wanted = read_filter(context, arguments.filter)
    sort = read_sort(arguments.sort)
    is_text = filters.may_need_text(wanted)
    #: how many results are enough; None when all are needed to answer
    enough = arguments.position + size_of(arguments, context) if arguments.is_from_start() else None

    def body(view: AccountView) -> tuple[int, list[Hit], int | None]:
        total = _counted(view, wanted, collapse=arguments.collapse_threads) if arguments.calculate_total else None
        hits = Query(view, wanted, sort, context.settings.scan_rows).hits()
        if is_text:
            found = list(hits)
            if arguments.collapse_threads:
                _ = [hit.candidate.email for hit in found]  # read while the transaction lasts
            return view.modseq, found, None
        stop = enough if total is not None or not arguments.calculate_total else None
        found = list(islice(_collapsed(hits) if arguments.collapse_threads else hits, stop))
        return view.modseq, found, total if total is not None else len(found)

    try:
        state, hits, total = await context.read(body)
        if is_text:
            hits = await _matching_texts(context, hits, None if arguments.calculate_total else enough, arguments)
            total = len(hits)
    except (query.TooManyRows, SearchTooLarge) as error:
        raise MethodError("unsupportedFilter", "this search would read too much; narrow it") from error
    found = [ids.email_id(hit.id) for hit in hits]
    window = _window(found, arguments, context)
    return query_response(context, arguments, state, window, total)


def _window(found: list[str], arguments: QueryArguments, context: Context) -> Window:
    return cut(found, arguments, size_of(arguments, context))


def _counted(view: AccountView, wanted: filters.Filter, *, collapse: bool) -> int | None:
    """The total when a mailbox's counters know it."""
    mailbox = query.required_mailbox(wanted)
    if mailbox is None:
        return None
    counts = mailboxes.counts(view, mailbox)
    return counts.threads if collapse else counts.total


def _collapsed(hits: Iterable[Hit]) -> Iterator[Hit]:
    """The first email of each thread. RFC 8621 §4.4.3."""
    seen: set[ThreadId] = set()
    for hit in hits:
        thread = hit.candidate.email.thread
        if thread not in seen:
            seen.add(thread)
            yield hit


async def _matching_texts(
    context: Context, hits: list[Hit], enough: int | None, arguments: EmailQueryArguments
) -> list[Hit]:
    """Hits whose text answers what rows left open; stops when there are enough. Raises SearchTooLarge."""
    budget = Budget(context.settings.search_octets, context.settings.search_s)
    seen: set[ThreadId] = set()
    found: list[Hit] = []
    for index, hit in enumerate(hits):
        if index % YIELD_EVERY == 0:  # remembered texts are compared without waiting for anything
            budget.spend(0)
            await asyncio.sleep(0)
        if enough is not None and len(found) >= enough:
            break
        if arguments.collapse_threads and hit.candidate.email.thread in seen:
            continue
        if hit.rest is not None:
            email = hit.candidate.email
            try:
                text = await context.texts.get(email.blob, email.size, budget)
            except BlobMissing:  # destroyed since its row was read
                continue
            if not filters.holds_in_text(hit.rest, text):
                continue
        if arguments.collapse_threads:
            seen.add(hit.candidate.email.thread)
        found.append(hit)
    return found
