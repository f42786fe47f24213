"""Making labels, and following the labels that other workers and people make."""

import asyncio

import numpy as np
import structlog
from numpy.typing import NDArray

from gateway.learning.likeness import LabelledSketches, Likest
from models.features import SCHEMA, Features, extract
from models.view import MailView, view_of
from store.changes.announce import SYSTEM
from store.changes.engine import Store
from store.kv.contract import StoreError
from store.labels import rows as labels
from store.labels.rows import Label
from store.message.mime import parse_message

log = structlog.get_logger()


def label_of_view(reception: str, view: MailView, is_spam: bool, by: str, at_ms: int) -> Label:
    features = distinct(extract(view)).astype("<u4").tobytes()
    return Label(reception, is_spam, by, at_ms, features, SCHEMA)


def label_of_octets(reception: str, octets: bytes, is_spam: bool, by: str, at_ms: int) -> Label:
    """The label of a mail read back from the store. Result headers of ours do not reach the features."""
    return label_of_view(reception, view_of(parse_message(octets)), is_spam, by, at_ms)


def distinct(features: Features) -> NDArray[np.uint32]:
    return features.counted()[0]


class LocalOpinions:
    """What people of this organisation said about mail like this; kept up to date from the store."""

    def __init__(self, store: Store, *, poll_s: float = 5.0, pause_s: float = 0.25) -> None:
        self._store = store
        self._sketches = LabelledSketches()
        self._seq = 0
        self._poll_s = poll_s
        self._pause_s = pause_s

    def likest(self, features: Features) -> Likest | None:
        return self._sketches.likest(distinct(features))

    async def catch_up(self) -> None:
        """Read the labels made since the last time."""
        while True:
            new = await self._store.read(lambda view: list(labels.after(view, self._seq)))
            for seq, label in new:
                self._seq = max(self._seq, seq)
                if label.schema == SCHEMA:
                    found = np.frombuffer(label.features, dtype="<u4").astype(np.uint32)
                    self._sketches.add(label.id, found, label.is_spam, label.by)
            if not new:
                return

    async def follow(self) -> None:
        """Keep up until cancelled. The pause bounds how often busy traffic makes us look."""
        with self._store.subscribe(SYSTEM) as listener:
            while True:
                try:
                    await self.catch_up()
                except StoreError as error:
                    log.warning("labels.store", error=repr(error))
                await asyncio.sleep(self._pause_s)
                await listener.wait(self._poll_s)
