"""Asks Pyzor servers whether others reported a mail like this one, through a process of its own.

The process is started at the first request and again after it crashed or overran: a mail that breaks Pyzor costs its
own answer and nothing else.
"""

import asyncio
import json
import struct
import sys
from dataclasses import dataclass
from typing import Any

import structlog

log = structlog.get_logger()

_LENGTH = struct.Struct(">I")
_ANSWER = 16_384  #: octets of one answer line


@dataclass(frozen=True, slots=True)
class PyzorSettings:
    """Whom to ask, and how long."""

    servers: tuple[tuple[str, int], ...]  #: host and UDP port, asked in order until one answers
    timeout_s: float = 3.0  #: for each server
    digest_s: float = 2.0  #: for computing the digest, on top
    max_octets: int = 1024 * 1024  #: of a mail; what is longer is not asked about
    processes: int = 2  #: at once


@dataclass(frozen=True, slots=True)
class PyzorResult:
    """What a server knows about a mail's digest."""

    digest: str = ""
    count: int = 0  #: how often it was reported as spam
    whitelisted: int = 0  #: how often it was reported as wanted
    error: str = ""  #: why there is no answer; "" when there is one
    is_passing: bool = True  #: of an error: another try may do better


class PyzorClient:
    """A few processes, each answering one request at a time."""

    def __init__(self, settings: PyzorSettings) -> None:
        self.settings = settings
        self._free: asyncio.LifoQueue[_Process] | None = None
        self._all: list[_Process] = []
        self._closed = False

    async def check(self, octets: bytes) -> PyzorResult:
        """How often a mail like this was reported. Never raises: ``error`` tells what went wrong."""
        return await self._ask("check", octets)

    async def report(self, octets: bytes) -> PyzorResult:
        """Tell a server that this mail is spam. Only for mail that an operator chose to share."""
        return await self._ask("report", octets)

    async def whitelist(self, octets: bytes) -> PyzorResult:
        """Tell a server that this mail is wanted. As ``report``."""
        return await self._ask("whitelist", octets)

    async def close(self) -> None:
        self._closed = True
        for process in self._all:
            await process.stop()

    async def _ask(self, op: str, octets: bytes) -> PyzorResult:
        if self._closed:
            return PyzorResult(error="closed")
        if len(octets) > self.settings.max_octets:
            return PyzorResult(error="the mail is too long to ask about", is_passing=False)
        if self._free is None:  # made here and not in __init__, to belong to the running loop
            self._free = asyncio.LifoQueue()
            self._all = [_Process() for _ in range(self.settings.processes)]
            for process in self._all:
                self._free.put_nowait(process)
        process = await self._free.get()
        try:
            return await self._ask_servers(process, op, octets)
        finally:
            self._free.put_nowait(process)

    async def _ask_servers(self, process: "_Process", op: str, octets: bytes) -> PyzorResult:
        result = PyzorResult(error="no server is configured")
        for server in self.settings.servers:
            order = {"op": op, "server": server, "timeout_s": self.settings.timeout_s}
            request = json.dumps(order).encode("ascii") + b"\n" + octets
            result = await process.ask(request, self.settings.timeout_s + self.settings.digest_s)
            if not result.error or not result.is_passing:
                return result
        return result


class _Process:
    """One ``gateway.net.pyzor_process``, started when it is needed and not there."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def ask(self, request: bytes, budget_s: float) -> PyzorResult:
        done = False
        try:
            async with asyncio.timeout(budget_s):
                line = await self._exchange(request)
            done = bool(line)
            return _read(line) if line else PyzorResult(error="the Pyzor process ended")
        except TimeoutError:
            return PyzorResult(error=f"no answer within {budget_s:g} s")
        except (OSError, ValueError) as error:
            return PyzorResult(error=f"the Pyzor process failed: {type(error).__name__}")
        finally:
            if not done:  # also when we are cancelled: a late answer must not be taken for the next mail's
                self._kill()

    async def _exchange(self, request: bytes) -> bytes:
        process = self._process
        if process is None or process.returncode is not None:
            process = self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "gateway.net.pyzor_process"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                limit=_ANSWER,
            )
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(_LENGTH.pack(len(request)) + request)
        await process.stdin.drain()
        return await process.stdout.readline()

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            log.warning("pyzor.restart", pid=process.pid)
            process.kill()

    async def stop(self) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.kill()
        await process.wait()


def _read(line: bytes) -> PyzorResult:
    """Raises ValueError for anything that is no answer."""
    answer: Any = json.loads(line)
    if not isinstance(answer, dict):
        raise ValueError("no answer")
    return PyzorResult(
        digest=str(answer.get("digest", ""))[:64],
        count=int(answer.get("count", 0)),
        whitelisted=int(answer.get("whitelisted", 0)),
        error=str(answer.get("error", ""))[:200],
        is_passing=bool(answer.get("digest")),  # the same mail has no digest the next time either
    )
