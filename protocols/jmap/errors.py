"""The three levels of JMAP errors. RFC 8620 §3.6, §5.3.

Problem (protocols/http)    the whole request is refused
└─ made by request_problem
MethodError                 one method call is refused
SetError                    one create, update or destroy is refused; a value, not an exception
Refusal                     carries a SetError out of a helper
"""

from typing import Any

from protocols.http.problem import Problem

_URN = "urn:ietf:params:jmap:error:"


def request_problem(kind: str, detail: str, **extra: Any) -> Problem:
    """``kind``: unknownCapability, notJSON, notRequest or limit. RFC 8620 §3.6.1."""
    return Problem(400, detail, type_=_URN + kind, extra=extra)


class MethodError(Exception):
    """RFC 8620 §3.6.2."""

    def __init__(self, kind: str, description: str = "", **extra: Any) -> None:
        super().__init__(f"{kind}: {description}")
        self.kind = kind
        self.description = description
        self.extra = extra

    def as_json(self) -> dict[str, Any]:
        described = {"description": self.description} if self.description else {}
        return {"type": self.kind, **described, **self.extra}


def invalid_arguments(description: str) -> MethodError:
    return MethodError("invalidArguments", description)


def set_error(kind: str, description: str = "", **extra: Any) -> dict[str, Any]:
    """A SetError object. RFC 8620 §5.3."""
    described = {"description": description} if description else {}
    return {"type": kind, **described, **extra}


class Refusal(Exception):
    """One object of a /set cannot be handled."""

    def __init__(self, kind: str, description: str = "", **extra: Any) -> None:
        super().__init__(kind)
        self.error = set_error(kind, description, **extra)


def invalid_properties(description: str, *names: str) -> Refusal:
    return Refusal("invalidProperties", description, properties=list(names))
