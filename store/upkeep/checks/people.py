"""Accounts, the addresses that lead to them, and rows of accounts that are gone."""

from collections.abc import Iterator

from store.accounts import account as accounts
from store.accounts.account import Account
from store.changes.engine import AccountId, StoreTxn
from store.kv.contract import counter, counter_octets
from store.schema import keys
from store.schema.rows import pack
from store.upkeep.findings import Finding, Look, NeighbourDamaged, delete, put


def check_account(look: Look, key: bytes, value: bytes) -> Iterator[Finding]:
    """Its addresses lead to it, and its number is not to be given out again."""
    account = accounts.read_account(value)
    if key != keys.account(account.id):
        raise ValueError(f"it says it is account {account.id}")
    for address in () if account.is_leaving else (account.address, *account.aliases):
        leads_to = look.get(keys.address(address))
        if leads_to != keys.u32(account.id):
            is_free = leads_to is None or not look.has(keys.ACCOUNT + leads_to)
            what = f"address {address} does not lead to the account"
            mend = put(keys.address(address), keys.u32(account.id)) if is_free else None
            yield Finding(account.address, what, key, "it leads there again" if is_free else "", mend)
    last = keys.meta("last-account")
    if counter(look.get(last)) < account.id:
        what = f"account number {account.id} is still to be given out"
        yield Finding(account.address, what, key, "the counter is set forward", put(last, counter_octets(account.id)))


def check_address(look: Look, key: bytes, value: bytes) -> Iterator[Finding]:
    address = key[1:].decode()
    if len(value) != 4:
        return  # an alias or a group: its own look knows them
    number = keys.read_u32(value)
    account = look.row(keys.account(number), accounts.read_account)
    if account is None and next(look.account(number).scan(b"", b"\xff", limit=1), None) is None:
        yield Finding(f"address {address}", "leads to an account that is gone", key, "it is taken out", delete(key))
    elif account is not None and address not in {account.address, *account.aliases}:
        what = f"leads to {account.address}, which does not have it"
        yield Finding(f"address {address}", what, key, "it is taken out", delete(key))


def check_owner(look: Look, number: int, key: bytes) -> Iterator[Finding]:
    """Rows of an account belong to one that is there. ``key`` is the first of them."""
    try:
        account = look.row(keys.account(number), accounts.read_account)
    except NeighbourDamaged:
        return
    if account is None:

        def mend(txn: StoreTxn) -> None:
            scan = txn.kv.scan(keys.ADDRESS, keys.prefix_end(keys.ADDRESS))
            mine = [row[0][1:].decode() for row in scan if row[1] == keys.u32(number)]
            first, *more = mine or [f"account-{number}@recovered.invalid"]
            txn.kv.put(keys.account(number), pack(Account(AccountId(number), first, first, "", (), tuple(more))))
            txn.kv.put(keys.address(first), keys.u32(number))

        remedy = "it is made again from its addresses, without a password: set one"
        yield Finding(f"account {number}", "is gone, but rows of it are there", key, remedy, mend)
