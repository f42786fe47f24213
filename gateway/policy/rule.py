"""One rule of the configuration, compiled: what must hold, for whom, and what is done then.

A rule that makes a verdict milder must say whom it trusts, and by something that a mail cannot just write: an author
who proves who it is, or a client's network. A rule cannot trust a subject.
"""

import difflib
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from gateway.content.hosts import to_ascii
from gateway.pipeline.verdict import Action, Verdict
from gateway.policy.glob import BadGlob, Glob, glob
from gateway.policy.sight import Asked, Sight
from gateway.settings.policy import Names, RuleSettings, RuleTest, When

ACTIONS = {
    "deliver": Action.ACCEPT,
    "junk": Action.JUNK,
    "hold": Action.QUARANTINE,
    "defer": Action.DEFER,
    "refuse": Action.REJECT,
}
SAID = {action: word for word, action in ACTIONS.items()}
CATEGORIES = ("ham", "bulk", "spam", "phish", "bec", "malware", "auth", "trap", "policy")
MAX_RULES = 500
MAX_SENTENCE = 200
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_WIDEST = {4: 8, 6: 16}  #: bits of a network that a rule may trust

Condition = Callable[[Sight, Verdict], bool]


class BadRule(ValueError):
    """The rule cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a rule says, ready to be asked."""

    name: str
    action: Action
    because: str
    is_shadow: bool
    conditions: tuple[Condition, ...]
    to: tuple[Glob, ...]  #: the recipient is like one of these; empty is any
    concerns: frozenset[str]  #: addresses and "@domain"; empty is everybody
    trusts_author: bool  #: names whose mail it is about
    trusts_network: bool
    asked: Asked
    tests: tuple[RuleTest, ...] = ()

    def is_for(self, recipient: str) -> bool:
        name = recipient.lower()
        if self.concerns and not self.concerns & {name, "@" + name.rpartition("@")[2]}:
            return False
        return not self.to or any(pattern.matches(name) for pattern in self.to)

    def holds(self, sight: Sight, verdict: Verdict) -> bool:
        """Whether every condition on the mail itself is met."""
        return all(condition(sight, verdict) for condition in self.conditions)

    def may_soften(self, sight: Sight) -> bool:
        return self.trusts_network or (self.trusts_author and sight.is_authentic)

    @property
    def skips(self) -> str:
        """What is not looked at any more where the rule decides."""
        if self.action > Action.JUNK:
            return "nothing: it is no milder than what the evidence says, but for mail to be refused that it holds"
        trusted = {
            (True, True): "the author proves who it is, or the client is in the network",
            (True, False): "the author proves who it is",
            (False, True): "the client is in the network",
        }.get((self.trusts_author, self.trusts_network))
        if trusted is None:
            return "nothing: it trusts nobody, so it makes no mail milder"
        return (
            f"when {trusted}: the probability and its thresholds, DMARC's wish, greylisting; "
            "never dangerous attachments, malware, traps, block entries or checks that failed"
        )


def compile_rule(settings: RuleSettings, signals: Collection[str], groups: dict[str, tuple[str, ...]]) -> Rule:
    """Check and prepare a rule. Raises BadRule."""
    if not _NAME.fullmatch(settings.name) or settings.name in signals or settings.name == "prior":
        raise BadRule(f"rule name {settings.name!r}: small letters, digits and hyphens, and not a signal's name")
    try:
        return _compiled(settings, signals, groups)
    except (BadRule, BadGlob) as error:
        raise BadRule(f'rule "{settings.name}": {error}') from error


def _compiled(settings: RuleSettings, signals: Collection[str], groups: dict[str, tuple[str, ...]]) -> Rule:
    when = settings.when
    if when == When():
        raise BadRule("when: at least one condition; a rule about all mail would be the whole policy")
    if not settings.because.strip() or len(settings.because) > MAX_SENTENCE or not settings.because.isprintable():
        raise BadRule(f"because: a sentence for people, one line of at most {MAX_SENTENCE} characters")
    conditions, networks = _conditions(when, signals)
    authors = _domains(when.from_) + _domains(when.from_domain)
    rule = Rule(
        name=settings.name,
        action=ACTIONS[settings.then],
        because=settings.because,
        is_shadow=settings.shadow,
        conditions=conditions,
        to=_globs(when.to),
        concerns=frozenset(_concerned(settings.for_, groups)),
        trusts_author=bool(authors) and all(_is_narrow(each) for each in authors),
        trusts_network=bool(networks) and all(each.prefixlen >= _WIDEST[each.version] for each in networks),
        asked=Asked(frozenset(name.lower() for name in when.header), bool(names(when.language))),
        tests=settings.test,
    )
    if rule.action is Action.ACCEPT and not (rule.trusts_author or rule.trusts_network):
        raise BadRule(
            'then = "deliver" must say whom it trusts: from or from_domain with a whole domain, as in '
            '"*@partner.example", or ip with networks; anything else can be written by anybody'
        )
    for number, test in enumerate(settings.test, 1):
        if test.expect not in (*ACTIONS, "other"):
            raise BadRule(f"test {number}: expect: one of {', '.join(ACTIONS)}, other")
        _known(test.signals, signals, "signal")
    return rule


