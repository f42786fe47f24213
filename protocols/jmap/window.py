"""Which part of a query's results is wanted. RFC 8620 §5.5."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from protocols.jmap import ids
from protocols.jmap.context import Context
from protocols.jmap.errors import MethodError
from protocols.jmap.standard import Arguments, Id, Int, UnsignedInt


class QueryArguments(Arguments, frozen=True, kw_only=True):
    filter: dict[str, Any] | None = None
    sort: list[dict[str, Any]] | None = None
    position: Int = 0
    anchor: Id | None = None
    anchor_offset: Int = 0
    limit: UnsignedInt | None = None
    calculate_total: bool = False

    def is_from_start(self) -> bool:
        """Whether results may be read from the first on, without knowing how many there are."""
        return self.anchor is None and self.position >= 0


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Window(Generic[T]):
    """A part of the results and where it starts."""

    position: int
    found: list[T]


def size_of(arguments: QueryArguments, context: Context) -> int:
    most = context.settings.max_results
    return most if arguments.limit is None else min(arguments.limit, most)


def cut(found: Sequence[T], arguments: QueryArguments, size: int, anchor: T | None) -> Window[T]:
    """The window in the whole list of results; ``anchor`` counts if there is one. Raises MethodError anchorNotFound."""
    if arguments.anchor is not None:
        if anchor is None or anchor not in found:
            raise MethodError("anchorNotFound")
        start = max(found.index(anchor) + arguments.anchor_offset, 0)
    elif arguments.position < 0:
        start = max(len(found) + arguments.position, 0)
    else:
        start = arguments.position
    return Window(start, list(found[start : start + size]))


def query_response(
    context: Context, arguments: QueryArguments, state: object, window: Window[str], total: int | None
) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "accountId": ids.account_id(context.account.id),
        "queryState": str(state),
        "canCalculateChanges": False,
        "position": window.position,
        "ids": window.found,
    }
    if arguments.calculate_total and total is not None:
        answer["total"] = total
    if arguments.limit is None or arguments.limit > context.settings.max_results:
        answer["limit"] = context.settings.max_results
    return answer
