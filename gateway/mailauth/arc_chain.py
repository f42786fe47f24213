"""The sets of an ARC chain, as they stand in a mail: read, counted and checked for shape. RFC 8617 §4, §5.2.

Nothing here is cryptography, and nothing asks the DNS. What a set's parts are is decided by their own instance tag,
never by where they stand, so that a relay which moves header fields breaks nothing.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import dkim

from gateway.mailauth.signed import BadSignature, tags_of

Field = tuple[bytes, bytes]  #: name and raw value, as dkimpy holds them
Tags = Mapping[bytes, bytes]

RESULTS, SIGNATURE, SEAL = b"arc-authentication-results", b"arc-message-signature", b"arc-seal"
MAX_INSTANCE = 50  #: RFC 8617 §4.2.1

_INSTANCE = re.compile(rb"\s*i\s*=\s*(\d{1,3})\s*;", re.IGNORECASE)
_NUMBER = re.compile(rb"\d{1,3}")
_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*"|\((?:[^()\\]|\\.)*\)', re.DOTALL)
_OUTCOME = re.compile(rb"\s*(dmarc|dkim|spf)\s*(?:/\s*1\s*)?=\s*([a-z]+)(?![a-z])", re.IGNORECASE)
_NESTED = 10  #: comments within comments
_RESULTS_READ = 8_192  #: octets of ARC-Authentication-Results
_COLON = re.compile(rb"\s*:\s*")
_OF_SIGNATURE = [b"i", b"a", b"b", b"bh", b"d", b"h", b"s"]
_OF_SEAL = [b"i", b"a", b"b", b"cv", b"d", b"s"]


class BrokenChain(Exception):
    """The chain does not hold together; the message says where. RFC 8617 §5.2: its status is "fail"."""


@dataclass(frozen=True, slots=True)
class ArcSet:
    """What one forwarder added."""

    instance: int
    results: Field
    signature: Field
    seal: Field
    signature_tags: Tags
    seal_tags: Tags

    @property
    def status(self) -> bytes:
        """cv=: what this forwarder found of the chain before it."""
        return self.seal_tags[b"cv"]

    @property
    def signed(self) -> list[bytes]:
        """Names in the message signature's h=, lower case."""
        return [name.lower() for name in _COLON.split(self.signature_tags[b"h"].strip())]


def read_chain(headers: Iterable[Sequence[bytes]]) -> tuple[ArcSet, ...]:
    """The sets in their order, () for a mail without any. Raises BrokenChain."""
    parts: dict[int, dict[bytes, Field]] = {}
    for name, value in headers:
        lower = name.lower()
        if lower not in (RESULTS, SIGNATURE, SEAL):
            continue
        instance = instance_of(lower, value)
        own = parts.setdefault(instance, {})
        if lower in own:
            raise BrokenChain(f"two {name.decode('ascii', 'replace')} of instance {instance}")
        own[lower] = (name, value)
    if sorted(parts) != list(range(1, len(parts) + 1)):
        raise BrokenChain("instances are not numbered from 1 without a gap")
    return tuple(_read_set(instance, parts[instance]) for instance in sorted(parts))


def instance_of(name: bytes, value: bytes) -> int:
    """Which set a field belongs to. Raises BrokenChain."""
    if name == RESULTS:
        found = _INSTANCE.match(value)
        number = found.group(1) if found else b""
    else:
        number = _tags(value).get(b"i", b"")
    if not _NUMBER.fullmatch(number) or not 1 <= int(number) <= MAX_INSTANCE:
        raise BrokenChain(f"no instance from 1 to {MAX_INSTANCE}")
    return int(number)


def _tags(value: bytes) -> dict[bytes, bytes]:
    try:
        return tags_of(value)
    except BadSignature as error:
        raise BrokenChain(str(error)) from error


def _read_set(instance: int, own: Mapping[bytes, Field]) -> ArcSet:
    if len(own) != 3:
        raise BrokenChain(f"set {instance} is not complete")
    signature, seal = _tags(own[SIGNATURE][1]), _tags(own[SEAL][1])
    _check_tags(signature, _OF_SIGNATURE)
    _check_tags(seal, _OF_SEAL)
    if b"h" in seal:  # RFC 8617 §4.1.3
        raise BrokenChain(f"seal {instance} has a tag h=")
    one = ArcSet(instance, own[RESULTS], own[SIGNATURE], own[SEAL], signature, seal)
    if SEAL in one.signed:  # RFC 8617 §4.1.2
        raise BrokenChain(f"message signature {instance} covers a seal")
    return one


def _check_tags(tags: Tags, needed: Sequence[bytes]) -> None:
    # dkimpy compares t= and x= with this machine's clock; they are judged elsewhere, by when the mail came
    timeless = {name: value for name, value in tags.items() if name not in (b"t", b"x")}
    try:
        dkim.validate_signature_fields(timeless, needed, True)
    except dkim.DKIMException as error:
        raise BrokenChain(str(error)) from error


def check_statuses(sets: Sequence[ArcSet]) -> None:
    """Raises BrokenChain where what the forwarders said of the chain cannot be. RFC 8617 §5.2, steps 2 and 3."""
    if sets[-1].status == b"fail":
        raise BrokenChain(f"seal {len(sets)} says that the chain is broken")
    for one in sets:
        if one.status != (b"none" if one.instance == 1 else b"pass"):
            raise BrokenChain(f"seal {one.instance} says cv={one.status.decode('ascii', 'replace')}")


def seal_headers(sets: Sequence[ArcSet]) -> tuple[list[Field], list[bytes]]:
    """Fields that the last set's seal covers, newest first, and their names as they are signed. RFC 8617 §5.1.1."""
    fields = [field for one in reversed(sets) for field in (one.seal, one.signature, one.results)]
    names = [name for _ in sets for name in (RESULTS, SIGNATURE, SEAL)]
    return fields[1:], names[:-1]


def newest_of(headers: Iterable[Sequence[bytes]]) -> tuple[int, bool]:
    """Highest instance of any seal, 0 without one, and whether it says cv=fail; also of a chain that is broken."""
    newest, has_failed = 0, False
    for name, value in headers:
        if name.lower() != SEAL:
            continue
        try:
            instance = instance_of(SEAL, value)
        except BrokenChain:
            continue
        if instance >= newest:
            newest, has_failed = instance, _tags(value).get(b"cv") == b"fail"
    return newest, has_failed


def vouches(one: ArcSet) -> bool:
    """Did this forwarder find the author authentic? DMARC decides where it was told, else any pass. RFC 8617 §7.2.1.

    Text that cannot be read for certain vouches for nothing: a sender may have had a hand in it.
    """
    text = one.results[1][:_RESULTS_READ]
    for _ in range(_NESTED):
        plain = _QUOTED.sub(b" ", text)
        if plain == text:
            break
        text = plain
    if any(mark in text for mark in (b'"', b"(", b")", b"\\")):
        return False
    clauses = (_OUTCOME.match(clause) for clause in text.split(b";")[2:])
    found = [(told.group(1).lower(), told.group(2).lower()) for told in clauses if told]
    by_dmarc = [outcome for method, outcome in found if method == b"dmarc"]
    return set(by_dmarc) == {b"pass"} if by_dmarc else any(outcome == b"pass" for _, outcome in found)
