"""What each account needs now and then: a bounded change log, counters that count, and an end when it is leaving.

A pass looks at some accounts in each snapshot and costs four reads for one where nothing happened.
"""

from dataclasses import dataclass

from msgspec import Struct
from msgspec.structs import replace

from store.accounts import account as accounts
from store.accounts import removal
from store.accounts.account import Account
from store.accounts.removal import Left
from store.changes import history
from store.changes.engine import AccountTxn, AccountView, Store, StoreView
from store.mail import quota, threads
from store.mail.domains import of_address
from store.mail.quota import COUNTED
from store.schema import keys
from store.schema.rows import Reader, pack

ACCOUNTS_AT_ONCE = 200
NAMES_AT_ONCE = 1_000
BY = "mailward"


class Sweep(Struct, frozen=True, array_like=True):
    """How far an account was looked after."""

    modseq: int = 0  #: nothing was logged since the last pass if the account still has it
    names: bytes = b"J"  #: where the collection of dead threads' names goes on


read_sweep = Reader(Sweep)


@dataclass(frozen=True, slots=True)
class _Needs:
    account: Account
    pruning: bool
    counting: bool


async def look_after(store: Store, most_changes: int) -> int:
    """One pass over all accounts; how many needed something."""
    after, done = 0, 0
    while True:
        last, needy = await store.read(lambda view: _needy(view, after))  # noqa: B023 - read before the next round
        for needs in needy:
            await _serve(store, needs, most_changes)
        done += len(needy)
        if last is None:
            return done
        after = last


def _needy(view: StoreView, after: int) -> tuple[int | None, list[_Needs]]:
    some = list(accounts.every(view, after, ACCOUNTS_AT_ONCE))
    found = [needs for each in some if (needs := _needs(view.account(each.id), each)) is not None]
    return (some[-1].id if len(some) == ACCOUNTS_AT_ONCE else None), found


def _needs(own: AccountView, account: Account) -> _Needs | None:
    swept = own.row(keys.SWEEP, read_sweep) or Sweep()
    usage = quota.usage(own)
    needs = _Needs(account, own.modseq != swept.modseq, usage is None or usage.counted_to != COUNTED)
    return needs if needs.pruning or needs.counting or account.is_leaving else None


async def _serve(store: Store, needs: _Needs, most_changes: int) -> None:
    account = needs.account
    if account.is_leaving:
        while await store.write(lambda txn: removal.step(txn, account, BY)) is Left.MORE:
            pass
        return
    if needs.counting:
        row = await store.read(lambda view: quota.usage(view.account(account.id)))
        if row is None or not row.domain:
            await quota.recount(store, account.id, of_address(account.address))
        else:
            await quota.finish_count(store, account.id)
    if needs.pruning:
        await prune(store, account, most_changes)


async def prune(store: Store, account: Account, most: int) -> None:
    """Cut an account's change log and vanished UIDs, and collect some names of dead threads."""
    for cut in await store.read(lambda view: history.due(view.account(account.id), most)):
        while await store.write(lambda txn, cut=cut: cut(txn.account(account.id))):  # type: ignore[misc]
            pass
    await store.write(lambda txn: _sweep_names(txn.account(account.id)))


def _sweep_names(txn: AccountTxn) -> None:
    """Look at the next names; from the last of them to the first again in the next pass."""
    row = txn.row(keys.SWEEP, read_sweep) or Sweep()
    place = threads.collect(txn, row.names, NAMES_AT_ONCE)
    if place is None:
        place = b"M" if row.names[:1] == b"J" else b"J"
    txn.index(keys.SWEEP, pack(replace(row, modseq=txn.modseq, names=place)))
