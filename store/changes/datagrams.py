"""Hints between the processes of one machine: datagrams on unix sockets in a folder they share."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Collection
from itertools import islice
from pathlib import Path

from store.changes.announce import Wake
from store.schema.keys import read_u32, u32

_ACCOUNTS = 256  #: in one datagram; a commit that touches more is rare, and the rest is found by looking
_SETTLED_NS = 1_000_000_000  #: since a folder's last change, beyond which its time tells of any other
_DATAGRAMS = 256  #: read at one go, so that a flood cannot keep the event loop


class DatagramHints:
    """``store.changes.announce.Hints`` in a folder: each process has a mailbox there and writes into all others."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = directory / f"{os.getpid()}.{id(self):x}"
        self._folder = -1  #: descriptor of the directory while the mailbox is open
        self._others: list[str] = []  #: mailboxes of other processes, as of the folder's last change
        self._changed_ns = 0  #: when that was
        self._socket: socket.socket | None = None
        self._wake: Wake | None = None

    async def start(self, wake: Wake) -> None:
        """Open this process's mailbox. Raises OSError when the folder cannot be used."""
        self._wake = wake
        self._directory.mkdir(parents=True, exist_ok=True)
        # A long data path exceeds the 108 octets of a unix address; going through the directory's
        # descriptor keeps every address short.
        self._folder = os.open(self._directory, os.O_RDONLY)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._path.unlink(missing_ok=True)  # left behind by a process that had our number, as in a container
        self._socket.bind(f"/proc/self/fd/{self._folder}/{self._path.name}")
        asyncio.get_running_loop().add_reader(self._socket, self._read)

    async def close(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
            os.close(self._folder)
            self._path.unlink(missing_ok=True)

    def publish(self, accounts: Collection[int]) -> None:
        # What is announced is committed: no trouble with a hint may look like a failed commit.
        with contextlib.suppress(OSError):
            self._tell_all(b"".join(u32(account) for account in islice(accounts, _ACCOUNTS)))

    def _tell_all(self, datagram: bytes) -> None:
        if self._socket is None:
            return
        for name in self._mailboxes():
            self._tell(f"/proc/self/fd/{self._folder}/{name}", datagram, self._directory / name)

    def _mailboxes(self) -> list[str]:
        """Those of the others. The folder is read again when it changed, or so lately that it may have changed since
        without showing it."""
        changed_ns = os.fstat(self._folder).st_mtime_ns
        if changed_ns != self._changed_ns or time.time_ns() - changed_ns < _SETTLED_NS:
            self._others = [name for name in os.listdir(self._directory) if name != self._path.name]
            self._changed_ns = changed_ns
        return self._others

    def _tell(self, address: str, datagram: bytes, mailbox: Path) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(datagram, address)
        except ConnectionRefusedError:
            with contextlib.suppress(OSError):  # a worker that died left its mailbox behind
                mailbox.unlink()
        except OSError:
            pass  # a full or vanished mailbox: that worker will look for itself

    def _read(self) -> None:
        for _ in range(_DATAGRAMS):
            if self._socket is None or self._wake is None:
                return
            try:
                datagram = self._socket.recv(4096)
            except BlockingIOError:
                return
            self._wake([read_u32(datagram[i : i + 4]) for i in range(0, len(datagram) - 3, 4)])
