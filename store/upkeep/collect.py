"""Collecting blobs that nothing links to: what a crash, an expunge or a refused mail left behind."""

from store.blob.chunks import discard, list_ids, meta_key
from store.blob.contract import BlobId
from store.changes.engine import Store, StoreTxn, StoreView
from store.schema import keys

BATCH = 500

Candidate = tuple[BlobId, bytes | None]
"""A blob and its meta row: one that was half-written then and is whole now is somebody's new mail."""


class Collector:
    """Removes a blob that was without links in two passes: a mail being delivered may link it in between."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._candidates: frozenset[Candidate] = frozenset()

    async def collect(self) -> int:
        """One pass; how many blobs were removed."""
        unlinked = await self._store.read(_unlinked)
        doomed = list(unlinked & self._candidates)
        removed = 0
        for start in range(0, len(doomed), BATCH):
            batch = doomed[start : start + BATCH]
            removed += await self._store.write(lambda txn, batch=batch: _remove(txn, batch))  # type: ignore[misc]
        self._candidates = unlinked - frozenset(doomed)
        return removed


def has_link(view: StoreView | StoreTxn, blob: BlobId) -> bool:
    prefix = keys.link(blob, b"")
    return next(view.kv.scan(prefix, keys.prefix_end(prefix), limit=1), None) is not None


def _unlinked(view: StoreView) -> frozenset[Candidate]:
    return frozenset((blob, view.kv.get(meta_key(blob))) for blob in list_ids(view.kv) if not has_link(view, blob))


def _remove(txn: StoreTxn, candidates: list[Candidate]) -> int:
    """Looked at again in the same transaction: a delivery may have come first, or may be about to."""
    doomed = [blob for blob, meta in candidates if not has_link(txn, blob) and txn.kv.get(meta_key(blob)) == meta]
    for blob in doomed:
        discard(txn.kv, blob)
    return len(doomed)
