"""Labels of an older version's features are made anew from the mail, as far as somebody still keeps it.

Another version may read mail otherwise; what people said stays true. A label whose mail is gone counts no more.
"""

import asyncio

from msgspec.structs import replace

from gateway.learning.closer import as_it_came
from gateway.learning.labels import label_of_octets
from gateway.learning.opinions import near_digests
from models.features import SCHEMA
from store.blob.contract import BlobId, BlobMissing
from store.changes.engine import Store, StoreTxn, StoreView
from store.labels import rows as labels
from store.labels.rows import Label

_BATCH = 200
_LONGEST = 10 * 1024 * 1024  #: octets of a mail that is read again


async def refresh(store: Store) -> int:
    """Make outdated labels anew; how many. Raises StoreError."""
    seq, last, made = 0, await store.read(_last), 0
    while seq < last:
        batch = await store.read(lambda view, at=seq: list(labels.after(view, at, _BATCH)))  # type: ignore[misc]
        if not batch:
            break
        seq = batch[-1][0]
        for number, label in batch:
            if label.schema != SCHEMA and number <= last and label.blob:
                made += await _anew(store, label)
    return made


def _last(view: StoreView) -> int:
    newest = next(labels.newest_opinions(view, 1), None)
    return newest.seq if newest is not None else 0


async def _anew(store: Store, label: Label) -> bool:
    try:
        octets = await store.blobs.read(BlobId(label.blob), 0, _LONGEST)
    except BlobMissing:
        return False
    mail = as_it_came(octets, label.id)
    made = await asyncio.to_thread(label_of_octets, label.id, mail, label.is_spam, label.by, label.at_ms)

    def body(txn: StoreTxn) -> bool:
        now = labels.said_by(StoreView(txn.kv), label.id, label.by)
        if now != label:
            return False  # they said something else meanwhile
        fresh = replace(label, features=made.features, schema=SCHEMA, near=near_digests(made))
        labels.put(txn, fresh, tuple(label.places))
        return True

    return await store.write(body)
