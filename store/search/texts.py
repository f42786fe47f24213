"""Mails that are read to answer a question: those the index does not know yet, and those whose header is asked for.

What was read is kept a while as words, so that the next key typed costs nothing.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from store.blob.contract import BlobId, BlobMissing, Wanted
from store.changes.engine import Store
from store.mail.model import Email
from store.message.mime import parse_message
from store.search.document import HEADER_CHARS, HEADERS, Document, read_document, unread_document

IN_THREAD_OCTETS = 64 * 1024  #: a larger mail is read beside the event loop
MOST_OCTETS = 64 << 20  #: of a mail; of a larger one this much is read
_TOGETHER_OCTETS = 1 << 20  #: of small mails, read in one snapshot
_TOGETHER_MAILS = 128
_WORD_OCTETS = 60  #: what a word in memory costs, roughly


class SearchTooLarge(Exception):
    """The mails a search would have to look at or read exceed its budget."""


class Budget:
    """What one search may still spend on reading mails."""

    def __init__(self, octets: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._octets = octets
        self._clock = clock
        self._deadline = clock() + seconds

    def spend(self, octets: int) -> None:
        """Raises SearchTooLarge."""
        self._octets -= octets
        if self._octets < 0 or self._clock() > self._deadline:
            raise SearchTooLarge


@dataclass(frozen=True, slots=True)
class Header:
    """Fields of a mail: lower-case names and decoded values."""

    fields: tuple[tuple[str, str], ...]


class Texts:
    """Reads mails of one store; a bounded memory of them by blob. Callers have checked who may read what."""

    def __init__(self, store: Store, most_octets: int = 0) -> None:
        """``most_octets`` is for what is remembered; 0 remembers nothing."""
        self._store = store
        self._most = most_octets
        self._octets = 0
        self._known: OrderedDict[tuple[BlobId, int], tuple[Document | Header, int]] = OrderedDict()

    async def document(self, email: Email, most_words: int, budget: Budget | None = None) -> Document:
        """The mail's words. Raises SearchTooLarge, StoreUnavailable."""
        key = (email.blob, most_words)
        known = self._recall(key)
        if isinstance(known, Document):
            return known
        if budget is not None:
            budget.spend(email.size)
        try:
            octets = await self._store.blobs.read(email.blob, 0, MOST_OCTETS if email.size > MOST_OCTETS else None)
        except BlobMissing:
            return unread_document(email)
        if email.size > IN_THREAD_OCTETS:
            document = await asyncio.to_thread(read_document, email, octets, most_words)
        else:
            document = read_document(email, octets, most_words)
        self._remember(key, document, sum(map(len, document.fields)) * _WORD_OCTETS)
        return document

    async def documents(self, batch: Sequence[Email], most_words: int) -> list[Document]:
        """The words of many mails, in their order, small ones read together. Raises StoreUnavailable."""
        found: list[Document] = []
        for some in _portions(batch):
            if len(some) == 1:
                found.append(await self.document(some[0], most_words))
                continue
            octets = await self._store.blobs.read_many([Wanted(email.blob) for email in some])
            found += await asyncio.to_thread(_read, some, octets, most_words)
        return found

    async def header(self, email: Email, budget: Budget | None = None) -> Header:
        """The mail's header. Raises SearchTooLarge, StoreUnavailable."""
        key = (email.blob, -1)
        known = self._recall(key)
        if isinstance(known, Header):
            return known
        if budget is not None:
            budget.spend(email.header_octets)
        try:
            octets = await self._store.blobs.read(email.blob, 0, email.header_octets)
        except BlobMissing:
            return Header(())
        fields = parse_message(octets).headers.fields[:HEADERS]
        header = Header(tuple((field.name.lower(), field.text()[:HEADER_CHARS]) for field in fields))
        self._remember(key, header, email.header_octets * 2)
        return header

    def _recall(self, key: tuple[BlobId, int]) -> Document | Header | None:
        known = self._known.get(key)
        if known is None:
            return None
        self._known.move_to_end(key)
        return known[0]

    def _remember(self, key: tuple[BlobId, int], what: Document | Header, octets: int) -> None:
        if key in self._known or octets > self._most // 4:
            return
        self._known[key] = what, octets
        self._octets += octets
        while self._octets > self._most:
            _, (_, freed) = self._known.popitem(last=False)
            self._octets -= freed


def _portions(batch: Sequence[Email]) -> Iterator[list[Email]]:
    """Mails that are read together; a large one is alone."""
    some: list[Email] = []
    octets = 0
    for email in batch:
        is_large = email.size > IN_THREAD_OCTETS
        if some and (is_large or len(some) >= _TOGETHER_MAILS or octets + email.size > _TOGETHER_OCTETS):
            yield some
            some, octets = [], 0
        some.append(email)
        octets += email.size
        if is_large:
            yield some
            some, octets = [], 0
    if some:
        yield some


def _read(batch: Sequence[Email], octets: Sequence[bytes | None], most_words: int) -> list[Document]:
    return [
        read_document(email, each, most_words) if each is not None else unread_document(email)
        for email, each in zip(batch, octets, strict=True)
    ]
