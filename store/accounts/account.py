"""Account rows and the addresses that lead to them."""

from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from store.changes.engine import AccountId, StoreTxn, StoreView
from store.kv.contract import ReadTxn
from store.mail import domains, mailboxes, quota
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
    is_leaving: bool = False  #: being removed: it has no address any more, and its rows go step by step


ACCOUNT_OCTETS = 4  #: of the row under an address that is an account's; those of aliases and groups differ
read_account = Reader(Account)


class AddressTaken(Exception):
    """Another account, an alias or a group already receives mail for this address."""


def find(view: StoreView, address: str) -> Account | None:
    """The account that receives mail for an address (a "+detail" is ignored, RFC 5233), or None.

    Aliases of several addresses and groups are nobody's: ``store.accounts.directory`` follows those.
    """
    row = view.kv.get(keys.address(address))
    if row is None and "+" in address:
        row = view.kv.get(keys.address(without_detail(address)))
    return get(view.kv, AccountId(keys.read_u32(row))) if row is not None and len(row) == ACCOUNT_OCTETS else None


def without_detail(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"


def get(txn: ReadTxn, account: AccountId) -> Account | None:
    row = txn.get(keys.account(account))
    return read_account(row) if row is not None else None


def all_accounts(view: StoreView) -> list[Account]:
    return list(every(view))


def every(view: StoreView, after: int = 0, limit: int | None = None) -> Iterator[Account]:
    """Accounts in the order they were made, from the one after ``after`` on."""
    for _, row in view.kv.scan(keys.account(after + 1), keys.prefix_end(keys.ACCOUNT), limit=limit):
        yield read_account(row)


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
    quota.start(txn.account(account_id), domains.of_address(account.address))
    return account


def add_alias(txn: StoreTxn, account: Account, address: str) -> Account:
    """One more address of an account. Raises AddressTaken."""
    if txn.kv.get(keys.address(address)) is not None:
        raise AddressTaken(address.lower())
    changed = replace(account, aliases=(*account.aliases, address.lower()))
    txn.kv.put(keys.address(address), keys.u32(account.id))
    save(txn, changed)
    return changed


def remove_alias(txn: StoreTxn, account: Account, address: str) -> Account:
    changed = replace(account, aliases=tuple(each for each in account.aliases if each != address.lower()))
    txn.kv.delete(keys.address(address))
    save(txn, changed)
    return changed


def save(txn: StoreTxn, account: Account) -> None:
    """Write back an account whose name, password or roles changed."""
    txn.kv.put(keys.account(account.id), pack(account))
