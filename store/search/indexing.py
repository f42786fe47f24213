"""Keeps an account's index up to date, step by step; every step is small, may run twice, and leaves it sound.

The cursor is the id of the last email that is in. A step takes up to 512 emails after it, reads them outside of any
transaction and writes one segment; or merges segments; or drops what was replaced.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from msgspec.structs import replace

from store.changes.engine import AccountId, AccountTxn, AccountView, Store
from store.mail import emails
from store.mail.model import Email
from store.schema import keys
from store.search import columns, merging, postings
from store.search import state as states
from store.search.coding import Damaged, Numbers
from store.search.columns import ColumnsBlock
from store.search.document import MOST_WORDS, Document
from store.search.merging import ColumnsMerger, Source
from store.search.state import Generation, IndexState, Segment
from store.search.texts import Texts
from store.search.words import RULES
from store.search.writing import AccountGone, SegmentOutput, Superseded, change_state, drop, forget_gone

BATCH_MAILS = 512
BATCH_OCTETS = 8 << 20  #: of their mails; a larger one comes alone
MOST_FORGOTTEN = 500  #: marks of destroyed emails taken away in one transaction
_ATTEMPTS = 20

Told = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """How mail is indexed."""

    most_words: int = MOST_WORDS  #: of one mail

    def made(self, generation: Generation) -> bool:
        """Whether an index was made in this way."""
        return generation.rules == RULES and generation.most_words == self.most_words


class Indexer:
    """Indexes accounts of one store."""

    def __init__(self, store: Store, settings: IndexSettings | None = None) -> None:
        self._store = store
        self._settings = settings or IndexSettings()
        self._texts = Texts(store)

    async def catch_up(self, account: AccountId, told: Told = lambda _: None) -> None:
        """Index everything that is there; ``told`` hears of every batch. Raises StoreUnavailable."""
        lost = 0
        while lost < _ATTEMPTS:
            try:
                if not await self._step(account, told):
                    return
                lost = 0
            except Superseded:
                lost += 1
            except Damaged:
                lost += 1
                await self._begin(account, may_go_on=False)
            except AccountGone:
                await self._store.write(lambda txn: txn.kv.delete(keys.to_index(account)))
                return

    async def start_over(self, account: AccountId) -> None:
        """Make a new index; the old one answers until it is whole. ``catch_up`` does the work.

        One that is being made already goes on where it is. Raises AccountGone, StoreUnavailable.
        """
        await self._begin(account, may_go_on=True)

    async def _begin(self, account: AccountId, *, may_go_on: bool) -> None:
        while True:
            try:
                before = await self._state(account)
                if may_go_on and before.building is not None and self._settings.made(before.building):
                    return
                await change_state(self._store, account, before, _building(before, self._settings.most_words))
                return
            except Superseded:
                continue

    async def _state(self, account: AccountId) -> IndexState:
        return await self._store.read(lambda view: states.get(view.account(account)))

    async def _step(self, account: AccountId, told: Told) -> bool:
        """One thing that is to be done; False when nothing is. Raises Superseded."""
        known = await self._state(account)
        if not self._settings.made(known.building or known.serving):
            after = _building(known, self._settings.most_words)
            await change_state(self._store, account, known, after)
            return True
        if known.dropping:
            return await drop(self._store, account)
        if self._settings.made(known.serving) and await self._grow(account, known, known.serving, told):
            return True
        if known.building is not None:
            if not await self._grow(account, known, known.building, told):
                replaced = tuple(segment.id for segment in known.serving.segments)
                done = replace(known, serving=known.building, building=None, dropping=(*known.dropping, *replaced))
                await change_state(self._store, account, known, done)
            return True
        return not await self._rest(account, known)

    async def _grow(self, account: AccountId, known: IndexState, generation: Generation, told: Told) -> bool:
        """Merge what is due, else index the next emails; False when there is nothing to do."""
        is_building = generation is known.building
        is_last_use = known.building is not None and not is_building  # a new one takes its place: it may be damaged
        if not is_last_use and await self._merge(account, known, generation, is_building=is_building):
            return True
        batch = await self._store.read(lambda view: _after(view.account(account), generation.upto))
        if not batch:
            return False
        documents = await self._texts.documents(batch, generation.most_words)
        output = SegmentOutput(self._store, account, known)
        rows = await asyncio.to_thread(_rows_of, output.segment, documents)
        await output.add(rows)
        made = Segment(output.segment, batch[0].id, batch[-1].id, len(batch), output.octets)
        grown = replace(generation, upto=batch[-1].id, segments=(*generation.segments, made))
        await output.end(lambda state: _with(state, grown, is_building=is_building))
        told(len(batch))
        return True

    async def _merge(self, account: AccountId, known: IndexState, generation: Generation, *, is_building: bool) -> bool:
        """Merge segments that are due; False when none are."""
        gone = await self._store.read(lambda view: _gone(view.account(account), generation))
        inputs = merging.due(generation, gone)
        if not inputs:
            return False
        output = SegmentOutput(self._store, account, known)
        mails = await self._merge_into(account, inputs, gone, output)
        first, last = inputs[0].first, inputs[-1].last
        made = (Segment(output.segment, first, last, mails, output.octets),) if mails else ()
        at = generation.segments.index(inputs[0])
        segments = (*generation.segments[:at], *made, *generation.segments[at + len(inputs) :])
        shrunk = replace(generation, segments=segments)
        replaced = tuple(one.id for one in inputs)
        await output.end(
            lambda state: replace(_with(state, shrunk, is_building=is_building), dropping=(*state.dropping, *replaced))
        )
        if not is_building:
            await self._forget(account, gone[(gone >= first) & (gone <= last)])
        return True

    async def _merge_into(
        self, account: AccountId, inputs: tuple[Segment, ...], gone: Numbers, output: SegmentOutput
    ) -> int:
        """Write what the inputs hold; how many mails remain."""
        writer = postings.SegmentWriter(output.segment)
        sources = [Source(one.id) for one in inputs]

        def fetch(view: AccountView) -> None:
            for source in sources:
                source.fetch(view)

        while True:
            await self._store.read(lambda view: fetch(view.account(account)))
            joined = await asyncio.to_thread(merging.step, sources, gone)
            if joined is None:
                break
            if joined.terms:
                await output.add(await asyncio.to_thread(lambda p=joined: list(writer.add(p))))  # type: ignore[misc]
        await output.add(writer.end())
        merger = ColumnsMerger(output.segment, gone)
        for one in inputs:
            start: bytes | None = keys.columns_of(one.id)
            while start is not None:
                start, found = await self._store.read(
                    lambda view, at=start, one=one: _columns(view.account(account), one.id, at)  # type: ignore[misc]
                )
                for block in found:
                    await output.add(merger.add(block))
        await output.add(merger.end())
        return merger.mails

    async def _forget(self, account: AccountId, gone: Numbers) -> None:
        for at in range(0, len(gone), MOST_FORGOTTEN):
            some = gone[at : at + MOST_FORGOTTEN].tolist()
            await self._store.write(lambda txn, some=some: forget_gone(txn.account(account), some))  # type: ignore[misc]

    async def _rest(self, account: AccountId, known: IndexState) -> bool:
        """Say that the account is indexed, if that is still so."""

        def body(txn: AccountTxn) -> bool:
            if states.get(txn) != known or _after(txn, known.serving.upto, 1):
                return False
            txn.store.kv.delete(keys.to_index(account))
            return True

        is_marked = await self._store.read(lambda view: view.kv.get(keys.to_index(account)) is not None)
        return not is_marked or await self._store.write(lambda txn: body(txn.account(account)))


def _building(known: IndexState, most_words: int) -> IndexState:
    """The state with a new index begun; one that was being built is given up."""
    fresh = Generation(most_words=most_words)
    if not known.serving.segments and not known.serving.upto:
        return replace(known, serving=fresh, building=None)
    given_up = tuple(one.id for one in known.building.segments) if known.building is not None else ()
    return replace(known, building=fresh, dropping=(*known.dropping, *given_up))


def _with(state: IndexState, generation: Generation, *, is_building: bool) -> IndexState:
    return replace(state, building=generation) if is_building else replace(state, serving=generation)


def _after(view: AccountView, upto: int, limit: int = BATCH_MAILS) -> list[Email]:
    """The next emails, as many as one batch takes."""
    found: list[Email] = []
    octets = 0
    for _, row in view.scan(keys.email(upto + 1), keys.prefix_end(b"E"), limit=limit):
        email = emails.read_email(row)
        octets += email.size
        if found and octets > BATCH_OCTETS:
            break
        found.append(email)
    return found


def _rows_of(segment: int, documents: list[Document]) -> list[postings.Row]:
    rows = [document.row for document in documents]
    return [*postings.rows_of(segment, postings.of_documents(documents)), *columns.rows_of(segment, rows)]


def _gone(view: AccountView, generation: Generation) -> Numbers:
    return np.fromiter(states.gone(view, 0, generation.upto), dtype=np.int64)


def _columns(view: AccountView, segment: int, start: bytes) -> tuple[bytes | None, list[ColumnsBlock]]:
    """Some blocks of a segment, and where to go on."""
    found: list[ColumnsBlock] = []
    for key, value in view.scan(start, keys.prefix_end(keys.columns_of(segment)), limit=50):
        found.append(ColumnsBlock(value))
        start = key + b"\x00"
    return (start if len(found) == 50 else None), found
