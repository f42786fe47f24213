"""The live view: mails as they are judged. Events hint, polling makes sure, a lost hint costs latency only."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from protocols.console import guard, listing
from protocols.console.access import Viewer
from protocols.console.guard import Refused
from protocols.console.listing import Row
from protocols.console.pages import Pages
from protocols.console.services import ConsoleServices
from store.changes.announce import SYSTEM, Listener
from store.changes.engine import StoreView

SHOWN = 50
_WINDOW = 200  #: newest rows looked at each time: mails are committed out of the order of their ids
_GATHER_S = 0.2  #: a burst is told in one go
_BEAT_S = 15.0  #: a comment is sent this often, so that dead connections are noticed


class LivePage:
    def __init__(self, services: ConsoleServices, pages: Pages) -> None:
        self._services = services
        self._pages = pages

    async def show(self, request: Request, viewer: Viewer) -> Response:
        """The latest mails as a plain table, which works without script; the script adds to it."""
        rows = await self._services.store.read(lambda view: _newest(view, viewer, SHOWN))
        return self._pages.render(request, "live.html", viewer, rows=rows)

    async def events(self, request: Request, viewer: Viewer) -> Response:
        """The stream of table rows. Ends with the session, with the server, or when the browser goes."""
        services = self._services
        if services.is_closing or len(services.live) >= services.settings.live_streams:
            raise Refused(503, "Too many live views", "Close one, or reload this page to look again.")
        last = request.headers.get("last-event-id") or request.query_params.get("after", "")
        headers = {**guard.HEADERS, "X-Accel-Buffering": "no"}
        return StreamingResponse(
            self._stream(request, viewer, last[:64]), media_type="text/event-stream", headers=headers
        )

    async def _stream(self, request: Request, viewer: Viewer, last: str) -> AsyncIterator[str]:
        services = self._services
        told = await services.store.read(lambda view: {r.id for r in _newest(view, viewer, _WINDOW) if r.id <= last})
        yield "retry: 3000\n\n"
        with services.store.subscribe(SYSTEM) as listener:
            services.live.add(listener)
            try:
                async for chunk in self._follow(request, viewer, listener, told):
                    yield chunk
            finally:
                services.live.discard(listener)

    async def _follow(self, request: Request, viewer: Viewer, listener: Listener, told: set[str]) -> AsyncIterator[str]:
        services, clock = self._services, asyncio.get_running_loop().time
        beat = clock()
        while not services.is_closing:
            rows = await services.store.read(lambda view: _newest(view, viewer, _WINDOW))
            fresh = [row for row in reversed(rows) if row.id not in told]
            told = {row.id for row in rows}
            if fresh:
                yield "".join(self._event(row, viewer) for row in fresh)
            if clock() - beat >= _BEAT_S:
                if await guard.viewer_of(request, services) is None:
                    yield "event: over\ndata: {}\n\n"
                    return
                beat = clock()
                yield ": still here\n\n"
            if await listener.wait(services.settings.live_poll_s) and not services.is_closing:
                await asyncio.sleep(_GATHER_S)

    def _event(self, row: Row, viewer: Viewer) -> str:
        html = self._pages.fragment("live_row.html", row=row, viewer=viewer)
        data = msgspec.json.encode({"html": html, "action": row.action}).decode()
        return f"id: {row.id}\nevent: mail\ndata: {data}\n\n"


def _newest(view: StoreView, viewer: Viewer, limit: int) -> list[Row]:
    """Newest first; someone who sees only their own mail is searched for further."""
    far = limit if viewer.is_admin else limit * 10
    return list(listing.everything(view, viewer, "all", far))[:limit]
