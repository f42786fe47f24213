"""What searches read and may need again: pieces of segments, which never change, and who is in a mailbox.

One bounded memory a store and process; what was not used for longest leaves first. A piece of a segment is kept under
all that ``Segment`` says of it, so nothing ever has to be taken back. Nothing depends on finding anything here.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from store.changes.engine import Store

MOST_OCTETS = 64 << 20
_ENTRY_OCTETS = 200  #: what an entry costs beside its value
_LARGEST_SHARE = 2  #: a value larger than the memory divided by this is not kept

T = TypeVar("T")


class Memory:
    """Values by key, up to so many octets. Used by several threads at once."""

    def __init__(self, most_octets: int = MOST_OCTETS) -> None:
        self.most_octets = most_octets
        self.octets = 0
        self._lock = threading.Lock()
        self._known: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()

    @property
    def largest(self) -> int:
        """Octets of the largest value that is kept."""
        return self.most_octets // _LARGEST_SHARE

    def recall(self, key: Hashable) -> Any:
        """The value, or None."""
        with self._lock:
            known = self._known.get(key)
            if known is None:
                return None
            self._known.move_to_end(key)
            return known[0]

    def keep(self, key: Hashable, value: object, octets: int) -> None:
        octets += _ENTRY_OCTETS
        with self._lock:
            before = self._known.pop(key, None)
            self.octets -= before[1] if before is not None else 0
            if octets > self.largest:
                return
            self._known[key] = value, octets
            self.octets += octets
            while self.octets > self.most_octets:
                _, (_, freed) = self._known.popitem(last=False)
                self.octets -= freed

    def get(self, key: Hashable, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """The value, made when it is not there. Two threads may both make it."""
        known: T | None = self.recall(key)
        if known is None:
            known = make()
            self.keep(key, known, size(known))
        return known


_memories: WeakKeyDictionary[Store, Memory] = WeakKeyDictionary()


def memory_of(store: Store) -> Memory:
    """The memory of a store in this process."""
    return _memories.setdefault(store, Memory())
