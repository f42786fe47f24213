"""The tests beside the rules: a mail, in a file or only told, and what becomes of it.

The whole book is asked, so a test also fails when another rule is faster. A rule in shadow is tried as if it were not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address

from gateway.content.hosts import to_ascii
from gateway.pipeline.evidence import Evidence, Signal
from gateway.pipeline.verdict import Policy, decide, log_odds, weigh
from gateway.policy.book import Book
from gateway.policy.rule import SAID, Rule
from gateway.policy.sight import Sight
from gateway.settings.policy import RuleTest


@dataclass(frozen=True, slots=True)
class Result:
    """One test's outcome."""

    rule: str
    number: int  #: of the test beside its rule, from 1
    what: str  #: the mail, in a few words
    expected: str
    got: str
    is_passed: bool


def told(test: RuleTest, signals: Mapping[str, Signal]) -> tuple[Sight, list[Evidence]]:
    """The mail that a test only tells. Raises ValueError for an address that is none."""
    local, at, domain = test.from_.rpartition("@")
    sight = Sight(
        author=f"{local}{at}{to_ascii(domain)}".lower(),
        ip=ip_address(test.ip),
        helo=test.helo,
        subject=test.subject,
        attachments=test.attachments,
        url_hosts=test.url_hosts,
        headers=tuple((name.lower(), text) for name, text in test.header.items()),
        signals=frozenset(test.signals),
        size=test.size,
        is_authentic=test.authenticated,
        is_first_contact=test.first_contact,
        language=test.language,
    )
    return sight, [Evidence(signals[name]) for name in test.signals]


def overridden(seen: Sight, test: RuleTest, signals: Mapping[str, Signal]) -> tuple[Sight, list[Evidence]]:
    """A mail in a file, with what is told beside it."""
    extra, evidence = told(test, signals)
    sight = replace(
        seen,
        author=extra.author or seen.author,
        helo=extra.helo or seen.helo,
        ip=extra.ip,
        subject=extra.subject or seen.subject,
        attachments=(*seen.attachments, *extra.attachments),
        url_hosts=(*seen.url_hosts, *extra.url_hosts),
        headers=(*seen.headers, *extra.headers),
        signals=seen.signals | extra.signals,
        size=extra.size or seen.size,
        is_authentic=seen.is_authentic or extra.is_authentic,
        is_first_contact=extra.is_first_contact,
        language=extra.language or seen.language,
    )
    return sight, evidence


def attempt(book: Book, rule: Rule, number: int, sight: Sight, evidence: Sequence[Evidence], policy: Policy) -> Result:
    """Ask the book about a mail and compare."""
    test = rule.tests[number - 1]
    if test.probability is not None:
        others = sum(reason.nats for reason in weigh(evidence, replace(policy, prior=0.0)))
        policy = replace(policy, prior=log_odds(test.probability) - others)
    general = decide(evidence, policy)
    if test.category:
        general = replace(general, category=test.category)
    tried = replace(book, rules=tuple(replace(r, is_shadow=False) if r.name == rule.name else r for r in book.rules))
    verdict = tried.decide(sight, evidence, general, policy, [test.to]).verdict
    is_mine = verdict.rule == rule.name
    said = SAID[verdict.action]
    got = f"{said}, by {verdict.rule or 'thresholds'}"
    passed = not is_mine if test.expect == "other" else is_mine and said == test.expect
    return Result(rule.name, number, described(test), test.expect, got, passed)


def described(test: RuleTest) -> str:
    parts = [test.mail.rpartition("/")[2], test.from_, test.to and f"to {test.to}", test.subject, *test.signals]
    return ", ".join(part for part in parts if part)
