"""Putting every blob under the key that writes now. Can be stopped at any time and run again; servers go on."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from store.blob.contract import BlobId
from store.blob.opening import note_keys
from store.blob.rewriting import rewrite, stale_ids
from store.changes.engine import Store
from store.kv.contract import StoreError, StoreUnavailable

PAGE = 500
AT_ONCE = 8
_PASSES = 3  #: blobs that came meanwhile, from servers that still write under the old key, are met by the next


@dataclass(slots=True)
class Rekeyed:
    """How far it is. ``faults`` are blobs that could not be read, with the reason."""

    rewritten: int = 0
    faults: list[str] = field(default_factory=list)
    is_done: bool = False  #: nothing is left under another key, so the others are not needed any more


async def count_stale(store: Store) -> int:
    """Blobs that are not under the current key."""
    return sum([len(page) async for page in _stale(store)])


async def rekey(store: Store) -> AsyncIterator[Rekeyed]:
    """Rewrite them, telling how far it is now and then. Raises StoreError without a key, StoreUnavailable."""
    if not store.blobs.keyring.current:
        raise StoreError("there is no key to encrypt under: set store.key_file (`mailward store key` makes a key)")
    far, current = Rekeyed(), frozenset({store.blobs.keyring.current})
    for _ in range(_PASSES):
        met = 0
        far.faults.clear()
        async for page in _stale(store):
            met += len(page)
            for start in range(0, len(page), AT_ONCE):
                await asyncio.gather(*(_one(store, blob, far) for blob in page[start : start + AT_ONCE]))
                yield far
        if met == 0:
            await store.kv.write(lambda txn: note_keys(txn, current))
            far.is_done = True
            break
        if met == len(far.faults):
            break
    yield far


async def _one(store: Store, blob: BlobId, far: Rekeyed) -> None:
    try:
        is_rewritten = await rewrite(store.kv, store.blobs, blob)
        far.rewritten += is_rewritten  # not in one step: others add to it while this one waits
    except StoreUnavailable:
        raise
    except StoreError as error:
        far.faults.append(str(error))


async def _stale(store: Store) -> AsyncIterator[list[BlobId]]:
    after: BlobId | None = None
    while page := await store.blobs.list_ids(after, PAGE):
        if stale := await stale_ids(store.kv, store.blobs, page):
            yield stale
        after = page[-1]
