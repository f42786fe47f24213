"""Sealing after the act, for stores where every writer that moved the head of the chain would conflict with the others.

The entry itself lands with the act. Whoever comes first seals what waits, in order, a second later at most. Until then
somebody who can write to the database could change an entry unseen; later that shows, as everywhere in the chain.
"""

import asyncio
import random

import structlog

from store.audit import chain
from store.changes.engine import Store, StoreTxn, StoreView
from store.kv.contract import StoreError
from store.schema import keys

log = structlog.get_logger()

BATCH = 500  #: entries a transaction
POLL_S = 1.0


async def seal_all(store: Store) -> int:
    """Seal everything that waits; how many."""
    sealed = 0
    while await store.read(_has_waiting):
        sealed += await store.write(_seal_some)
    return sealed


async def follow(store: Store) -> None:
    """Seal until cancelled. Several workers may: who comes second finds nothing left.

    A store that seals in the act is looked at once: it may be the copy of one that does not.
    """
    while True:
        try:
            await seal_all(store)
        except StoreError as error:
            log.warning("audit.sealing", error=repr(error))
        if not store.seals_later:
            return
        await asyncio.sleep(POLL_S * random.uniform(0.5, 1.0))


def _has_waiting(view: StoreView) -> bool:
    return next(view.kv.scan(keys.AUDIT_WAITING, keys.prefix_end(keys.AUDIT), limit=1), None) is not None


def _seal_some(txn: StoreTxn) -> int:
    some = list(txn.kv.scan(keys.AUDIT_WAITING, keys.prefix_end(keys.AUDIT), limit=BATCH))
    for key, row in some:
        chain.append(txn.kv, chain.read_entry(row))
        txn.kv.delete(key)
    return len(some)
