"""The search language: ``from:@shop.example verdict:phish score:>0.9 "two words" -newsletter``. Pure, never raises."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from protocols.console.listing import Row

MAX_CHARS = 500
_MAX_TERMS = 20
_TERM = re.compile(r'(-?)(?:([a-z]{2,8}):)?(?:"([^"]{1,200})"?|([^\s"]{1,200}))')
_SCORE = re.compile(r"([<>]=?)?(\d{0,3}(?:\.\d{1,6})?)(%?)")

#: What a word after "verdict:" may be, beside our own category names.
_ALIASES = {
    "phishing": "phish", "impostor": "bec", "virus": "malware", "wanted": "ham", "newsletter": "bulk",
    "held": "quarantine", "delivered": "accept", "refused": "reject",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Term:
    field: str  #: "" is anywhere
    value: str  #: folded
    is_negative: bool

    def matches(self, row: "Row") -> bool:
        return _FIELDS[self.field](row, self.value) != self.is_negative


@dataclass(frozen=True, slots=True)
class Query:
    """Terms that must all hold."""

    text: str
    terms: tuple[Term, ...]

    def matches(self, row: "Row") -> bool:
        return all(term.matches(row) for term in self.terms)


def parse(text: str) -> Query:
    """Read what a person typed. A field nobody knows is taken as a word to look for."""
    text = text[:MAX_CHARS].strip()
    terms: list[Term] = []
    for minus, name, quoted, word in _TERM.findall(text.casefold()):
        value = quoted or word
        if name in _FIELDS:
            terms.append(Term(name, value, bool(minus)))
        else:
            terms.append(Term("", f"{name}:{value}", bool(minus)))
        if len(terms) >= _MAX_TERMS:
            break
    return Query(text, tuple(terms))


def _sender(row: "Row", value: str) -> bool:
    return any(value in part.casefold() for part in (row.from_name, row.from_address, row.mail_from))


def _recipient(row: "Row", value: str) -> bool:
    return any(value in address.casefold() for address in row.recipients)


def _verdict(row: "Row", value: str) -> bool:
    wanted = _ALIASES.get(value, value)
    return wanted in {row.category, row.action} or value == row.state


def _score(row: "Row", value: str) -> bool:
    found = _SCORE.fullmatch(value)
    if found is None or not found[2] or found[2] == ".":
        return False
    number = float(found[2]) / (100 if found[3] or float(found[2]) > 1 else 1)
    if found[1] and found[1].startswith("<"):
        return row.probability <= number if "=" in found[1] else row.probability < number
    return row.probability > number if found[1] == ">" else row.probability >= number


def _link(row: "Row", value: str) -> bool:
    return any(value in host.casefold() for host in row.links)


def _anywhere(row: "Row", value: str) -> bool:
    return (
        value in row.subject.casefold()
        or value in row.why.casefold()
        or row.id.casefold().startswith(value)
        or _sender(row, value)
        or _recipient(row, value)
    )


_FIELDS: dict[str, Callable[["Row", str], bool]] = {
    "": _anywhere,
    "from": _sender,
    "to": _recipient,
    "subject": lambda row, value: value in row.subject.casefold(),
    "why": lambda row, value: value in row.why.casefold(),
    "verdict": _verdict,
    "is": _verdict,
    "score": _score,
    "way": lambda row, value: row.way == value,
    "link": _link,
    "id": lambda row, value: row.id.casefold().startswith(value),
}
