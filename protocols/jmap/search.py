"""Texts of mails for searching: read within a budget, and kept a while for the next key typed."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable

from store.blob.contract import BlobId
from store.changes.engine import Store
from store.mail.searchable import MailText, mail_text

IN_THREAD_OCTETS = 64 * 1024  #: a larger mail is read beside the event loop


class SearchTooLarge(Exception):
    """The texts a search would have to read exceed its budget."""


class Budget:
    """What one search may still spend."""

    def __init__(self, octets: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._octets = octets
        self._clock = clock
        self._deadline = clock() + seconds

    def spend(self, octets: int) -> None:
        """Raises SearchTooLarge."""
        self._octets -= octets
        if self._octets < 0 or self._clock() > self._deadline:
            raise SearchTooLarge


class SearchTexts:
    """A bounded memory of folded mails by blob. What it holds is public to nobody: callers checked ownership."""

    def __init__(self, store: Store, max_chars: int) -> None:
        self._store = store
        self._max_chars = max_chars
        self._chars = 0
        self._texts: OrderedDict[BlobId, MailText] = OrderedDict()

    async def get(self, blob: BlobId, size: int, budget: Budget) -> MailText:
        """The mail's text. Raises SearchTooLarge, BlobMissing."""
        known = self._texts.get(blob)
        if known is not None:
            self._texts.move_to_end(blob)
            return known
        budget.spend(size)
        octets = await self._store.blobs.read(blob)
        text = await asyncio.to_thread(mail_text, octets) if size > IN_THREAD_OCTETS else mail_text(octets)
        self._remember(blob, text)
        return text

    def _remember(self, blob: BlobId, text: MailText) -> None:
        if blob in self._texts or text.chars > self._max_chars // 4:
            return
        self._texts[blob] = text
        self._chars += text.chars
        while self._chars > self._max_chars:
            _, forgotten = self._texts.popitem(last=False)
            self._chars -= forgotten.chars
