"""Who changed, told to whoever listens: in this process at once, to other workers by a datagram.

A datagram is a hint. A lost one costs latency, never correctness: every subscription also looks for
itself now and then (``poll_s``).
"""

import asyncio
import contextlib
import os
import socket
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from store.schema.keys import read_u32, u32

#: The pseudo account whose announcements say "a mail was judged or a held one changed".
SYSTEM = 0


class Listener:
    """One subscription: an event that is set when something happened. Bounded by nature: events do not queue."""

    def __init__(self, hub: "Announcer", account: int) -> None:
        self._hub = hub
        self.account = account
        self.event = asyncio.Event()

    async def wait(self, timeout_s: float) -> bool:
        """Wait for a change; False after ``timeout_s`` without one, when the caller should look for itself."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.event.wait()
        except TimeoutError:
            return False
        self.event.clear()
        return True

    def close(self) -> None:
        self._hub.forget(self)

    def __enter__(self) -> "Listener":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Announcer:
    """The hub of one worker. With a directory, it also tells the other workers that use the same one."""

    def __init__(self, directory: Path | None = None) -> None:
        self._listeners: dict[int, set[Listener]] = defaultdict(set)
        self._directory = directory
        self._socket: socket.socket | None = None
        self._path: Path | None = None

    async def start(self) -> None:
        """Open this worker's mailbox for hints. Without a directory there is nothing to open."""
        if self._directory is None:
            return
        self._directory.mkdir(parents=True, exist_ok=True)
        self._path = self._directory / f"{os.getpid()}.{id(self):x}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        # A long data path exceeds the 108 octets of a unix address; going through the directory's
        # descriptor keeps every address short.
        descriptor = os.open(self._directory, os.O_RDONLY)
        self._path.unlink(missing_ok=True)  # left behind by a process that had our number, as in a container
        try:
            self._socket.bind(f"/proc/self/fd/{descriptor}/{self._path.name}")
        finally:
            os.close(descriptor)
        asyncio.get_running_loop().add_reader(self._socket, self._read_hints)

    async def close(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def subscribe(self, account: int) -> Listener:
        listener = Listener(self, account)
        self._listeners[account].add(listener)
        return listener

    def forget(self, listener: Listener) -> None:
        listeners = self._listeners.get(listener.account)
        if listeners is not None:
            listeners.discard(listener)
            if not listeners:
                del self._listeners[listener.account]

    def announce(self, accounts: Iterable[int]) -> None:
        """Called by Store after a commit, never by anyone else."""
        touched = tuple(accounts)
        self._wake(touched)
        if self._socket is not None and touched:
            # What is announced is committed: no trouble with a hint may look like a failed commit.
            with contextlib.suppress(OSError):
                self._hint(b"".join(u32(account) for account in touched[:256]))

    def _wake(self, accounts: Iterable[int]) -> None:
        for account in accounts:
            for listener in self._listeners.get(account, ()):
                listener.event.set()

    def _hint(self, datagram: bytes) -> None:
        assert self._directory is not None and self._path is not None and self._socket is not None
        descriptor = os.open(self._directory, os.O_RDONLY)
        try:
            for name in os.listdir(self._directory):
                if name != self._path.name:
                    self._send(f"/proc/self/fd/{descriptor}/{name}", datagram, self._directory / name)
        finally:
            os.close(descriptor)

    def _send(self, address: str, datagram: bytes, file: Path) -> None:
        assert self._socket is not None
        try:
            self._socket.sendto(datagram, address)
        except ConnectionRefusedError:
            with contextlib.suppress(OSError):  # a worker that died left its mailbox behind
                file.unlink()
        except OSError:
            pass  # a full or vanished mailbox: that worker will look for itself

    def _read_hints(self) -> None:
        assert self._socket is not None
        for _ in range(256):
            try:
                datagram = self._socket.recv(4096)
            except BlockingIOError:
                return
            self._wake(read_u32(datagram[i : i + 4]) for i in range(0, len(datagram) - 3, 4))
