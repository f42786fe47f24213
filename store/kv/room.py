"""How much disk a backend takes, and giving back what deleted rows have left. Not every backend can say or do it."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from store.kv.contract import KeyValueStore


@dataclass(frozen=True, slots=True)
class Room:
    """Octets on disk."""

    octets: int
    reclaimable: int  #: what ``compact`` would give back, roughly
    advice: str = ""  #: what else a person can do


@runtime_checkable
class Compactable(Protocol):
    """A backend that knows its room."""

    async def room(self) -> Room: ...

    async def compact(self, *, at_most: int | None = None, rewrite: bool = False) -> int:
        """Give back what deleted rows have left, at most so many octets; how many. ``rewrite`` may take long and
        needs as much free disk as the store has. Raises StoreUnavailable."""
        ...


async def room_of(kv: KeyValueStore) -> Room | None:
    """None: the backend cannot say."""
    return await kv.room() if isinstance(kv, Compactable) else None


async def compact(kv: KeyValueStore, *, at_most: int | None = None, rewrite: bool = False) -> int:
    """Octets given back to the disk."""
    return await kv.compact(at_most=at_most, rewrite=rewrite) if isinstance(kv, Compactable) else 0
