"""Recognising one person's address in rows and octets, and naming the row it stands in."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from store.accounts import account as accounts
from store.blob.contract import BlobId
from store.changes.engine import AccountId, Store, StoreView
from store.retention.policy import bare
from store.schema import keys
from store.upkeep.collect import has_link

_BLOB = b"b"
_NAMED_BY_JOBS = (keys.LINK, keys.JOB[:1])
BATCH = 500  #: rows a snapshot

#: What a row is, by the beginning of its key, and why it may name somebody who was erased ("": it may not).
KINDS: tuple[tuple[bytes, str, str], ...] = (
    (keys.LINK, "links", ""),
    (keys.ACCOUNT, "account", "kept as long as mail of the account is kept back"),
    (keys.ADDRESS, "address", "kept as long as mail of the account is kept back"),
    (keys.DOMAIN, "domain settings", "belongs to the domain; see `mailward domain`"),
    (keys.GROUP, "groups", ""),
    (keys.HELD, "quarantine", ""),
    (keys.HELD_RECIPIENT, "quarantine", ""),
    (keys.TRACE, "traces", ""),
    (
        keys.AUDIT,
        "audit entries of version 1",
        "sealed in clear by an older version; they go with retention.audit_days",
    ),
    (keys.JOB, "jobs", ""),
    (keys.JOB_DUE, "jobs", ""),
    (keys.JOB_DEAD, "jobs given up", ""),
    (keys.REPUTATION, "reputation", ""),
    (keys.LABEL, "labels", ""),
    (keys.SESSION, "sessions", ""),
    (keys.POLICY, "policy entries", ""),
    (keys.HOLD, "legal holds", "the hold is about them; it goes when it is released"),
    (keys.RULE, "retention rules", ""),
    (keys.PSEUDONYM, "pseudonyms", ""),
    (keys.PERSON, "pseudonyms", ""),
)
OTHERS = "rows in other people's mailboxes"
KEPT_BACK = "mail kept back"


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a request to erase is about."""

    address: str  #: bare
    account: AccountId | None
    pattern: re.Pattern[bytes]
    asked_ms: int  #: when; what may go is asked as of then

    def is_same(self, address: str) -> bool:
        return bare(address) == self.address

    def is_in(self, octets: bytes) -> bool:
        return self.pattern.search(octets) is not None

    def is_in_key(self, key: bytes) -> bool:
        """In a key the address follows a letter or two, or what the name of a job begins with."""
        name = key.replace(b"-", b" ") if key[:1] in _NAMED_BY_JOBS else key
        return any(self.is_in(name[cut:]) for cut in range(3))


class NoPerson(Exception):
    """The address is not one of a person that can be erased; the text says what to do."""


def pattern_of(address: str) -> re.Pattern[bytes]:
    """The address in any case, with any "+detail", but not as the end of a longer one.

    In a packed row one or two octets of length stand before a text, and those may look like letters.
    """
    local, _, domain = (part.encode() for part in bare(address).rpartition("@"))
    start = rb"(?:(?<![a-z0-9._%+-])|(?<=\xd9.)|(?<=\xda..))"
    name = re.escape(local) + rb"(?:\+[^@\s\x00]{0,64})?@" + re.escape(domain) + rb"(?!\.[a-z0-9])"
    return re.compile(start + name, re.IGNORECASE | re.DOTALL)


def find(view: StoreView, address: str, now_ms: int) -> Person:
    """Somebody here, or outside. Raises NoPerson."""
    name = bare(address)
    if not all(name.rpartition("@")):
        raise NoPerson(f"{address!r} is no address; write one as ana@example.com")
    account = accounts.find(view, name)
    if account is not None and bare(account.address) != name:
        raise NoPerson(f"{name} is an alias of {account.address}: erase that, or remove the alias")
    if view.kv.get(keys.group(name)) is not None:
        raise NoPerson(f"{name} is a group; remove it, or erase its members one by one")
    if account is None:  # erased before as far as was allowed, or by a run that did not reach its end
        account = next((each for each in accounts.every(view) if each.is_leaving and bare(each.address) == name), None)
    return Person(name, account.id if account is not None else None, pattern_of(name), now_ms)


@dataclass(frozen=True, slots=True)
class Leftover:
    """Rows of one kind that name the person."""

    kind: str
    count: int
    why: str  #: why they may; "" when they may not


async def scan(store: Store, who: Person, on_rows: Callable[[int], object] | None = None) -> list[Leftover]:
    """Look through every row of the store, in snapshots of some hundred."""
    found: dict[tuple[str, str], int] = {}
    after = b""
    while rows := await store.read(lambda view, at=after: list(view.kv.scan(at, b"\xff" * 8, limit=BATCH))):  # type: ignore[misc]
        for key, value in rows:
            if who.is_in_key(key) or who.is_in(value):
                named = kind_of(key) if key[:1] != _BLOB else await _kind_of_octets(store, BlobId(key[1:33]))
                found[named] = found.get(named, 0) + 1
        if on_rows is not None:
            on_rows(len(rows))
        after = rows[-1][0] + b"\x00"
    return [Leftover(kind, count, why) for (kind, why), count in sorted(found.items())]


async def _kind_of_octets(store: Store, blob: BlobId) -> tuple[str, str]:
    if await store.read(lambda view: has_link(view, blob)):
        return "octets of mail", "mail from or to them that belongs to others, or is kept back"
    return "octets of mail", "nothing links to them any more: the collector takes them within minutes"


def kind_of(key: bytes) -> tuple[str, str]:
    if key[:1] == keys.SCOPE:
        if key[5:6] == b"K":
            return KEPT_BACK, "a hold or a rule keeps it"
        return OTHERS, "mail from or to them that belongs to others"
    for prefix, kind, why in sorted(KINDS, key=lambda each: -len(each[0])):
        if key.startswith(prefix):
            return kind, why
    return f"rows of the space {key[:1]!r}", ""
