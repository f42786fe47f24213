"""Legal holds and retention rules as rows. The store is their one place, so all nodes agree within a transaction."""

import re

import msgspec

from store.changes.engine import StoreTxn
from store.kv.contract import ReadTxn
from store.schema import keys
from store.schema.rows import Reader, pack

MAX_NAME = 100  #: characters of the name of a case or a rule
MAX_HOLDS, MAX_RULES = 1_000, 1_000
QUARANTINE = "quarantine"  #: what a rule calls held mail, beside the roles of mailboxes
_NAME = re.compile(r"[\w.][\w. -]*")


class RetentionError(Exception):
    """A hold or a rule cannot be made or found as asked; the text says why."""


class Hold(msgspec.Struct, frozen=True, array_like=True):
    """Mail that must not go: in these mailboxes, or from or to these people, received in this time."""

    case: str
    accounts: tuple[str, ...]  #: addresses of mailboxes held as a whole; lower case, as all addresses here
    domains: tuple[str, ...]  #: all mailboxes of these domains
    people: tuple[str, ...]  #: correspondents, in whosever mailbox
    after_ms: int  #: received then or later
    before_ms: int  #: received before then; 0 is without an end
    reason: str
    by: str
    placed_ms: int


class Rule(msgspec.Struct, frozen=True, array_like=True):
    """How long mail is kept at least, and when it goes. Everything a rule leaves empty means: any."""

    name: str
    keep_days: int  #: from when the mail was received; 0 keeps nothing
    delete_days: int  #: with a mailbox: from when the mail came into it; without: from when it was received; 0: never
    account: str
    domain: str
    mailbox: str  #: a role, or "quarantine"
    reason: str
    by: str
    made_ms: int


read_hold = Reader(Hold)
read_rule = Reader(Rule)


def put_hold(txn: StoreTxn, hold: Hold) -> None:
    """Place a hold. Raises RetentionError for a case that exists, or one that would hold nothing."""
    _check_name(hold.case)
    if not (hold.accounts or hold.domains or hold.people):
        raise RetentionError("name at least one account, domain or address to hold")
    if hold.before_ms and hold.before_ms <= hold.after_ms:
        raise RetentionError("the time of the hold ends before it begins")
    known = holds(txn.kv)
    if any(each.case == hold.case for each in known):
        raise RetentionError(f"the case {hold.case} exists; release it first, or take another name")
    if len(known) >= MAX_HOLDS:
        raise RetentionError(f"there are {MAX_HOLDS} holds already")
    txn.kv.put(keys.HOLD + hold.case.encode(), pack(hold))
    txn.touch()


def take_hold(txn: StoreTxn, case: str) -> Hold:
    """End a hold; it is returned. Raises RetentionError."""
    hold = find_hold(txn.kv, case)
    txn.kv.delete(keys.HOLD + case.encode())
    txn.touch()
    return hold


def find_hold(txn: ReadTxn, case: str) -> Hold:
    """Raises RetentionError."""
    row = txn.get(keys.HOLD + case.encode("utf-8", "replace"))
    if row is None:
        raise RetentionError(f"no hold is named {case}; `mailward hold list` shows them")
    return read_hold(row)


def holds(txn: ReadTxn) -> tuple[Hold, ...]:
    return tuple(read_hold(row) for _, row in txn.scan(keys.HOLD, keys.prefix_end(keys.HOLD)))


def put_rule(txn: StoreTxn, rule: Rule) -> None:
    """Make a rule. Raises RetentionError when it exists or does nothing."""
    _check_name(rule.name)
    if rule.keep_days < 0 or rule.delete_days < 0 or not (rule.keep_days or rule.delete_days):
        raise RetentionError("a rule keeps mail for some days, deletes it after some days, or both")
    if rule.delete_days and rule.delete_days < rule.keep_days:
        raise RetentionError("the rule would delete what it keeps; let it delete later than it keeps")
    if rule.mailbox == QUARANTINE and rule.delete_days:
        raise RetentionError("held mail goes when it expires (quarantine.keep_days); a rule can only keep it longer")
    known = rules(txn.kv)
    if any(each.name == rule.name for each in known):
        raise RetentionError(f"the rule {rule.name} exists; remove it first, or take another name")
    if len(known) >= MAX_RULES:
        raise RetentionError(f"there are {MAX_RULES} rules already")
    txn.kv.put(keys.RULE + rule.name.encode(), pack(rule))
    txn.touch()


def take_rule(txn: StoreTxn, name: str) -> Rule:
    """Remove a rule; it is returned. Raises RetentionError."""
    row = txn.kv.get(keys.RULE + name.encode("utf-8", "replace"))
    if row is None:
        raise RetentionError(f"no rule is named {name}; `mailward retention list` shows them")
    txn.kv.delete(keys.RULE + name.encode())
    txn.touch()
    return read_rule(row)


def rules(txn: ReadTxn) -> tuple[Rule, ...]:
    return tuple(read_rule(row) for _, row in txn.scan(keys.RULE, keys.prefix_end(keys.RULE)))


def _check_name(name: str) -> None:
    if len(name) > MAX_NAME or not _NAME.fullmatch(name):
        raise RetentionError("a name is up to 100 letters, digits, spaces, dots and hyphens")
