"""Mails of the accounts of our own store: what people keep in their inbox, and what they moved to junk."""

from collections.abc import AsyncIterator
from itertools import islice

from store.accounts import account as accounts
from store.accounts.account import Account
from store.blob.contract import BlobId, BlobMissing
from store.changes.engine import AccountView, Store
from store.mail import emails, mailboxes, reading
from training.corpus.readers import MAIL_OCTETS
from training.corpus.sample import Label, Mail

PER_ACCOUNT = 500  #: mails of each label taken from one account, the newest: nobody's mail outweighs everybody's
LABELS = {"inbox": Label.LEGITIMATE, "archive": Label.LEGITIMATE, "junk": Label.UNWANTED}


async def read_store(store: Store, per_account: int = PER_ACCOUNT) -> AsyncIterator[Mail]:
    """The newest mails of every account; the family is the account, so that no fold splits one person's mail.

    Mail moved away or deleted meanwhile is passed over. Raises StoreError when the store cannot be read.
    """
    everybody = await store.read(accounts.all_accounts)
    for account in everybody:
        for blob, label in await store.read(lambda view, one=account: _wanted(view.account(one.id), per_account)):  # type: ignore[misc]
            try:
                octets = await store.blobs.read(blob)
            except BlobMissing:
                continue
            yield Mail(octets, label, _source(account), f"account {account.id}")


def _source(account: Account) -> str:
    return f"store:{account.address.rpartition('@')[2]}"


def _wanted(view: AccountView, most: int) -> list[tuple[BlobId, Label]]:
    found: list[tuple[BlobId, Label]] = []
    taken = {Label.LEGITIMATE: 0, Label.UNWANTED: 0}
    for role, label in LABELS.items():
        mailbox = mailboxes.with_role(view, role)
        if mailbox is None:
            continue
        for email_id in islice(reading.newest_first(view, mailbox.id), max(0, most - taken[label])):
            email = emails.get(view, email_id)
            if email is not None and email.size <= MAIL_OCTETS:
                found.append((email.blob, label))
                taken[label] += 1
    return found
