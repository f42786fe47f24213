"""Collecting blobs that nothing links to: what a crash, an expunge or a refused mail left behind."""

from store.blob.chunks import discard, list_ids
from store.blob.contract import BlobId
from store.changes.engine import Store, StoreTxn, StoreView
from store.schema import keys

BATCH = 500


class Collector:
    """Removes a blob that was without links in two passes: a mail being delivered may link it in between."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._candidates: frozenset[BlobId] = frozenset()

    async def collect(self) -> int:
        """One pass; how many blobs were removed."""
        unlinked = await self._store.read(_unlinked)
        doomed = sorted(unlinked & self._candidates)
        removed = 0
        for start in range(0, len(doomed), BATCH):
            batch = doomed[start : start + BATCH]
            removed += await self._store.write(lambda txn, batch=batch: _remove(txn, batch))  # type: ignore[misc]
        self._candidates = unlinked - frozenset(doomed)
        return removed


def has_link(view: StoreView | StoreTxn, blob: BlobId) -> bool:
    prefix = keys.link(blob, b"")
    return next(view.kv.scan(prefix, keys.prefix_end(prefix), limit=1), None) is not None


def _unlinked(view: StoreView) -> frozenset[BlobId]:
    return frozenset(blob for blob in list_ids(view.kv) if not has_link(view, blob))


def _remove(txn: StoreTxn, blobs: list[BlobId]) -> int:
    """The links are looked at again in the same transaction: a delivery may have come first."""
    doomed = [blob for blob in blobs if not has_link(txn, blob)]
    for blob in doomed:
        discard(txn.kv, blob)
    return len(doomed)
