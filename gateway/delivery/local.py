"""Local delivery: plain functions inside the reception's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass

from store.blob.contract import BlobId
from store.changes.engine import AccountId, StoreTxn
from store.mail import emails, mailboxes
from store.mail.emails import NewEmail
from store.mail.model import EmailId
from store.mail.parsing import Digest


@dataclass(frozen=True, slots=True)
class LocalCopy:
    """One account's copy and where it belongs: a mailbox role, "inbox" or "junk"."""

    account: AccountId
    role: str
    keywords: frozenset[str] = frozenset()


def deliver_copies(
    txn: StoreTxn, copies: Sequence[LocalCopy], blob: BlobId, digest: Digest, now_ms: int, reception: str
) -> dict[AccountId, EmailId]:
    """Add the mail to each account once, whatever number of its addresses were named."""
    placed: dict[AccountId, EmailId] = {}
    for copy in copies:
        if copy.account in placed:
            continue
        account = txn.account(copy.account)
        mailbox = mailboxes.with_role(account, copy.role) or mailboxes.with_role(account, "inbox")
        assert mailbox is not None, "every account has an INBOX"
        email, _ = emails.add(account, NewEmail(blob, digest, now_ms, copy.keywords, reception), [mailbox.id])
        placed[copy.account] = email.id
    return placed
