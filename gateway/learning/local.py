"""What people here said about mail like this: near copies of labelled mail, and counters of their words.

One mechanism, three scopes: a person's own labels, those a domain agrees on, and those that count for everybody. A
scope is read from the store when a mail for somebody in it comes, kept while there is room, and followed: a new label
is learned in microseconds, and where one was taken back the scope is read anew. Nothing is written here.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import structlog
from numpy.typing import NDArray

from gateway.envelope import Recipient
from gateway.learning.labels import distinct
from gateway.learning.likeness import LabelledSketches, Likest, closeness, nats, worth
from gateway.learning.opinions import buckets_of, domain_of, person
from gateway.pipeline.judge import Opinion
from models.counters import Commonness, Counters, Lean, lean
from models.features import SCHEMA, Features
from store.changes.announce import SYSTEM
from store.changes.engine import Store, StoreView
from store.kv.contract import StoreError
from store.labels import rows as labels
from store.labels.rows import EVERYBODY, Label, scope

log = structlog.get_logger()

MOST_OCTETS = 64 << 20  #: of scopes in a worker's memory; those least needed go first
_FAINT = 0.05  #: nats; less is no opinion


@dataclass(slots=True)
class Said:
    """The labels of one scope, as they are asked."""

    counters: Counters
    sketches: LabelledSketches
    last: int  #: place of the newest label that was read
    version: int

    @property
    def octets(self) -> int:
        return self.counters.octets + self.sketches.octets

    def learn(self, label: Label) -> None:
        found = buckets_of(label)
        self.counters.learn(found, is_spam=label.is_spam)
        self._sketch(label, found)

    def _sketch(self, label: Label, found: NDArray[np.uint32]) -> None:
        self.sketches.add(
            labels.tail_of(label), found, label.is_spam, label.by, worth(label.margin, is_spam=label.is_spam)
        )

    @classmethod
    def of(cls, found: Sequence[tuple[int, Label]], version: int) -> "Said":
        readable = [label for _, label in found if label.schema == SCHEMA]
        counters = Counters.of((buckets_of(label), label.is_spam) for label in readable)
        said = cls(counters, LabelledSketches(labels.MOST), found[-1][0] if found else 0, version)
        for label in readable:
            said._sketch(label, buckets_of(label))
        return said


class LocalOpinions:
    """What was said in this organisation, kept up to date from the store."""

    def __init__(self, store: Store, *, poll_s: float = 5.0, pause_s: float = 0.25) -> None:
        self._store = store
        self._said: OrderedDict[bytes, Said] = OrderedDict()
        self._versions: Mapping[bytes, int] = {}
        self._changes = -1
        self._poll_s = poll_s
        self._pause_s = pause_s

    async def prepare(self, to: Sequence[Recipient]) -> None:
        """Have at hand what counts for these recipients. Raises StoreUnavailable."""
        wanted = {of for each in to for of in scopes_of(each)}
        missing = [of for of in wanted if of in self._versions and of not in self._said]
        if missing:
            await self._load(missing)

    async def _load(self, missing: Iterable[bytes]) -> None:
        for of in missing:
            read = await self._store.read(lambda view, of=of: (labels.versions(view), list(labels.members(view, of))))  # type: ignore[misc]
            versions, found = read
            self._said[of] = await asyncio.to_thread(Said.of, found, versions.get(of, 0))
            self._said.move_to_end(of)
        while sum(said.octets for said in self._said.values()) > MOST_OCTETS and len(self._said) > 1:
            self._said.popitem(last=False)

    def everybody(self, features: Features, common: Commonness) -> Opinion | None:
        """What counts for everybody; None where nothing was said of mail like this."""
        return self._opinion([EVERYBODY], distinct(features), common)

    def own(self, features: Features, common: Commonness, to: Sequence[Recipient]) -> dict[str, Opinion]:
        """By address, for those whose own labels or whose domain's say something of this mail: all scopes together."""
        found: dict[str, Opinion] = {}
        buckets: NDArray[np.uint32] | None = None
        for each in to:
            scopes = [of for of in scopes_of(each) if of in self._said]
            if scopes:
                buckets = distinct(features) if buckets is None else buckets
                opinion = self._opinion([*scopes, EVERYBODY], buckets, common)
                if opinion is not None:
                    found[each.address] = opinion
        return found

    def likest(self, features: Features, of: bytes = EVERYBODY) -> Likest | None:
        """The labelled mail of a scope that is most like this one."""
        said = self._said.get(of)
        return said.sketches.likest(distinct(features)) if said is not None else None

    def _opinion(self, scopes: Sequence[bytes], buckets: NDArray[np.uint32], common: Commonness) -> Opinion | None:
        """The nearest scope that knows a copy of the mail decides; the less it is one, the more the words count."""
        all_said = [said for of in scopes if (said := self._said.get(of)) is not None]
        copy = next((found for said in all_said if (found := said.sketches.likest(buckets)) is not None), None)
        words = lean([said.counters for said in all_said], buckets, common)
        share = closeness(copy) if copy is not None else 0.0
        total = (nats(copy) if copy is not None else 0.0) + (1.0 - share) * words.nats
        if abs(total) < _FAINT:
            return None
        return Opinion(total, _told(copy, words))

    async def catch_up(self) -> None:
        """Learn what was said since the last time, and forget what was taken back. Raises StoreUnavailable."""
        changes = await self._store.read(labels.changes)
        if changes == self._changes and EVERYBODY in self._said:
            return
        self._versions = await self._store.read(labels.versions)
        self._changes = changes
        for of, said in list(self._said.items()):
            if self._versions.get(of, 0) != said.version:
                await self._follow(of, said)
        if EVERYBODY not in self._said:
            await self._load([EVERYBODY])

    async def _follow(self, of: bytes, said: Said) -> None:
        def body(view: StoreView) -> tuple[int, list[tuple[int, Label]]]:
            return labels.versions(view).get(of, 0), list(labels.members(view, of, said.last))

        version, new = await self._store.read(body)
        if version - said.version != len(new):
            await self._load([of])  # a label was taken back
            return
        for at, label in new:
            said.last = at
            if label.schema == SCHEMA:
                said.learn(label)
        said.version = version

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


def scopes_of(recipient: Recipient) -> tuple[bytes, ...]:
    """Nearest first: the person, and the domain; what counts for everybody is asked besides."""
    own = person(recipient.account) if recipient.account is not None else scope(recipient.address)
    return own, scope(domain_of(recipient.address))


def _told(copy: Likest | None, words: Lean) -> str:
    if copy is not None:
        said = "unwanted" if copy.is_spam else "wanted"
        return f"{copy.likeness:.0%} like a mail that {copy.by} called {said}"
    return f"its words, by {words.wanted} mails called wanted and {words.unwanted} called unwanted"
