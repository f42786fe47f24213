"""Is a host made to be taken for a domain we watch over? Equal to the eye, one letter off, or dressed in its name."""

from dataclasses import dataclass
from functools import lru_cache

from gateway.content.hosts import to_unicode
from gateway.content.psl import public_suffix, registrable
from gateway.content.skeleton import skeleton

_LURE_WORDS = (
    "access account accounts activation admin alert alerts app auth authentication backup bank banking billing care "
    "center claim cloud code confirm corp customer customers deliver delivery device docs email exchange file files "
    "gift group help helpdesk hr id identity inc info invest invoice invoices key live login logins mail mailbox "
    "member mfa my notice notification office official online order orders parcel password pay payment payments "
    "payroll portal prime profile promo redelivery refund reschedule reset restore rewards safe secure secured "
    "security service services session share shipment shipping shop sign signin sso staff store support survey team "
    "tech token track tracking transfer unlock update updates user users validate validation verification verified "
    "verify vpn wallet web webmail"
)
#: Words that fraud adds to a name: "example-login", "secureexample".
LURE_WORDS = frozenset(_LURE_WORDS.split())

_CHEAP = frozenset(
    {"top", "xyz", "icu", "vip", "win", "bid", "buzz", "cyou", "sbs", "cfd", "lol", "fun", "site", "shop", "club"}
)
_SHORTEST_EDITED = 6  #: characters of a name below which one letter makes too many other words
_SHORTEST_TWICE = 9  #: below which only one edit counts
_SHORTEST_ANY_WORD = 6  #: below which only words of fraud count as added
_SHORTEST = 3

#: Famous names that are places, too, which honest names add any word to.
PLACES = frozenset({"amazon", "santander"})


@dataclass(frozen=True, slots=True)
class Match:
    """Which domain a host imitates, and how."""

    domain: str
    how: str  #: "homograph", "typo", "words", "hyphen", "ending" or "subdomain"


@dataclass(frozen=True, slots=True)
class _Watched:
    domain: str
    label: str  #: as people write it, Unicode, without the public suffix
    skeleton: str
    letters: frozenset[str]  #: of the skeleton
    is_word: bool  #: an ordinary word, which honest names hold, too; only letters that look alike count


@dataclass(frozen=True, slots=True)
class _Table:
    """A set of watched domains, prepared once for each configuration."""

    own: frozenset[str]
    watched: tuple[_Watched, ...]
    by_skeleton: dict[str, _Watched]
    labels: frozenset[str]


@lru_cache(maxsize=64)
def _prepared(domains: tuple[str, ...], words: frozenset[str]) -> _Table:
    watched = []
    for domain in domains:
        label = _label(domain)
        if len(label) >= _SHORTEST:
            reduced = skeleton(label)
            watched.append(_Watched(domain, label, reduced, frozenset(reduced), label in words))
    own = frozenset(domains) | {registrable(d) for d in domains}
    by_skeleton = {w.skeleton: w for w in reversed(watched)}
    return _Table(own, tuple(watched), by_skeleton, frozenset(w.label for w in watched))


def _label(domain: str) -> str:
    """ "xn--mller-kva.co.uk" gives "müller"."""
    base = registrable(domain) or domain
    suffix = public_suffix(base)
    return to_unicode(base.removesuffix("." + suffix) if suffix != base else base)


@lru_cache(maxsize=16_384)
def lookalike(
    host: str, protected: tuple[str, ...], *, endings: bool = True, words: frozenset[str] = frozenset()
) -> Match | None:
    """What a host (ASCII, lower case) imitates among the protected domains; None for these themselves.

    ``endings`` also counts the same name under another public suffix, which is right for domains whose owner told us
    all of them; without it only cheap endings count, as is right for a world-wide brand. ``words`` are names that
    are ordinary words.
    """
    if not protected or not host:
        return None
    table = _prepared(protected, words)
    base = registrable(host) or host
    if base in table.own or host in table.own:
        return None
    found = _same_to_the_eye(base, table, endings) or _as_subdomain(host, base, table)
    if found is not None or _label(base) in table.labels:
        return found  # a watched name under a country's ending is no slip of the pen for another watched name
    return _dressed(base, table) or _typo(base, table)


