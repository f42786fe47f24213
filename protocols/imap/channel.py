"""What a session needs of its connection; ``connection`` has the one that is real."""

from dataclasses import dataclass
from typing import Protocol

from protocols.imap.wire import Event, WireLimits
from store.changes.announce import Listener


@dataclass(frozen=True, slots=True)
class Peer:
    address: str  #: IP address, "" when the socket has none
    is_loopback: bool


class Channel(Protocol):
    peer: Peer

    @property
    def is_encrypted(self) -> bool: ...

    @property
    def can_start_tls(self) -> bool: ...

    @property
    def has_more(self) -> bool:
        """Whether the client has sent more already."""
        ...

    def set_limits(self, limits: WireLimits) -> None: ...

    async def next_event(self, deadline_s: float) -> Event:
        """The next event, never NeedData. Raises TimeoutError, Disconnect, ConnectionError at the end of input."""
        ...

    async def next_line(self, deadline_s: float) -> bytes:
        """A line that answers our "+". Raises as ``next_event``."""
        ...

    async def line_or_change(self, listener: Listener, poll_s: float, deadline_s: float) -> bytes | None:
        """A line if one comes first, None when something changed or after ``poll_s``.

        Raises as ``next_event``; the deadline counts from the last command.
        """
        ...

    def write(self, octets: bytes) -> None: ...

    async def drain(self) -> None:
        """Wait until the client has read most of what was written. Raises ConnectionError when it does not."""
        ...

    async def start_tls(self) -> None:
        """Forget what was read so far and go on encrypted. Raises ConnectionError when that fails."""
        ...
