"""Asks an OpenAI-compatible endpoint one question: one connection, bounded octets, bounded time, no redirects.

The address is the operator's. Plain http is only spoken to this machine or a private network, by number; everything
else is https with a checked certificate. No redirect is followed: the key would go where nobody sent it.
"""

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import Any

import httptools
import msgspec

from gateway.settings.second_opinion import Endpoint

ANSWER_OCTETS = 64 * 1024  #: of header and body together
_READ = 16 * 1024
_ABOUT_THE_QUESTION = frozenset({400, 413, 422})  #: too long, or not to its taste


class ChatFailed(Exception):
    """There is no usable answer. The message says why, in words safe to show."""

    #: Whether the endpoint is to blame. What one mail can bring about must not end the asking about others.
    is_endpoint: bool = True


class ChatUnclear(ChatFailed):
    """It works, and did not answer this question."""

    is_endpoint = False


class _Usage(msgspec.Struct):
    total_tokens: int = 0


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the endpoint said."""

    content: str
    tokens: int  #: in and out, as it counts them; 0 when it does not say


@dataclass(slots=True)
class _Response:
    """Callbacks of the HTTP parser."""

    body: bytearray = field(default_factory=bytearray)
    is_whole: bool = False

    def on_body(self, octets: bytes) -> None:
        self.body += octets

    def on_message_complete(self) -> None:
        self.is_whole = True


async def complete(endpoint: Endpoint, key: str, request: dict[str, Any]) -> Answer:
    """One completion. Raises ChatFailed; the caller sets the time."""
    payload = msgspec.json.encode(request)
    try:
        status, body = await _exchange(endpoint, key, payload)
    except ssl.SSLError as error:
        raise ChatFailed(f"TLS failed: {error.reason or type(error).__name__}") from error
    except OSError as error:
        raise ChatFailed(f"no connection: {type(error).__name__}") from error
    if status != 200:
        raise (ChatUnclear if status in _ABOUT_THE_QUESTION else ChatFailed)(f"it answered {status}")
    try:
        found = msgspec.json.decode(body, type=_Completion)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ChatFailed("its answer is no chat completion") from error
    if len(found.choices) != 1 or found.choices[0].finish_reason not in ("stop", None):
        raise ChatUnclear("its answer is not complete")
    tokens = found.usage.total_tokens if found.usage is not None else 0
    return Answer(found.choices[0].message.content or "", max(0, tokens))


async def _exchange(endpoint: Endpoint, key: str, payload: bytes) -> tuple[int, bytes]:
    context = ssl.create_default_context() if endpoint.is_tls else None
    reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port, ssl=context)
    try:
        writer.write(_head(endpoint, key, len(payload)) + payload)
        await writer.drain()
        return await _response(reader)
    finally:
        writer.transport.abort()  # nothing is left to say, and closing politely may wait for a peer that hangs


def _head(endpoint: Endpoint, key: str, length: int) -> bytes:
    lines = [
        f"POST {endpoint.target} HTTP/1.1",
        f"Host: {endpoint.authority}",
        "Content-Type: application/json",
        "Accept: application/json",
        "Connection: close",
        f"Content-Length: {length}",
        *((f"Authorization: Bearer {key}",) if key else ()),
    ]
    return "\r\n".join((*lines, "", "")).encode("ascii", "replace")


async def _response(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body. Raises ChatFailed and OSError."""
    response = _Response()
    parser = httptools.HttpResponseParser(response)
    octets = 0
    while not response.is_whole:
        chunk = await reader.read(_READ)
        octets += len(chunk)
        if octets > ANSWER_OCTETS:
            raise ChatFailed("its answer is too long")
        try:
            if not chunk:
                raise ChatFailed("the connection ended without an answer")
            parser.feed_data(chunk)
        except httptools.HttpParserError as error:
            raise ChatFailed("its answer is no HTTP") from error
        status = parser.get_status_code()
        if status and status != 200:
            return status, b""  # the rest says nothing that we would believe
    return parser.get_status_code(), bytes(response.body)