def _same_to_the_eye(base: str, table: _Table, endings: bool) -> Match | None:
    label = _label(base)
    twin = table.by_skeleton.get(skeleton(label))
    if twin is None or (len(label) <= _SHORTEST and label != twin.label and label.isascii() and label.isalpha()):
        return None  # three plain letters: too many honest names differ by an i and an l
    if twin.label != label:
        return Match(twin.domain, "homograph")
    return Match(twin.domain, "ending") if endings or is_cheap_ending(base) else None


def is_cheap_ending(domain: str) -> bool:
    """A top-level domain that is no country's and none of the old ones, where a famous name is rarely its owner's."""
    last = domain.rpartition(".")[2]
    return last in _CHEAP or (len(last) > 4 and not last.startswith("xn--"))


def _as_subdomain(host: str, base: str, table: _Table) -> Match | None:
    """ "example.com.evil.test", "example.com-login.test" and "example.account-verify.test"."""
    dotted = "." + host
    before = host.removesuffix(base).rstrip(".").split(".") if host != base else []
    words = [w for w in _label(base).split("-") if w]
    is_lure = len(words) > 1 and any(w in LURE_WORDS for w in words)
    for one in table.watched:
        at = dotted.find("." + one.domain)
        after = dotted[at + 1 + len(one.domain) :][:1] if at >= 0 else ""
        if after and after in ".-" and not base.startswith(one.domain + "."):
            return Match(one.domain, "subdomain")
        if is_lure and not one.is_word and one.label in before:
            return Match(one.domain, "subdomain")
    return None


def _dressed(base: str, table: _Table) -> Match | None:
    """The name with a word or a hyphen added: "example-login", "secureexample", "exam-ple"."""
    label = _label(base)
    words = [w for w in label.split("-") if w]
    own, joined = skeleton(label), skeleton("".join(words))
    reduced = [skeleton(w) for w in words]
    for one in table.watched:
        if one.is_word:
            continue
        plain = one.skeleton.replace("-", "")
        if joined == plain and own != one.skeleton:
            return Match(one.domain, "hyphen")
        if one.skeleton in reduced and len(words) > 1:
            others = [w for w, r in zip(words, reduced, strict=True) if r != one.skeleton]
            if (len(one.label) >= _SHORTEST_ANY_WORD and one.label not in PLACES) or any(
                w in LURE_WORDS for w in others
            ):
                return Match(one.domain, "words")
        if len(plain) > _SHORTEST and _with_lure_word(joined, plain):
            return Match(one.domain, "words")
    return None


def _with_lure_word(joined: str, plain: str) -> bool:
    if joined.startswith(plain):
        return joined[len(plain) :] in _LURE_SKELETONS
    return joined.endswith(plain) and joined[: -len(plain)] in _LURE_SKELETONS


#: Dictionary words one slip away from a famous name.
HONEST_WORDS = frozenset(
    {"applied", "applies", "finance", "finances", "financed", "goggle", "goggles", "googly", "googol", "doogie"}
)
_HONEST_SKELETONS = frozenset(skeleton(word) for word in HONEST_WORDS)
_LURE_SKELETONS = frozenset(skeleton(word) for word in LURE_WORDS)


def _typo(base: str, table: _Table) -> Match | None:
    label = skeleton(_label(base))
    letters = frozenset(label)
    for one in table.watched:
        length = min(len(one.label), len(label))
        if one.is_word or label == one.skeleton or length < _SHORTEST_EDITED or abs(len(label) - len(one.skeleton)) > 2:
            continue
        if label in _HONEST_SKELETONS:
            return None
        most = 2 if length >= _SHORTEST_TWICE else 1
        # One edit takes away at most one letter and brings at most one, which spares most of the work.
        if len(letters ^ one.letters) <= 2 * most and edits(label, one.skeleton, most) <= most:
            return Match(one.domain, "typo")
    return None


def edits(one: str, other: str, most: int) -> int:
    """Insertions, deletions, changes and swaps of neighbours between two words; gives up above ``most``."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        older, before, row = before, row, [i]
        for j, b in enumerate(other, 1):
            cost = min(before[j] + 1, row[-1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return row[-1]
