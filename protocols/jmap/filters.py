"""Filters as trees: operators here, conditions by each object type. RFC 8620 §5.5."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from protocols.jmap.errors import invalid_arguments

N = TypeVar("N")

OPERATORS = ("AND", "OR", "NOT")


@dataclass(slots=True)
class FilterReader(Generic[N]):
    """Reads one filter, bounded in depth and number. ``condition`` and ``join`` build the type's own nodes."""

    condition: Callable[[dict[str, Any]], N]
    join: Callable[[str, list[N]], N]
    depth: int
    conditions: int

    def read(self, given: dict[str, Any], depth: int = 0) -> N:
        """Raises MethodError invalidArguments; conditions may raise unsupportedFilter."""
        self.conditions -= 1
        if depth > self.depth or self.conditions < 0:
            raise invalid_arguments("the filter is too large")
        if "operator" not in given:
            return self.condition(given)
        operator, parts = given["operator"], given.get("conditions")
        if operator not in OPERATORS or not isinstance(parts, list) or set(given) != {"operator", "conditions"}:
            raise invalid_arguments("a filter operator has an operator AND, OR or NOT, and conditions")
        if not all(isinstance(part, dict) for part in parts):
            raise invalid_arguments("filter conditions are objects")
        return self.join(operator, [self.read(part, depth + 1) for part in parts])
