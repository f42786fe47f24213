"""Hosts made to be read as another: look-alike letters, borrowed names, punycode that hides a brand. UTS #39."""

from collections.abc import Iterable, Iterator

from gateway.content.brands import ORDINARY_WORDS, brand_domains
from gateway.content.facts import Url
from gateway.content.lookalike import lookalike
from gateway.content.scripts import SYNTAX_TWINS, is_mixed_script
from gateway.content.skeleton import skeleton
from gateway.pipeline.evidence import Evidence, PureCheck, Signal
from gateway.pipeline.facts import DataFacts

MIXED_SCRIPT = Signal("url.mixed-script", "A link's host mixes alphabets within one word: {detail}", "phish")
LOOKALIKE = Signal("url.lookalike", "A link leads to a look-alike of a domain we protect: {detail}", "phish")
BRAND = Signal("url.brand-lookalike", "A link leads to a look-alike of a well-known name: {detail}", "phish")
CONFUSABLE = Signal(
    "url.confusable", "A link's host is written in foreign letters that read as Latin: {detail}", "phish"
)
SYNTAX = Signal(
    "url.fake-punctuation", "A link's host holds a letter that looks like a slash or dot: {detail}", "phish"
)

EMITS = frozenset({MIXED_SCRIPT, LOOKALIKE, BRAND, CONFUSABLE, SYNTAX})
_HOSTS = 100  #: distinct hosts that are looked at

#: How sure each way of imitation makes us; an ending or a subdomain may be honest.
_STRENGTH = {"homograph": 1.0, "typo": 0.7, "words": 0.8, "hyphen": 0.9, "ending": 0.3, "subdomain": 1.0}


def look(facts: DataFacts) -> list[Evidence]:
    found: list[Evidence] = []
    for url in distinct_hosts(facts.content.urls):
        found += _letters(url)
        found += imitation(url.host, url.host_unicode, facts.protected.domains)
    return found


def distinct_hosts(urls: Iterable[Url]) -> list[Url]:
    """One URL for each named host, pictures included: a picture's host is as telling as a link's."""
    hosts = {url.host: url for url in urls if url.domain or (url.host and not url.host[0].isdigit())}
    return list(hosts.values())[:_HOSTS]


def imitation(
    host: str, shown: str, protected: tuple[str, ...], ours: Signal = LOOKALIKE, brand: Signal = BRAND
) -> Iterator[Evidence]:
    """Evidence when a host imitates a protected domain or, failing that, a well-known name."""
    match = lookalike(host, protected)
    if match is not None:
        yield Evidence(ours, f"{shown} for {match.domain} ({match.how})"[:200], _STRENGTH[match.how])
        return
    match = lookalike(host, brand_domains(), endings=False, words=ORDINARY_WORDS)
    if match is not None:
        yield Evidence(brand, f"{shown} for {match.domain} ({match.how})"[:200], _STRENGTH[match.how])


def _letters(url: Url) -> Iterator[Evidence]:
    if url.host_unicode.isascii():
        return
    shown = url.host_unicode[:200]
    if any(c in SYNTAX_TWINS for c in url.host_unicode):
        yield Evidence(SYNTAX, shown)
    labels = [label for label in url.host_unicode.split(".") if not label.isascii()]
    if any(map(is_mixed_script, labels)):
        yield Evidence(MIXED_SCRIPT, shown)
    elif any(reads_as_latin(label) for label in labels):
        yield Evidence(CONFUSABLE, shown)


def reads_as_latin(label: str) -> bool:
    """A whole word in another alphabet, all of whose letters have a Latin twin: "аррӏе"."""
    foreign = [c for c in label if not c.isascii() and c.isalpha()]
    if not foreign or any("\u00c0" <= c <= "\u024f" or "\u1e00" <= c <= "\u1eff" for c in foreign):
        return False
    return len(label) > 2 and skeleton(label).isascii()


CHECK: PureCheck[DataFacts] = PureCheck("url_homograph", look, EMITS)