def _conditions(
    when: When, signals: Collection[str]
) -> tuple[tuple[Condition, ...], tuple[IPv4Network | IPv6Network, ...]]:
    made: list[Condition] = []

    def like(wanted: Names, shown: Callable[[Sight], Iterable[str]]) -> None:
        patterns = _globs(wanted)
        if patterns:
            made.append(lambda sight, _: any(p.matches(text) for text in shown(sight) for p in patterns))

    like(_ascii(when.from_), lambda sight: (sight.author,))
    like(_ascii(when.from_domain), lambda sight: (sight.author_domain,))
    like(when.helo, lambda sight: (sight.helo,))
    like(when.subject, lambda sight: (sight.subject,))
    like(when.attachment, lambda sight: sight.attachments)
    like(_ascii(when.url_host), lambda sight: sight.url_hosts)
    like(when.language, lambda sight: (sight.language,))
    for name, wanted in when.header.items():
        if not names(wanted):
            raise BadRule(f"header: {name} needs a glob")
        like(wanted, _header_called(name.lower()))
    networks = _networks(when.ip)
    if networks:
        made.append(lambda sight, _: any(sight.ip in network for network in networks))
    made += _on_signals(when, signals) + _on_verdict(when)
    return tuple(made), networks


def _header_called(name: str) -> Callable[[Sight], Iterable[str]]:
    return lambda sight: [text for each, text in sight.headers if each == name]


def _on_signals(when: When, signals: Collection[str]) -> list[Condition]:
    any_of, all_of, none_of = (frozenset(names(n)) for n in (when.signals, when.all_signals, when.without))
    _known(any_of | all_of | none_of, signals, "signal")
    made: list[Condition] = []
    if any_of:
        made.append(lambda sight, _: bool(any_of & sight.signals))
    if all_of:
        made.append(lambda sight, _: all_of <= sight.signals)
    if none_of:
        made.append(lambda sight, _: not none_of & sight.signals)
    return made


def _on_verdict(when: When) -> list[Condition]:
    made: list[Condition] = []
    categories = frozenset(names(when.category))
    _known(categories, CATEGORIES, "category")
    if categories:
        made.append(lambda _, verdict: verdict.category in categories)
    above, below, size = when.probability_above, when.probability_below, when.size_over
    for bound in (above, below):
        if bound is not None and not 0 <= bound <= 1:
            raise BadRule("probability_above and probability_below: from 0 to 1")
    if above is not None:
        made.append(lambda _, verdict: verdict.probability > above)
    if below is not None:
        made.append(lambda _, verdict: verdict.probability < below)
    if size is not None:
        made.append(lambda sight, _: sight.size > size)
    if when.authenticated is not None:
        made.append(lambda sight, _: sight.is_authentic is when.authenticated)
    if when.first_contact is not None:
        made.append(lambda sight, _: sight.is_first_contact is when.first_contact)
    return made


def names(wanted: Names) -> tuple[str, ...]:
    """One name or several, as several."""
    return (wanted,) if isinstance(wanted, str) else wanted


def _globs(wanted: Names) -> tuple[Glob, ...]:
    return tuple(glob(text) for text in names(wanted))


def _ascii(wanted: Names) -> Names:
    """Domains as they are compared: in A-labels. Stars and marks stay."""
    split = (text.rpartition("@") for text in names(wanted))
    return tuple(local + at + to_ascii(domain) for local, at, domain in split)


def _domains(wanted: Names) -> list[str]:
    return [text.rpartition("@")[2] for text in names(wanted)]


def _is_narrow(domain: str) -> bool:
    """Whether a glob means one organisation's domains: its last two labels stand there in full."""
    labels = domain.split(".")[-2:]
    return len(labels) == 2 and all(labels) and not any(set(label) & set("*?") for label in labels)


def _networks(wanted: Names) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(ip_network(text) for text in names(wanted))
    except ValueError as error:
        raise BadRule(f"ip: {error}") from error


def _known(wanted: Iterable[str], known: Collection[str], what: str) -> None:
    for name in wanted:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            raise BadRule(f"unknown {what} {name}" + (f"; did you mean {close[0]}?" if close else ""))


def _concerned(wanted: Names, groups: dict[str, tuple[str, ...]]) -> Iterable[str]:
    for text in names(wanted):
        if text.startswith("group:"):
            _known((text[6:],), groups, "group")
            yield from groups[text[6:]]
        elif "@" in text:
            yield text.lower()
        else:
            raise BadRule(f'for: {text!r}: write an address, "@domain" or "group:name"')
