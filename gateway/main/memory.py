"""What a large mail took goes back to the system, instead of staying with the process for the next one."""

import asyncio
import ctypes
from collections.abc import Callable
from typing import cast

from gateway.envelope import Envelope
from gateway.reception import Receive
from gateway.reply import Reply

LARGE_OCTETS = 4 * 1024 * 1024  #: of a mail after which it is worth looking for free pages
QUIET_S = 5.0  #: until it is indexed and the store's caches are empty

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  #: glibc's malloc.h
_ALONE_OCTETS = 1024 * 1024  #: a block from this size on is mapped by itself, and unmapped when it is freed
_SPARE_OCTETS = 8 * 1024 * 1024  #: free memory at the end of the heap that is kept


def give_back_large_blocks() -> bool:
    """Fix what glibc would raise by itself: after freeing one block of 30 MB it keeps every later one of that size.

    For this process and those it forks. False where the C library is another one, which decides for itself.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # musl, macOS, Windows
        return False
    mallopt.argtypes, mallopt.restype = (ctypes.c_int, ctypes.c_int), ctypes.c_int
    return bool(mallopt(_M_MMAP_THRESHOLD, _ALONE_OCTETS)) and bool(mallopt(_M_TRIM_THRESHOLD, _SPARE_OCTETS))


class Trimmer:
    """Around what receives mail: some seconds after a large one, free pages within the heaps go back, too."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._trim = _malloc_trim()
        self._is_due = False

    async def receive(self, envelope: Envelope, octets: bytes) -> Reply:
        reply = await self._receive(envelope, octets)
        if len(octets) >= LARGE_OCTETS and self._trim is not None and not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_later(QUIET_S, self._start)
        return reply

    def _start(self) -> None:
        self._is_due = False
        if self._trim is not None:
            asyncio.get_running_loop().run_in_executor(None, self._trim, 0)  # milliseconds, without the interpreter


def _malloc_trim() -> Callable[[int], int] | None:
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):
        return None
    trim.argtypes, trim.restype = (ctypes.c_size_t,), ctypes.c_int
    return cast(Callable[[int], int], trim)
