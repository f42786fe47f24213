"""Placing and releasing holds, making and removing rules: each one transaction with its audit entry."""

from datetime import UTC, datetime

from store.audit import chain
from store.changes.engine import StoreTxn
from store.retention import rows
from store.retention.rows import Hold, Rule


def place(txn: StoreTxn, hold: Hold) -> None:
    """Place a legal hold. Raises RetentionError."""
    rows.put_hold(txn, hold)
    about = (*hold.accounts, *hold.people)
    chain.record(txn, hold.placed_ms, hold.by, "hold.place", hold.case, scope_of(hold), people=about)


def release(txn: StoreTxn, case: str, by: str, at_ms: int) -> Hold:
    """End a hold; mail that only it kept goes with the next retention run. Raises RetentionError."""
    hold = rows.take_hold(txn, case)
    chain.record(txn, at_ms, by, "hold.release", case, scope_of(hold), people=(*hold.accounts, *hold.people))
    return hold


def add_rule(txn: StoreTxn, rule: Rule) -> None:
    """Make a retention rule; it keeps from now on, and deletes with the next run. Raises RetentionError."""
    rows.put_rule(txn, rule)
    _record_rule(txn, rule, "retention.add", rule.by, rule.made_ms)


def remove_rule(txn: StoreTxn, name: str, by: str, at_ms: int) -> Rule:
    """Raises RetentionError."""
    rule = rows.take_rule(txn, name)
    _record_rule(txn, rule, "retention.remove", by, at_ms)
    return rule


def _record_rule(txn: StoreTxn, rule: Rule, act: str, by: str, at_ms: int) -> None:
    chain.record(txn, at_ms, by, act, rule.name, effect_of(rule), people=(rule.account,) if rule.account else ())


def scope_of(hold: Hold) -> str:
    """What a hold is about besides people, as a sentence's middle."""
    parts = [f"domains {', '.join(hold.domains)}"] if hold.domains else []
    if hold.after_ms:
        parts.append(f"from {day(hold.after_ms)}")
    if hold.before_ms:
        parts.append(f"before {day(hold.before_ms)}")
    return "; ".join([*parts, *([hold.reason] if hold.reason else [])])


def effect_of(rule: Rule) -> str:
    """What a rule does, for people."""
    does = [f"keeps {rule.keep_days} days"] if rule.keep_days else []
    if rule.delete_days:
        since = "after coming into it" if rule.mailbox else "after receipt"
        does.append(f"deletes {rule.delete_days} days {since}")
    where = [f"mailbox {rule.mailbox}"] if rule.mailbox else []
    if rule.domain:
        where.append(f"domain {rule.domain}")
    return ", ".join(does) + (f" ({', '.join(where)})" if where else "")


def day(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d")
