"""What fraud asks for, in the words it asks with: English, German, French, Spanish, Italian, Portuguese, Dutch.

A family needs two things in one mail: its pretext and its demand, and most also need the hook that makes the fraud
work (a link, a payment, an answer). The words alone are everyday business. Each family is guarded by plain substrings
so that an ordinary mail costs a few microseconds. The words are in ``lures.toml``.
"""

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources

from gateway.checks.sender import is_proven
from gateway.content.freemail import is_freemail
from gateway.content.hosts import to_ascii
from gateway.content.psl import same_organisation
from gateway.pipeline.evidence import Evidence, PureCheck, Signal
from gateway.pipeline.facts import DataFacts

CREDENTIALS = Signal(
    "lure.credentials", "The text frightens the reader into signing in behind a link: {detail}", "phish"
)
PARCEL = Signal("lure.parcel", "The text asks for a small fee or data for a parcel behind a link: {detail}", "phish")
GIFT_CARDS = Signal("lure.gift-cards", "The text asks the reader to buy gift cards: {detail}", "bec")
PAYMENT = Signal("lure.payment-change", "The text asks to send money to another account than before: {detail}", "bec")
PAYROLL = Signal("lure.payroll", "The text asks to change where wages are paid: {detail}", "bec")
ERRAND = Signal("lure.errand", "A short text asks for a quick, discreet favour: {detail}", "bec")
EXTORTION = Signal("lure.extortion", "The text threatens the reader unless paid in a cryptocurrency: {detail}", "spam")
ADVANCE_FEE = Signal("lure.advance-fee", "The text promises a fortune to whoever answers: {detail}", "spam")
CALLBACK = Signal("lure.callback", "The text claims a charge and gives a number to call: {detail}", "phish")
SHARED_FILE = Signal("lure.shared-file", "The text announces a document behind a link elsewhere: {detail}", "phish")
PRIZE = Signal("lure.prize", "The text congratulates the reader on a prize: {detail}", "spam")

EMITS = frozenset(
    {
        *(CREDENTIALS, PARCEL, GIFT_CARDS, PAYMENT, PAYROLL, ERRAND, EXTORTION, ADVANCE_FEE),
        *(CALLBACK, SHARED_FILE, PRIZE),
    }
)
_READ = 6_000  #: characters of the normal form that are searched


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of fraud. It is found when a guard word, the pretext and the demand all occur and the hook holds."""

    signal: Signal
    guard: tuple[str, ...]  #: plain substrings, one of which must occur before any pattern is tried
    pretext: tuple[re.Pattern[str], ...]  #: any of them; each by itself, as a search knows with what letters it begins
    demand: tuple[re.Pattern[str], ...]
    hook: Callable[[DataFacts], float]  #: strength, 0 when what makes it dangerous is missing


def _link(facts: DataFacts) -> float:
    """A link away from the author's own proven domain; half as bad when every link stays there."""
    hosts = [u.host for u in facts.content.urls if u.source in ("html", "text", "form", "meta", "qr", "pdf") and u.host]
    html_file = any(a.true_type in ("html", "svg") for a in facts.content.attachments)
    if not hosts:
        return 1.0 if html_file else 0.0
    domain = to_ascii(facts.content.from_domain)
    if all(same_organisation(h, domain) for h in hosts) and not html_file:
        return 0.25 if is_proven(facts, domain) else 0.8
    return 1.0


def _answer(facts: DataFacts) -> float:
    """Someone outside asks for an answer. Proven mail of our own domain is colleagues talking."""
    domain = to_ascii(facts.content.from_domain)
    if any(same_organisation(domain, own) for own in facts.protected.own_domains) and is_proven(facts, domain):
        return 0.0
    return 1.0 if is_freemail(domain) or facts.content.reply_to or not is_proven(facts, domain) else 0.6


def _always(facts: DataFacts) -> float:
    return 1.0


def _short_stranger(facts: DataFacts) -> float:
    if len(facts.view.text) > 700 or facts.content.attachments:
        return 0.0
    domain = to_ascii(facts.content.from_domain)
    return 1.0 if is_freemail(domain) or not is_proven(facts, domain) else 0.0


def _stranger(facts: DataFacts) -> float:
    return 1.0 if _answer(facts) > 0.6 else 0.0


def _link_away(facts: DataFacts) -> float:
    strength = _link(facts)
    return strength if strength >= 0.5 else 0.0


def _link_or_answer(facts: DataFacts) -> float:
    return max(_link(facts), 0.6 if facts.content.reply_to else 0.0)


_HOOKS: dict[str, tuple[Signal, Callable[[DataFacts], float]]] = {
    "CREDENTIALS": (CREDENTIALS, _link),
    "PARCEL": (PARCEL, _link),
    "GIFT_CARDS": (GIFT_CARDS, _answer),
    "PAYMENT": (PAYMENT, _answer),
    "PAYROLL": (PAYROLL, _answer),
    "ERRAND": (ERRAND, _short_stranger),
    "EXTORTION": (EXTORTION, _always),
    "ADVANCE_FEE": (ADVANCE_FEE, _always),
    "CALLBACK": (CALLBACK, _stranger),
    "SHARED_FILE": (SHARED_FILE, _link_away),
    "PRIZE": (PRIZE, _link_or_answer),
}


@cache
def families() -> tuple[Family, ...]:
    """The table beside this file, compiled once."""
    table = tomllib.loads((resources.files("gateway.checks") / "lures.toml").read_text("utf-8"))
    return tuple(
        Family(
            signal=_HOOKS[name][0],
            guard=tuple(entry["guard"]),
            pretext=tuple(map(re.compile, entry["pretext"])),
            demand=tuple(map(re.compile, entry["demand"])),
            hook=_HOOKS[name][1],
        )
        for name, entry in table.items()
    )


def look(facts: DataFacts) -> list[Evidence]:
    text = facts.view.normal[:_READ]
    found: list[Evidence] = []
    for family in families():
        if not any(map(text.__contains__, family.guard)):
            continue
        pretext = _first(family.pretext, text)
        demand = _first(family.demand, text) if pretext else None
        if pretext is None or demand is None:
            continue
        strength = family.hook(facts)
        if strength:
            seen = " ... ".join(" ".join(m[0].split())[:70] for m in (pretext, demand))
            found.append(Evidence(family.signal, seen, strength))
    return found


def _first(patterns: tuple[re.Pattern[str], ...], text: str) -> re.Match[str] | None:
    """The match that begins first; of several there, that of the earlier pattern."""
    found = [match for pattern in patterns if (match := pattern.search(text))]
    return min(found, key=re.Match.start, default=None)


CHECK: PureCheck[DataFacts] = PureCheck("lure", look, EMITS)
