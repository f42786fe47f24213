"""Account rows and the addresses that lead to them."""

import msgspec

from store.changes.engine import AccountId, StoreTxn, StoreView
from store.kv.contract import ReadTxn
from store.mail import mailboxes
from store.schema import keys
from store.schema.rows import Reader, pack


class Account(msgspec.Struct, frozen=True, array_like=True):
    """A person or a role with mail of its own."""

    id: AccountId
    address: str  #: primary address, lower case; also the login
    name: str
    password_hash: str  #: argon2id, "" for an account that cannot sign in
    roles: tuple[str, ...] = ()  #: "admin" may see the whole quarantine
    aliases: tuple[str, ...] = ()


read_account = Reader(Account)


class AddressTaken(Exception):
    """Another account already receives mail for this address."""


def find(view: StoreView, address: str) -> Account | None:
    """The account that receives mail for an address (a "+detail" is ignored, RFC 5233), or None."""
    number = view.kv.get(keys.address(address))
    if number is None and "+" in address:
        local, _, domain = address.rpartition("@")
        number = view.kv.get(keys.address(f"{local.partition('+')[0]}@{domain}"))
    return get(view.kv, AccountId(keys.read_u32(number))) if number is not None else None


def get(txn: ReadTxn, account: AccountId) -> Account | None:
    row = txn.get(keys.account(account))
    return read_account(row) if row is not None else None


def all_accounts(view: StoreView) -> list[Account]:
    return [read_account(row) for _, row in view.kv.scan(keys.ACCOUNT, keys.prefix_end(keys.ACCOUNT))]


def create(
    txn: StoreTxn,
    address: str,
    name: str,
    password_hash: str,
    now_s: int,
    *,
    roles: tuple[str, ...] = (),
    aliases: tuple[str, ...] = (),
) -> Account:
    """A new account with its standard mailboxes. Raises AddressTaken."""
    wanted = (address.lower(), *(alias.lower() for alias in aliases))
    for each in wanted:
        if txn.kv.get(keys.address(each)) is not None:
            raise AddressTaken(each)
    account_id = AccountId(txn.kv.add(keys.meta("last-account"), 1))
    account = Account(account_id, wanted[0], name, password_hash, roles, wanted[1:])
    txn.kv.put(keys.account(account_id), pack(account))
    for each in wanted:
        txn.kv.put(keys.address(each), keys.u32(account_id))
    mailboxes.create_standard(txn.account(account_id), now_s)
    return account


def save(txn: StoreTxn, account: Account) -> None:
    """Write back an account whose name, password or roles changed."""
    txn.kv.put(keys.account(account.id), pack(account))
