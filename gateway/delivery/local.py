"""Local delivery: plain functions inside the reception's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from store.changes.engine import AccountId, StoreTxn
from store.mail import emails, mailboxes, quota
from store.mail.emails import NewEmail
from store.mail.model import EmailId
from store.mail.quota import AccountClosed


@dataclass(frozen=True, slots=True)
class LocalCopy:
    """One account's copy and where it belongs: a mailbox role, "inbox" or "junk"."""

    account: AccountId
    role: str
    keywords: frozenset[str] = frozenset()


def deliver_copies(
    txn: StoreTxn, copies: Sequence[LocalCopy], new: NewEmail, *, must_fit: bool = True
) -> dict[AccountId, EmailId]:
    """Add the mail to each account once, whatever number of its addresses were named. Raises AccountClosed.

    SMTP has one answer for all recipients. So a mail that fits nobody is not taken at all (OverQuota), and one
    that fits somebody goes to everybody, also beyond a limit: refusing it would make the sender repeat it to those
    who have it, and a bounce could hit somebody innocent. How far beyond is bounded: RCPT refuses who is full.
    """
    by_account = {copy.account: copy for copy in reversed(copies)}
    if must_fit and by_account:
        standings = [quota.standing(txn.kv, txn.account(account)) for account in by_account]
        if not any(standing.has_room(new.digest.size) for standing in standings):
            raise standings[0].refusal()
    placed: dict[AccountId, EmailId] = {}
    for copy in reversed(by_account.values()):
        account = txn.account(copy.account)
        mailbox = mailboxes.with_role(account, copy.role) or mailboxes.with_role(account, "inbox")
        if mailbox is None:
            raise AccountClosed("the account was removed")
        wanted = replace(new, keywords=copy.keywords, may_exceed=True)
        placed[copy.account] = emails.add(account, wanted, [mailbox.id])[0].id
    return placed
