"""What surrounds every request: size and time limits, security headers, and the last boundary for defects."""

import asyncio
import contextlib
import re
from collections.abc import Iterable

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from protocols.http.problem import Problem, respond, wants_page
from protocols.http.settings import HttpSettings

_log = structlog.get_logger()
DRAINED_OCTETS = 1_000_000
DRAIN_S = 2.0

_DIGITS = re.compile(rb"[0-9]{1,19}")

#: Given to every response that does not say otherwise.
SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


DEFECT = Problem(500, "an error on our side; it was logged")


class Guard:
    """ASGI middleware around the whole app."""

    def __init__(self, app: ASGIApp, settings: HttpSettings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"only HTTP is served here, not {scope['type']}")
        exchange = _Exchange(scope, receive, send, self._settings)
        problem = await self._answer(scope, exchange)
        if problem is None or exchange.started:
            return  # the server closes the connection when a started response has no end
        request = Request(scope)
        with contextlib.suppress(TimeoutError):
            await respond(problem, as_page=wants_page(request))(scope, receive, exchange.send)

    async def _answer(self, scope: Scope, exchange: "_Exchange") -> Problem | None:
        declared = _declared_octets(scope["headers"])
        if declared is not None and declared > self._settings.body_octets:
            return Problem(413, "the request's body is too large", headers={"Connection": "close"})
        try:
            async with asyncio.timeout(self._settings.request_s) as exchange.deadline:
                await self._app(scope, exchange.receive, exchange.send)
        except Problem as refused:
            return refused
        except TimeoutError:
            return Problem(503, "this took too long; try again later", headers={"Retry-After": "60"})
        except Exception as fault:  # boundary: a defect is logged and answered, the connection goes on
            _log.error("http.defect", path=scope["path"], error=type(fault).__name__, exc_info=fault)
            return DEFECT
        finally:
            exchange.deadline = None
        return None


class _Exchange:
    """One request and its response, measured."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, settings: HttpSettings) -> None:
        self._receive = receive
        self._send = send
        self._settings = settings
        self._awaits_continue = any(name == b"expect" for name, _ in scope["headers"])
        self._is_tls = scope["scheme"] == "https"
        self._read = 0
        self._body_ended = False
        self.started = False
        self.deadline: asyncio.Timeout | None = None

    async def receive(self) -> Message:
        if self._body_ended:
            return await self._receive()  # waits for the client to leave, for as long as it stays
        try:
            async with asyncio.timeout(self._settings.body_s):
                message = await self._receive()
        except TimeoutError as error:
            raise Problem(408, "the request's body did not arrive", headers={"Connection": "close"}) from error
        self._body_ended = not message.get("more_body", False)
        self._read += len(message.get("body", b""))
        if self._read > self._settings.body_octets:
            raise Problem(413, "the request's body is too large", headers={"Connection": "close"})
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if message["status"] == 413 and not self._awaits_continue:
                await self._drain()
            self.started = True
            if self.deadline is not None:
                self.deadline.reschedule(None)  # from here on each send has its own limit
            self._add_headers(MutableHeaders(scope=message))
        async with asyncio.timeout(self._settings.send_s):
            await self._send(message)

    async def _drain(self) -> None:
        """Read a little more of a refused body: a connection closed on unread octets is reset. RFC 9112 §9.6."""
        left = DRAINED_OCTETS
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                while left > 0 and not self._body_ended:
                    message = await self._receive()
                    self._body_ended = not message.get("more_body", False)
                    left -= len(message.get("body", b""))

    def _add_headers(self, headers: MutableHeaders) -> None:
        for name, value in SECURITY_HEADERS.items():
            headers.setdefault(name, value)
        if self._is_tls and self._settings.hsts_s:
            headers.setdefault("strict-transport-security", f"max-age={self._settings.hsts_s}")


def _declared_octets(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    for name, value in headers:
        if name == b"content-length" and _DIGITS.fullmatch(value):
            return int(value)
    return None
