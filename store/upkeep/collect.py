"""Collecting blobs that nothing links to: what a crash, an expunge or a refused mail left behind."""

from collections.abc import Sequence
from functools import partial

from store.blob.chunks import discard, meta_key
from store.blob.contract import BlobId
from store.changes.engine import Store, StoreTxn, StoreView
from store.schema import keys

BATCH = 500
MOST = 50_000  #: blobs that one pass removes; the next one goes on

Candidate = tuple[BlobId, bytes | None]
"""A blob and its meta row: one that was half-written then and is whole now is somebody's new mail."""


class Collector:
    """Removes a blob that was without links in two passes: a mail being delivered may link it in between."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._candidates: frozenset[Candidate] = frozenset()

    async def collect(self) -> int:
        """One pass; how many blobs were removed. Rows go first, in a transaction that sees no link, objects after."""
        unlinked = await self._unlinked()
        doomed = list(unlinked & self._candidates)
        removed = 0
        for start in range(0, len(doomed), BATCH):
            count, objects = await self._store.write(partial(_remove, candidates=doomed[start : start + BATCH]))
            await self._store.blobs.delete_objects(objects)
            removed += count
        self._candidates = unlinked - frozenset(doomed)
        return removed

    async def _unlinked(self) -> frozenset[Candidate]:
        """Those without links, found in snapshots of some rows each."""
        found: set[Candidate] = set()
        after: BlobId | None = None
        while len(found) < MOST and (page := await self._store.blobs.list_ids(after, BATCH)):
            found |= await self._store.read(partial(_unlinked, blobs=page))
            after = page[-1]
        return frozenset(found)


def has_link(view: StoreView | StoreTxn, blob: BlobId) -> bool:
    prefix = keys.link(blob, b"")
    return next(view.kv.scan(prefix, keys.prefix_end(prefix), limit=1), None) is not None


def _unlinked(view: StoreView, blobs: Sequence[BlobId]) -> set[Candidate]:
    return {(blob, view.kv.get(meta_key(blob))) for blob in blobs if not has_link(view, blob)}


def _remove(txn: StoreTxn, candidates: Sequence[Candidate]) -> tuple[int, list[str]]:
    """How many went, and objects to delete. Looked at again in the same transaction: a delivery may have come first."""
    doomed = [blob for blob, meta in candidates if not has_link(txn, blob) and txn.kv.get(meta_key(blob)) == meta]
    objects = [discard(txn.kv, blob) for blob in doomed]
    return len(doomed), [name for name in objects if name is not None]


async def sweep_objects(store: Store, hour: int) -> int:
    """Delete objects that no row names, in the share of an hour of the day: every folder comes once in 24 hours.

    They are what a crash left between putting an object and linking it. Raises StoreUnavailable.
    """
    swept = 0
    for number in range(hour % 24, 256, 24):
        swept += await store.blobs.sweep(f"{number:02x}")
    return swept
