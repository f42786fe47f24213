"""Removing an account: at once nobody reaches it any more, then its mail and rows go, some in each transaction.

Mail goes the way of all mail that is destroyed, so a legal hold or a retention rule keeps back what it must; the
account's row stays as long as such mail does. Any step may be the last before a crash: the next one goes on.
"""

from enum import Enum

from msgspec.structs import replace

from store.accounts import account as accounts
from store.accounts.account import Account
from store.changes.engine import AccountTxn, StoreTxn
from store.mail import emails, kept, quota, uploads
from store.mail.model import EmailId
from store.mail.quota import Usage
from store.policy import entries
from store.schema import keys

MAILS = 200  #: destroyed in one transaction
ROWS = 1_000  #: taken away in one transaction once no mail is left
_END_OF_TIME_MS = 1 << 62


class Left(Enum):
    """What remains after a step."""

    MORE = "more"
    KEPT = "kept back"  #: nothing but mail that a hold or a rule keeps
    NOTHING = "nothing"


def begin(txn: StoreTxn, account: Account) -> None:
    """Take the account out of service: no address, no password, no new mail."""
    for address in (account.address, *account.aliases):
        if txn.kv.get(keys.address(address)) == keys.u32(account.id):
            txn.kv.delete(keys.address(address))
    entries.remove(txn, "suspend", account.address)  # whoever has the address next did nothing
    accounts.save(txn, replace(account, password_hash="", roles=(), is_leaving=True))
    own = txn.account(account.id)
    own.hold(keys.USAGE, replace(quota.usage(own) or Usage(counted_to=0), is_closed=True))
    txn.touch(account.id)


def step(txn: StoreTxn, account: Account, by: str) -> Left:
    """Take away some of what is left of an account that is leaving."""
    own = txn.account(account.id)
    mails = [EmailId(keys.read_u64(key[1:9])) for key, _ in own.scan_prefix(b"S", limit=MAILS)]
    for email_id in mails:
        emails.destroy(own, email_id, by)
    if mails or uploads.expire(own, _END_OF_TIME_MS):
        return Left.MORE
    if next(kept.every(own, limit=1), None) is not None:
        return Left.KEPT
    if _drop_rows(own):
        return Left.MORE
    txn.kv.delete(keys.to_index(account.id))
    txn.kv.delete(keys.account(account.id))
    return Left.NOTHING


def _drop_rows(own: AccountTxn) -> bool:
    """Take away rows of any kind; whether there were some."""
    some = [key for key, _ in own.scan(b"", b"\xff", limit=ROWS)]
    for key in some:
        own.unindex(key)
    return bool(some)
