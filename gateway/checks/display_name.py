"""Names that claim somebody else: most mail programs show only the name."""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from gateway.content.brands import ALIASES, BRANDS, OFFICES, domains_of
from gateway.content.freemail import is_freemail
from gateway.content.lookalike import is_cheap_ending
from gateway.content.psl import registrable, same_organisation
from gateway.content.scripts import is_mixed_script
from gateway.content.skeleton import skeleton
from gateway.pipeline.evidence import Evidence, PureCheck, Signal
from gateway.pipeline.facts import DataFacts, Protected
from store.message.model import Address

OTHER_ADDRESS = Signal(
    "display_name.other-address", "The sender's name shows an address of another domain: {detail}", "phish"
)
PERSON = Signal(
    "display_name.protected-person", "The sender uses a protected person's name with another address: {detail}", "bec"
)
DOMAIN = Signal("display_name.protected-domain", "The sender's name claims a protected domain: {detail}", "phish")
BRAND = Signal(
    "display_name.brand", "The sender's name claims a well-known company whose domain it is not: {detail}", "phish"
)
MIXED = Signal("display_name.mixed-script", "The sender's name mixes alphabets within one word: {detail}", "phish")
ENCODED = Signal("display_name.invisible", "The sender's name holds invisible or reordering characters", "phish")
ROLE = Signal("display_name.role-freemail", "A company role writes from a free mailbox: {detail}", "bec")

EMITS = frozenset({OTHER_ADDRESS, PERSON, DOMAIN, BRAND, MIXED, ENCODED, ROLE})

_ADDRESS = re.compile(r"[\w.+-]{1,64}@((?:[\w-]{1,63}\.){1,6}[a-z]{2,24})", re.I)
_DOMAIN = re.compile(r"(?<![\w@.-])((?:[\w-]{1,63}\.){1,4}[a-z]{2,24})(?![\w@])", re.I)
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_ROLES = re.compile(
    r"\b(?:ceo|cfo|coo|chief executive|chief financial|managing director|president|geschäftsführer|"
    r"direct(?:or|eur) général|director general|human resources|payroll|accounts payable|help ?desk|"
    r"it (?:support|department)|mail(?:box)? administrator|system administrator|security team|billing department)\b",
    re.I,
)
_NAME = 200  #: characters of a name that are read


def look(facts: DataFacts) -> list[Evidence]:
    found: list[Evidence] = []
    for sender in facts.content.from_[:3]:
        if sender.name:
            found += _claims(sender, facts)
    return found


def _claims(sender: Address, facts: DataFacts) -> Iterator[Evidence]:
    name = sender.name[:_NAME]
    domain = sender.email.rpartition("@")[2].lower()
    yield from _letters(name)
    shown = _ADDRESS.search(name)
    if shown and not same_organisation(shown[1].lower(), domain):
        yield Evidence(OTHER_ADDRESS, f"{shown[0]} but from {sender.email}"[:200])
    yield from _person(name, sender.email, facts.protected)
    claimed = _protected_domain(name, domain, facts.protected)
    if claimed:
        yield Evidence(DOMAIN, f"{name} but from {domain}"[:200])
    elif (brand := claimed_brand(name)) and not _belongs(domain, brand) and not facts.history.is_allowed:
        yield Evidence(BRAND, f"{name} but from {domain}"[:200])
    if is_freemail(domain) and (role := _ROLES.search(name)):
        yield Evidence(ROLE, f"{role[0]} from {domain}"[:200])


def _letters(name: str) -> Iterator[Evidence]:
    if name.isascii():
        return
    if any(is_mixed_script(word) for word in _WORD.findall(name)):
        yield Evidence(MIXED, name)
    if any(unicodedata.category(c) == "Cf" and c not in "\u200d\u200c" for c in name):
        yield Evidence(ENCODED)


@lru_cache(maxsize=8_192)
def _words(name: str) -> frozenset[str]:
    """The skeletons of a name's words, so that order, accents and look-alike letters do not matter."""
    return frozenset(skeleton(word) for word in _WORD.findall(name))


def _person(name: str, email: str, protected: Protected) -> Iterator[Evidence]:
    """One finding for the first person a name equals, unless the address is theirs or in one of our own domains."""
    words = _words(name)
    domain = email.rpartition("@")[2].lower()
    for person, address in protected.names:
        if len(_words(person)) < 2 or not _words(person) <= words or len(words) > len(_words(person)) + 2:
            continue
        same = email.lower() == address.lower() if address else domain in protected.own_domains
        if not same and domain not in protected.own_domains:
            yield Evidence(PERSON, f"{name} but from {email}"[:200])
        return


def _protected_domain(name: str, domain: str, protected: Protected) -> bool:
    """The name spells a protected domain, or is nothing but its name and an office ("Example Support")."""
    for shown in _DOMAIN.findall(name):
        base = registrable(shown.lower())
        if base in protected.domains and not same_organisation(base, domain):
            return True
    words = [w.lower() for w in _WORD.findall(name)]
    rest = [w for w in words if w not in OFFICES]
    if len(rest) != 1 or len(words) > 5 or len(rest[0]) < 4:
        return False
    claimed = skeleton(rest[0])
    for one in protected.domains:
        if skeleton(one.partition(".")[0]) == claimed:
            return not any(same_organisation(d, domain) for d in protected.domains)
    return False


@lru_cache(maxsize=8_192)
def claimed_brand(name: str) -> str:
    """The brand a name consists of, offices aside: "PayPal Service" is one, "Paul Apple" is not. "" for none."""
    words = [w.lower() for w in _WORD.findall(name)]
    if not 0 < len(words) <= 6:
        return ""
    reduced = [skeleton(w) for w in words]
    for known, brand in _brand_words().items():
        size = len(known)
        if tuple(reduced[:size]) == known and all(w in OFFICES or w.isdigit() for w in words[size:]):
            return brand
    return ""


@lru_cache(maxsize=1)
def _brand_words() -> dict[tuple[str, ...], str]:
    names = sorted([*BRANDS, *ALIASES], key=len, reverse=True)
    return {tuple(skeleton(w) for w in name.split()): name for name in names}


def _belongs(domain: str, brand: str) -> bool:
    """The brand's own domain, or its name under the ending of a country."""
    base = registrable(domain)
    if base in domains_of(brand):
        return True
    return base.partition(".")[0] in (brand.replace(" ", ""), ALIASES.get(brand, brand)) and not is_cheap_ending(base)


CHECK: PureCheck[DataFacts] = PureCheck("display_name", look, EMITS)
