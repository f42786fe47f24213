"""Signals, evidence and checks: what can be seen in a mail, what was seen, and who looks.

A check says what it saw; what that is worth in nats is the business of the weights artefact, and what
to do about it is the business of the policy. A check cannot act.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

F = TypeVar("F")  #: the facts a check reads


@dataclass(frozen=True, slots=True)
class Signal:
    """Something a check can see. Declared once, as a constant beside the check that emits it."""

    name: str  #: "spf.fail": family, dot, what was seen; stable, in logs and headers
    about: str  #: a sentence an operator can read, which may hold "{detail}"
    category: str = ""  #: what it speaks for: "spam", "phish", "bec", "malware", "bulk", "auth", "trap" or ""
    rfc: str = ""  #: "7208 §8.4"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One sighting of a signal in one mail."""

    signal: Signal
    detail: str = ""  #: what was seen, safe to show an operator, at most 200 characters
    strength: float = 1.0  #: multiplies the signal's weight; a model gives its calibrated log-odds here

    @property
    def sentence(self) -> str:
        return self.signal.about.replace("{detail}", self.detail)


@dataclass(frozen=True, slots=True)
class Check(Generic[F]):
    """A named look at the facts of one mail."""

    name: str
    run: Callable[[F], Awaitable[Sequence[Evidence]]]
    emits: frozenset[Signal]
    budget_s: float = 5.0  #: beyond it the check is stopped and ``check.timeout`` is evidence


@dataclass(frozen=True, slots=True)
class PureCheck(Generic[F]):
    """A check that only computes: no await, bounded by its inputs, run beside others in one worker thread."""

    name: str
    run: Callable[[F], Sequence[Evidence]]
    emits: frozenset[Signal]
