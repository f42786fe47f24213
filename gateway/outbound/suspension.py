"""Accounts that may not send: an entry that an administrator lifts, and the audit trail's word on both."""

from gateway.reputation import sending
from store.audit import chain
from store.changes.engine import StoreTxn, StoreView
from store.policy import entries
from store.policy.entries import PolicyEntry

SUSPEND = "suspend"  #: kind of the entry


def reason_against(view: StoreView, login: str) -> str | None:
    """Why an account may not send; None when it may."""
    entry = entries.get(view, SUSPEND, login.lower())
    return entry.reason if entry is not None else None


def suspend(txn: StoreTxn, login: str, by: str, why: str, now_ms: int) -> None:
    """Keep an account from sending, until somebody lifts it."""
    entries.put(txn, PolicyEntry(SUSPEND, login.lower(), by, why[:300], now_ms, 0))
    chain.record(txn, now_ms, by, "submission.suspend", login, why)


def lift(txn: StoreTxn, login: str, account: int, by: str, now_ms: int) -> bool:
    """Let an account send again, its unwanted mails forgotten; False when it was not suspended."""
    if entries.get(txn, SUSPEND, login.lower()) is None:
        return False
    entries.remove(txn, SUSPEND, login.lower())
    sending.forgive(txn, account, now_ms)
    chain.record(txn, now_ms, by, "submission.lift", login)
    return True
