"""How much mail an account holds and may hold. Counted in the transaction that brings or takes the mail.

An email counts once, in however many mailboxes it is. Limits are the account's own, else its domain's.
"""

from dataclasses import dataclass

from msgspec import Struct
from msgspec.structs import replace

from store.changes.engine import AccountId, AccountTxn, AccountView, Store
from store.kv.contract import ReadTxn, StoreUnavailable
from store.mail import domains
from store.mail.model import EmailHead
from store.schema import keys
from store.schema.rows import Reader

INHERIT = -1
NO_LIMIT = 0
COUNTED = (1 << 63) - 1  #: an email id beyond all others
BATCH = 500


class Usage(Struct, frozen=True, array_like=True):
    """The counters of an account, and its own limits."""

    mails: int = 0
    octets: int = 0
    most_mails: int = INHERIT  #: 0 is no limit, below that the domain's
    most_octets: int = INHERIT
    domain: str = ""  #: whose limits are inherited
    counted_to: int = COUNTED  #: while counting anew: emails up to this id are in the counters
    is_closed: bool = False  #: the account is being removed and takes no mail


read_usage = Reader(Usage)
_read_head = Reader(EmailHead)


class OverQuota(Exception):
    """The mail does not fit the account; the text is for people."""


class AccountClosed(StoreUnavailable):
    """The account is being removed. To SMTP it is temporary: asked again, the address is unknown."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What an account holds and may hold; a limit of 0 is none."""

    mails: int
    octets: int
    most_mails: int
    most_octets: int

    def has_room(self, octets: int, mails: int = 1) -> bool:
        return (not self.most_mails or self.mails + mails <= self.most_mails) and (
            not self.most_octets or self.octets + octets <= self.most_octets
        )

    def refusal(self) -> OverQuota:
        parts = [
            f"{held} of {most} {unit}"
            for held, most, unit in (
                (self.mails, self.most_mails, "mails"),
                (self.octets, self.most_octets, "octets"),
            )
            if most
        ]
        return OverQuota(f"the account is full: {' and '.join(parts)}")


def usage(view: AccountView) -> Usage | None:
    """The row itself; None for an account made before mail was counted, until ``recount`` has been there."""
    return view.row(keys.USAGE, read_usage)


def standing(kv: ReadTxn, view: AccountView) -> Standing:
    """Counters and the limits that hold. Without a row nothing is known and nothing limited."""
    return _standing(kv, usage(view) or Usage(most_mails=NO_LIMIT, most_octets=NO_LIMIT))


def _standing(kv: ReadTxn, row: Usage) -> Standing:
    most_mails, most_octets = row.most_mails, row.most_octets
    if INHERIT in (most_mails, most_octets):
        domain = domains.get(kv, row.domain)
        inherited = (domain.most_mails, domain.most_octets) if domain is not None else (NO_LIMIT, NO_LIMIT)
        most_mails = inherited[0] if most_mails == INHERIT else most_mails
        most_octets = inherited[1] if most_octets == INHERIT else most_octets
    return Standing(row.mails, row.octets, most_mails, most_octets)


def start(txn: AccountTxn, domain: str) -> None:
    """The counters of an account that is being made."""
    txn.hold(keys.USAGE, Usage(domain=domain.lower()))


def take(txn: AccountTxn, octets: int, *, may_exceed: bool = False) -> None:
    """Count a mail that comes; nothing is written when it does not fit. Raises OverQuota, AccountClosed."""
    row = usage(txn)
    if row is None:
        return
    if row.is_closed:
        raise AccountClosed("the account is being removed")
    if not may_exceed:
        now = _standing(txn.store.kv, row)
        if not now.has_room(octets):
            raise now.refusal()
    if row.counted_to == COUNTED:  # else the count gets there: new ids are beyond it
        txn.hold(keys.USAGE, replace(row, mails=row.mails + 1, octets=row.octets + octets))


def give_back(txn: AccountTxn, email_id: int, octets: int) -> None:
    """Count a mail that goes."""
    row = usage(txn)
    if row is not None and email_id <= row.counted_to:
        txn.hold(keys.USAGE, replace(row, mails=max(row.mails - 1, 0), octets=max(row.octets - octets, 0)))


def limit(txn: AccountTxn, *, most_mails: int | None = None, most_octets: int | None = None) -> None:
    """Set an account's own limits; None leaves one as it is."""
    row = usage(txn) or Usage(counted_to=0)
    txn.hold(
        keys.USAGE,
        replace(
            row,
            most_mails=row.most_mails if most_mails is None else most_mails,
            most_octets=row.most_octets if most_octets is None else most_octets,
        ),
    )


async def recount(store: Store, account: AccountId, domain: str) -> Usage:
    """Count everything anew, some mails a transaction, while mail comes and goes; a crash loses nothing of it."""
    await store.write(lambda txn: _restart(txn.account(account), domain))
    return await finish_count(store, account)


async def finish_count(store: Store, account: AccountId) -> Usage:
    """Go on with a count that was begun, until it is complete."""
    while not await store.write(lambda txn: _count_some(txn.account(account))):
        pass
    row = await store.read(lambda view: usage(view.account(account)))
    return row or Usage()


def _restart(txn: AccountTxn, domain: str) -> None:
    txn.hold(keys.USAGE, replace(usage(txn) or Usage(), mails=0, octets=0, counted_to=0, domain=domain.lower()))


def _count_some(txn: AccountTxn) -> bool:
    """Count the next mails; whether those were the last."""
    row = usage(txn)
    if row is None or row.counted_to == COUNTED:
        return True
    some = [
        (keys.read_u64(key[1:9]), _read_head(value).size)
        for key, value in txn.scan(keys.email(row.counted_to + 1), keys.prefix_end(b"E"), limit=BATCH)
    ]
    is_last = len(some) < BATCH
    txn.hold(
        keys.USAGE,
        replace(
            row,
            mails=row.mails + len(some),
            octets=row.octets + sum(size for _, size in some),
            counted_to=COUNTED if is_last else some[-1][0],
        ),
    )
    return is_last


def difference(view: AccountView, mails: int, octets: int) -> str | None:
    """What is wrong with the counters of an account that holds so much; None when they are right. For fsck."""
    row = usage(view)
    if row is None:
        return "its mail was never counted"
    if row.counted_to != COUNTED:
        return "counting its mail was begun and not finished"
    if (row.mails, row.octets) == (mails, octets):
        return None
    return f"its quota counts {row.mails} mails of {row.octets} octets, there are {mails} of {octets}"
