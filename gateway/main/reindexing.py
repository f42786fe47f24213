"""``mailward store reindex``: make search indexes anew, also while the server runs."""

import asyncio
import json
import sys
from pathlib import Path

from tqdm import tqdm

from gateway.config import load
from gateway.main.administration import with_store
from gateway.main.failures import told_plainly
from gateway.main.services import utc_now
from gateway.work import searching
from gateway.work.runner import Runner
from store.accounts import account as accounts
from store.accounts.account import Account
from store.changes.engine import AccountId, Store, StoreView
from store.schema import keys
from store.search import state as states
from store.search.indexing import Indexer, IndexSettings

LOOK_S = 0.2


def reindex(config_path: Path, address: str, *, as_json: bool) -> int:
    """0: done; 1: no such account. What was interrupted goes on where it was."""
    with told_plainly():
        settings = IndexSettings(load(config_path).search.words)

    async def work(store: Store) -> int:
        wanted = await store.read(lambda view: _accounts(view, address))
        if not wanted:
            print(f"mailward: {address}: no account has this address", file=sys.stderr)
            return 1
        indexer = Indexer(store, settings)
        for account in wanted:
            await indexer.start_over(account.id)
        mails = await _finish(store, settings, [account.id for account in wanted])
        answer = {"accounts": len(wanted), "mails": mails}
        print(json.dumps(answer) if as_json else f"  {mails} mails of {len(wanted)} accounts are indexed anew")
        return 0

    return with_store(config_path, work)


def _accounts(view: StoreView, address: str) -> list[Account]:
    if not address:
        return list(accounts.all_accounts(view))
    found = accounts.find(view, address)
    return [found] if found is not None else []


async def _finish(store: Store, settings: IndexSettings, wanted: list[AccountId]) -> int:
    """See the jobs through, here or in the server that runs beside; how many mails are indexed."""
    runner = Runner(store, searching.kinds(store, settings)[:1], utc_now, poll_s=LOOK_S)
    task = asyncio.create_task(runner.run())
    try:
        with tqdm(total=0, unit=" mails", file=sys.stderr, disable=None, desc="indexing") as bar:
            while True:
                reached, last, mails, is_open = await store.read(lambda view: _progress(view, wanted))
                bar.total = last
                bar.update(reached - bar.n)
                if not is_open:
                    return mails
                if task.done():
                    task.result()
                await store.write(lambda txn, some=is_open: searching.put_each(txn, some))  # type: ignore[misc]
                await asyncio.wait([task], timeout=LOOK_S)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _progress(view: StoreView, wanted: list[AccountId]) -> tuple[int, int, int, list[AccountId]]:
    """Ids reached, ids there are, mails indexed, accounts not finished."""
    reached = last = mails = 0
    is_open: list[AccountId] = []
    for account in wanted:
        mine = view.account(account)
        state = states.get(mine)
        now = state.building or state.serving
        end = next((keys.read_u64(key[1:9]) for key, _ in mine.scan_prefix(b"E", reverse=True, limit=1)), 0)
        reached, last = reached + min(now.upto, end), last + end
        mails += sum(segment.mails for segment in now.segments)
        if state.building is not None or now.upto < end:
            is_open.append(account)
    return reached, last, mails, is_open
