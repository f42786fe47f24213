"""``may_delete``: the one question every deleter asks, inside its own transaction.

The holds and rules are read in that transaction, so a hold that is placed at the same moment either comes first and
is respected, or comes after and finds the mail gone; there is no third way.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from store.changes.engine import AccountId, StoreTxn
from store.kv.contract import ReadTxn
from store.retention import rows
from store.retention.rows import Hold, Rule
from store.schema import keys
from store.schema.rows import Reader

DAY_MS = 86_400_000
TRACE = "trace"  #: where a trace is, as a matter; only holds keep traces


@dataclass(frozen=True, slots=True)
class Matter:
    """Something about to be deleted, as holds and rules look at it. Addresses as ``bare`` gives them."""

    owners: frozenset[str]  #: addresses of the mailboxes it is in, or is for
    people: frozenset[str]  #: everybody it is from or to
    received_ms: int
    places: frozenset[str] = frozenset()  #: roles of the mailboxes it is in, "" for one without; "quarantine"; TRACE


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something may not go."""

    cases: tuple[str, ...]  #: legal holds
    rule: str  #: the rule that keeps it longest, "" for none
    until_ms: int  #: when that rule lets it go; a hold has no end of its own

    @property
    def sentence(self) -> str:
        holds = f"legal hold {', '.join(self.cases)}" if self.cases else ""
        rule = f"retention rule {self.rule}" if self.rule else ""
        return " and ".join(each for each in (holds, rule) if each)


@dataclass(frozen=True, slots=True)
class Policy:
    """All holds and rules of one snapshot."""

    holds: tuple[Hold, ...]
    rules: tuple[Rule, ...]

    @property
    def is_empty(self) -> bool:
        """Nothing is held or kept, as in most stores."""
        return not self.holds and not any(rule.keep_days for rule in self.rules)

    def refusal(self, matter: Matter, now_ms: int) -> Refusal | None:
        """Why the matter may not go; None: it may."""
        cases = tuple(hold.case for hold in self.holds if covers(hold, matter))
        longest = max(
            (rule for rule in self.rules if rule.keep_days and concerns(rule, matter.owners) and _is_at(rule, matter)),
            key=lambda rule: rule.keep_days,
            default=None,
        )
        until_ms = matter.received_ms + longest.keep_days * DAY_MS if longest is not None else 0
        if longest is None or until_ms <= now_ms:
            return Refusal(cases, "", 0) if cases else None
        return Refusal(cases, longest.name, until_ms)


def read_policy(txn: ReadTxn) -> Policy:
    return Policy(rows.holds(txn), rows.rules(txn))


def may_delete(txn: StoreTxn, matter: Matter) -> Refusal | None:
    """Whether it may be deleted now: None is yes, anything else says why not."""
    return txn.once(read_policy).refusal(matter, txn.now_ms)


def covers(hold: Hold, matter: Matter) -> bool:
    if matter.received_ms < hold.after_ms or (hold.before_ms and matter.received_ms >= hold.before_ms):
        return False
    return (
        not matter.owners.isdisjoint(hold.accounts)
        or any(domain_of(owner) in hold.domains for owner in matter.owners)
        or not (matter.people | matter.owners).isdisjoint(hold.people)
    )


def concerns(rule: Rule, owners: frozenset[str]) -> bool:
    """Whether a rule is about the mail of this owner."""
    if rule.account and rule.account not in owners:
        return False
    return not rule.domain or any(domain_of(owner) == rule.domain for owner in owners)


def _is_at(rule: Rule, matter: Matter) -> bool:
    """A rule without a mailbox is about delivered mail, wherever it is; not about the quarantine or traces."""
    return rule.mailbox in matter.places if rule.mailbox else matter.places.isdisjoint({rows.QUARANTINE, TRACE})


def bare(address: str) -> str:
    """An address as it is compared: lower case, without "+detail" (RFC 5233)."""
    local, at, domain = address.strip().lower().rpartition("@")
    return f"{local.partition('+')[0] or local}{at}{domain}"


def bares(addresses: Iterable[str]) -> frozenset[str]:
    return frozenset(bare(address) for address in addresses if address)


def domain_of(address: str) -> str:
    return address.rpartition("@")[2]


class _AccountHead(msgspec.Struct, frozen=True, array_like=True):
    """The beginning of an account's row (store/accounts, which lies above): whose mailbox it is."""

    id: int
    address: str
    name: str
    password_hash: str
    roles: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


_read_head = Reader(_AccountHead)


def owners_of(txn: ReadTxn, account: AccountId) -> frozenset[str]:
    """Every address of an account; none for one that is gone."""
    row = txn.get(keys.account(account))
    if row is None:
        return frozenset()
    head = _read_head(row)
    return bares((head.address, *head.aliases))
