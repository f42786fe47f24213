"""An endpoint for chat completions on loopback that answers as the test says, and keeps what it was asked."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

Script = Callable[[asyncio.StreamWriter], Awaitable[None]]


def completion(content: str | None, *, tokens: int = 300, finish: str = "stop") -> bytes:
    """A whole answer with these words in it."""
    told = {"choices": [{"message": {"content": content}, "finish_reason": finish}], "usage": {"total_tokens": tokens}}
    return http(200, json.dumps(told).encode())


def opinion(verdict: str, kind: str, confidence: float) -> bytes:
    return completion(json.dumps({"verdict": verdict, "kind": kind, "confidence": confidence}))


def http(status: int, body: bytes, headers: str = "") -> bytes:
    return f"HTTP/1.1 {status} Whatever\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


@dataclass(slots=True)
class ChatServer:
    """What it answers next, and what it saw."""

    url: str = ""
    answer: bytes | Script = b""
    heads: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(int(x.split(":")[1]) for x in head.splitlines() if x.lower().startswith("content-length"))
            body = await reader.readexactly(length)
            self.heads.append(head)
            self.bodies.append(json.loads(body))
            if isinstance(self.answer, bytes):
                writer.write(self.answer)
                await writer.drain()
            else:
                await self.answer(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    @property
    def shown(self) -> dict[str, Any]:
        """The mail as it was described last."""
        told: dict[str, Any] = json.loads(self.bodies[-1]["messages"][1]["content"])
        return told


@asynccontextmanager
async def chat_server(answer: bytes | Script = b"") -> AsyncIterator[ChatServer]:
    chat = ChatServer(answer=answer)
    server = await asyncio.start_server(chat.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    chat.url = f"http://{host}:{port}/v1/chat/completions"
    try:
        yield chat
    finally:
        server.close()
