"""Rows of the search index. What is wrong with one is mended by giving the index up: a job makes a new one."""

from collections.abc import Iterator

from store.changes.engine import AccountId, StoreTxn
from store.schema import keys
from store.search import check
from store.upkeep.findings import Finding, Look

_REMEDY = "the account's search index is made anew; mail is found meanwhile, more slowly"


def check_search(look: Look, key: bytes, value: bytes) -> Iterator[Finding]:
    account = AccountId(keys.read_u32(key[1:5]))

    def mend(txn: StoreTxn) -> None:
        check.discard(txn.account(account))

    for what in check.check_row(look.account(account), key[5:], value):
        yield Finding(f"{look.name_of(account)} search index", what, key, _REMEDY, mend)


def check_to_index(look: Look, key: bytes, _: bytes) -> Iterator[Finding]:
    account = keys.read_u32(key[1:5])
    if not look.has(keys.account(account)):
        yield Finding(
            f"account {account}",
            "is to be indexed, but is not there",
            key,
            "the row is taken away",
            lambda txn: txn.kv.delete(key),
        )
