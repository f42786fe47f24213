"""Verifying a long chain: many short snapshots instead of a long one. What is sealed does not change any more."""

from collections.abc import Callable, Mapping

from store.audit import chain
from store.audit.chain import Broken, Head
from store.changes.engine import Store

BATCH = 5_000  #: entries a snapshot


async def verify_all(
    store: Store, anchors: Mapping[int, bytes] | None = None, on_progress: Callable[[int], object] | None = None
) -> tuple[Broken | None, Head]:
    """The first entry that does not hold, or None; and the head that was reached.

    ``anchors`` are seals that were kept outside, by number of entry: with them it shows when somebody who can write to
    the database cut the end off or sealed everything anew. ``on_progress`` is told how many entries were looked at.
    """
    while True:
        broken, head, base = await _once(store, anchors or {}, on_progress)
        if broken is None or base == await store.read(lambda view: chain.base_of(view.kv)):
            return broken, head
        # Old entries were let go meanwhile: what was missing may be just these.


async def _once(
    store: Store, anchors: Mapping[int, bytes], on_progress: Callable[[int], object] | None
) -> tuple[Broken | None, Head, Head]:
    at, head = await store.read(lambda view: (chain.begin(view), chain.head_of(view.kv)))
    while at.at.seq < head.seq:
        limit = min(BATCH, head.seq - at.at.seq)
        found = await store.read(lambda view, at=at, limit=limit: chain.walk(view, at, anchors, limit))  # type: ignore[misc]
        if isinstance(found, Broken):
            return found, head, at.base
        if found.at == at.at:
            break  # nothing follows, though the head says so
        if on_progress is not None:
            on_progress(found.at.seq - at.at.seq)
        at = found
    return chain.finish(at, head, anchors), head, at.base
