"""Arguments taken from the results of earlier calls. RFC 8620 §3.7, RFC 6901."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from protocols.jmap.errors import MethodError, invalid_arguments

MAX_RESULTS = 100_000  #: items one path with "*" may gather
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")

Invocation = tuple[str, dict[str, Any], str]


class ResultReference(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    result_of: str
    name: str
    path: str


def resolve(arguments: dict[str, Any], responses: Sequence[Invocation]) -> dict[str, Any]:
    """Arguments with each "#name" replaced. Raises MethodError invalidResultReference or invalidArguments."""
    if not any(name.startswith("#") for name in arguments):
        return arguments
    resolved: dict[str, Any] = {}
    for name, value in arguments.items():
        if not name.startswith("#"):
            resolved[name] = value
            continue
        if name[1:] in arguments:
            raise invalid_arguments(f"{name[1:]} is given both as a value and as a reference")
        try:
            reference = msgspec.convert(value, ResultReference)
        except msgspec.ValidationError as error:
            raise invalid_arguments(f"{name}: {error}") from error
        resolved[name[1:]] = _result(reference, responses)
    return resolved


def _result(reference: ResultReference, responses: Sequence[Invocation]) -> Any:
    response = next((r for r in responses if r[2] == reference.result_of), None)
    if response is None or response[0] != reference.name:
        raise _invalid(f"there is no earlier {reference.name} response with id {reference.result_of}")
    path = reference.path
    if path and not path.startswith("/"):
        raise _invalid("the path is no JSON pointer")
    steps = [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]
    return _follow(response[1], steps)


def _follow(value: Any, steps: Sequence[str]) -> Any:
    for position, step in enumerate(steps):
        if isinstance(value, list) and step == "*":
            return _gather(value, steps[position + 1 :])
        if isinstance(value, list) and _INDEX.fullmatch(step) and int(step) < len(value):
            value = value[int(step)]
        elif isinstance(value, dict) and step in value:
            value = value[step]
        else:
            raise _invalid(f"the path has nothing at {step!r}"[:200])
    return value


def _gather(items: list[Any], rest: Sequence[str]) -> list[Any]:
    """The rest of the path applied to each item, lists among the results laid end to end."""
    gathered: list[Any] = []
    for item in items:
        found = _follow(item, rest)
        gathered.extend(found if isinstance(found, list) else (found,))
        if len(gathered) > MAX_RESULTS:
            raise _invalid("the path gathers too much")
    return gathered


def _invalid(description: str) -> MethodError:
    return MethodError("invalidResultReference", description)
