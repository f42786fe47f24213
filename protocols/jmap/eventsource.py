"""Push over a kept-open response: state changes as they are committed. RFC 8620 §7.3, WHATWG HTML §9.2."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import islice

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from protocols.http.problem import Problem
from protocols.jmap import ids
from protocols.jmap.context import Context
from protocols.jmap.services import Office
from store.changes.announce import Listener
from store.changes.engine import AccountView, Change, Kind
from store.schema import keys

_KINDS = {"Mailbox": Kind.MAILBOX, "Email": Kind.EMAIL, "Thread": Kind.THREAD}
#: A delivery changes an email, its thread and its mailbox: clients are told EmailDelivery too. RFC 8621 §1.5.
_DELIVERY = "EmailDelivery"


@dataclass(frozen=True, slots=True)
class Wish:
    """What the URL asked for."""

    types: frozenset[str]
    closes_after_state: bool
    ping_s: float  #: 0 for none
    since: int | None  #: Last-Event-ID


class Events:
    def __init__(self, office: Office) -> None:
        self._office = office

    async def get(self, request: Request) -> Response:
        context = await self._office.context(request)
        return _EventStream(self._office, context, _wish(request, context))


def _wish(request: Request, context: Context) -> Wish:
    """Raises Problem 400."""
    known = frozenset({*_KINDS, _DELIVERY})
    types = request.query_params.get("types", "*")
    close_after, ping = request.query_params.get("closeafter", "no"), request.query_params.get("ping", "0")
    if close_after not in ("state", "no") or not ping.isascii() or not ping.isdigit() or len(ping) > 6:
        raise Problem(400, "closeafter is state or no, ping a number of seconds")
    state = ids.parse_state(request.headers.get("last-event-id", ""))
    seconds = int(ping)
    return Wish(
        types=known if types == "*" else known & frozenset(types.split(",")),
        closes_after_state=close_after == "state",
        ping_s=max(seconds, context.settings.event_ping_min_s) if seconds else 0.0,
        since=state.modseq if state is not None else None,
    )


class _EventStream(Response):
    """Writes until the client leaves, or the server closes (which looks the same)."""

    media_type = "text/event-stream"

    def __init__(self, office: Office, context: Context, wish: Wish) -> None:
        super().__init__(status_code=200, headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._office = office
        self._context = context
        self._wish = wish

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        settings = self._context.settings
        with self._office.counted(self._context.account, "eventSources", settings.event_sources):
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            writing = asyncio.ensure_future(self._write(send))
            leaving = asyncio.ensure_future(_left(receive))
            tasks = (writing, leaving)
            try:
                await asyncio.wait(tasks, timeout=settings.event_stream_s, return_when=asyncio.FIRST_COMPLETED)
                if writing.done():
                    writing.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(OSError, TimeoutError):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _write(self, send: Send) -> None:
        with self._context.store.subscribe(self._context.account.id) as listener:
            await send({"type": "http.response.body", "body": b": open\n\n", "more_body": True})
            async for event in self._events(listener):
                await send({"type": "http.response.body", "body": event, "more_body": True})

    async def _events(self, listener: Listener) -> AsyncIterator[bytes]:
        wish, poll_s = self._wish, self._context.settings.event_poll_s
        since = wish.since
        last_write = time.monotonic()
        if since is None:
            since = await self._context.read(lambda view: view.modseq)
        while True:
            now, changed = await self._context.read(lambda view, since=since: changed_kinds(view, since))  # type: ignore[misc]
            since = now
            told = {name: str(now) for name in sorted(wish.types & changed)}
            if told:
                last_write = time.monotonic()
                yield self._state_event(now, told)
                if wish.closes_after_state:
                    return
            pause = poll_s
            if wish.ping_s:
                pause = min(pause, max(last_write + wish.ping_s - time.monotonic(), 0.0))
            await listener.wait(pause)
            if wish.ping_s and time.monotonic() >= last_write + wish.ping_s:
                last_write = time.monotonic()
                yield b'event: ping\ndata: {"interval":%d}\n\n' % wish.ping_s

    def _state_event(self, now: int, told: dict[str, str]) -> bytes:
        change = {"@type": "StateChange", "changed": {ids.account_id(self._context.account.id): told}}
        return b"id: %d\nevent: state\ndata: %b\n\n" % (now, msgspec.json.encode(change))


def changed_kinds(view: AccountView, since: int) -> tuple[int, frozenset[str]]:
    """The present state, and the names of what changed after ``since``. A state that is not ours: everything."""
    now = view.modseq
    if since == now:
        return now, frozenset()
    if since > now:
        return now, frozenset({*_KINDS, _DELIVERY})
    changed: set[str] = set()
    for name, kind in _KINDS.items():
        end = keys.prefix_end(b"H" + bytes([kind]))
        if next(view.scan(keys.change(kind, since + 1, 0), end, limit=1), None) is not None:
            changed.add(name)
    if "Email" in changed and _was_created(view, since):
        changed.add(_DELIVERY)
    return now, frozenset(changed)


def _was_created(view: AccountView, since: int) -> bool:
    rows = view.scan(keys.change(Kind.EMAIL, since + 1, 0), keys.prefix_end(b"H" + bytes([Kind.EMAIL])))
    return any(value[0] == Change.CREATED for _, value in islice(rows, 1_000))


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
