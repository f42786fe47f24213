"""Regular expressions that people write for mail of others: checked before they run, and run over one line at a time.

Python's engine goes back and tries again. What that can cost is known from the expression: so many ways to match from
one place. An expression with more than ``MOST_WAYS`` is refused when the configuration is read; lines are cut.
"""

import re
import re._parser as parser  # type: ignore[import-not-found]
import time
from collections.abc import Callable, Iterator
from typing import Any

LINE = 400  #: characters of a line that are looked at at once; longer lines are cut with an overlap
OVERLAP = 100
MOST_WAYS = 2_000  #: in which an expression may match from one place


class BadPattern(ValueError):
    """The expression cannot be used; the text says why."""


class Overrun(Exception):
    """There was more text than time."""


def bounded(pattern: str) -> re.Pattern[str]:
    """Compile an expression that cannot take long, without regard to case. Raises BadPattern."""
    if len(pattern) > 1_000:
        raise BadPattern("is longer than 1000 characters")
    try:
        tree = parser.parse(pattern, re.IGNORECASE)
        compiled = re.compile(pattern, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        raise BadPattern(f"is no regular expression: {error}") from error
    if _ways(tree) > MOST_WAYS:
        raise BadPattern("can match in too many ways; use one + or *, and limits such as {1,20} for the others")
    if compiled.match(""):
        raise BadPattern("matches nothing at all, and so everywhere")
    return compiled


def _ways(tree: Any) -> int:
    """In how many ways the engine may try the rest of an expression from one place."""
    ways = 1
    for operation, argument in tree:
        ways *= _ways_of(str(operation), argument)
        if ways > MOST_WAYS:
            return ways
    return ways


def _ways_of(operation: str, argument: Any) -> int:
    if operation in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
        least, most, inner = argument
        longest = min(int(most), LINE)
        if longest > 1 and (_ways(inner) > 1):
            raise BadPattern("repeats something that repeats or branches itself; write it without the outer repetition")
        return max(1, longest - int(least) + 1) * _ways(inner)
    if operation == "SUBPATTERN":
        return _ways(argument[3])
    if operation == "BRANCH":
        return sum(_ways(branch) for branch in argument[1])
    if operation == "ATOMIC_GROUP":
        return _ways(argument)
    if operation in {"GROUPREF", "GROUPREF_EXISTS", "ASSERT", "ASSERT_NOT"}:
        raise BadPattern("may not look ahead or behind, or refer back to a group")
    return 1


def findings(
    pattern: re.Pattern[str], text: str, seconds: float, clock: Callable[[], float] = time.monotonic
) -> Iterator[str]:
    """What matches, line by line. Raises Overrun after so many seconds."""
    until = clock() + seconds
    for line in text.splitlines():
        for start in range(0, max(len(line), 1), LINE - OVERLAP):
            for match in pattern.finditer(line[start : start + LINE]):
                yield match[0]
            if clock() > until:
                raise Overrun
