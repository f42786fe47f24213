"""What a list is: where it is asked, about what, and what its answers mean. Pure: no network here.

An answer that is not known means nothing, and one that says "you may not ask" is a refusal, never a listing:
lists answer 127.255.255.x to public resolvers and to who asks too much, and read as listings these would
condemn all mail.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from ipaddress import IPv4Address
from typing import Any, Literal, get_args

Asks = Literal["client", "domains", "signed"]
Meaning = Literal[
    "client-spam",
    "client-compromised",
    "client-hijacked",
    "client-dynamic",
    "client-trusted",
    "domain-spam",
    "domain-phish",
    "domain-malware",
    "domain-abused",
    "domain-abused-phish",
    "domain-new",
    "domain-grey",
    "signed-trusted",
]
REFUSED = "refused"

_EVERY_LIST_REFUSES = "127.255.255."
_EXACT = re.compile(r"(127\.\d{1,3}\.\d{1,3})\.(\d{1,3})(?:-(\d{1,3}))?")
_PARTS = frozenset({"zone", "keyed", "asks", "answers", "bits", "refused", "pattern", "means"})


class BadList(ValueError):
    """A list cannot be used as it is described; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class DnsList:
    """One list."""

    name: str
    zone: str  #: that is asked without a key; "" when there is no such access
    keyed: str  #: that is asked with a key in front; "" when there is no such access
    asks: frozenset[Asks]
    answers: Mapping[str, Meaning]
    bits: Mapping[int, Meaning]
    refused: frozenset[str]
    pattern: re.Pattern[str] | None = None
    means: Meaning | None = None  #: of an answer that has the pattern

    def meanings(self, answers: Iterable[str]) -> frozenset[str]:
        """Everything the answers of one question say; ``REFUSED`` stands alone: such a list tells nothing."""
        found: set[str] = set()
        for answer in answers:
            if answer.startswith(_EVERY_LIST_REFUSES) or answer in self.refused:
                return frozenset({REFUSED})
            found |= self._meaning(answer)
        return frozenset(found)

    def _meaning(self, answer: str) -> set[str]:
        try:
            octets = IPv4Address(answer).packed
        except ValueError:
            return set()
        if octets[0] != 127:  # a resolver that answers everything with its own page
            return {REFUSED}
        if answer in self.answers:
            return {self.answers[answer]}
        if self.pattern is not None and self.means is not None and self.pattern.fullmatch(answer):
            return {self.means}
        return {meaning for bit, meaning in self.bits.items() if octets[3] & bit}


@cache
def known_lists() -> Mapping[str, DnsList]:
    """The lists we describe, by name."""
    tree = tomllib.loads((resources.files(__package__) / "lists.toml").read_text("utf-8"))
    return {name: read_list(name, table) for name, table in tree.items()}


def read_list(name: str, table: Mapping[str, Any]) -> DnsList:
    """A list from its TOML table. Raises BadList."""
    if unknown := set(table) - _PARTS:
        raise BadList(f"{name}: {', '.join(sorted(unknown))} is not known here; known: {', '.join(sorted(_PARTS))}")
    asks = frozenset(table.get("asks", ()))
    if not asks or asks - set(get_args(Asks)):
        raise BadList(f"{name}: asks is a list of {', '.join(get_args(Asks))}")
    answers = {
        answer: _meaning(name, meaning)
        for written, meaning in table.get("answers", {}).items()
        for answer in _spread(name, written)
    }
    bits = {_bit(name, bit): _meaning(name, meaning) for bit, meaning in table.get("bits", {}).items()}
    pattern = table.get("pattern", "")
    if not (answers or bits or pattern):
        raise BadList(f"{name}: say what its answers mean, in answers or bits")
    try:
        compiled = re.compile(pattern) if pattern else None
    except re.error as error:
        raise BadList(f"{name}: pattern: {error}") from error
    return DnsList(
        name,
        str(table.get("zone", "")).strip("."),
        str(table.get("keyed", "")).strip("."),
        asks,
        answers,
        bits,
        frozenset(table.get("refused", ())),
        compiled,
        _meaning(name, table.get("means", "")) if compiled else None,
    )


def _meaning(name: str, text: str) -> Meaning:
    for meaning in get_args(Meaning):
        if text == meaning:
            return meaning  # type: ignore[no-any-return]
    raise BadList(f"{name}: {text!r} is no meaning; known: {', '.join(get_args(Meaning))}")


def _bit(name: str, text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number not in {1 << place for place in range(8)}:
        raise BadList(f"{name}: bits: {text!r} is not one of 1, 2, 4, ... 128")
    return number


def _spread(name: str, written: str) -> list[str]:
    match = _EXACT.fullmatch(written)
    if match is None:
        raise BadList(f"{name}: answers: {written!r}; write 127.0.0.2, or 127.0.0.4-7 for several")
    first = int(match[2])
    last = int(match[3] or first)
    if not first <= last <= 255:
        raise BadList(f"{name}: answers: {written!r} is an empty range")
    return [f"{match[1]}.{octet}" for octet in range(first, last + 1)]
