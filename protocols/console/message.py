"""The message page: the sentence, the waterfall, the facts, the recipients, the timeline, the mail itself."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from protocols.console import authentication, evidence, guard, listing, preview, text, words
from protocols.console.access import Viewer
from protocols.console.guard import not_found
from protocols.console.listing import Row
from protocols.console.pages import Pages
from protocols.console.services import ConsoleServices
from store.audit import chain
from store.blob.contract import BlobId, BlobMissing
from store.changes.engine import StoreView
from store.policy import entries as policy
from store.policy.entries import PolicyEntry
from store.quarantine import held as quarantine
from store.quarantine.held import Held
from store.trace import rows as traces
from store.trace.rows import Trace

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
MAX_OCTETS = 8_000_000  #: of a mail that is parsed for display


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the timeline."""

    at_ms: int
    by: str
    what: str
    detail: str


@dataclass(frozen=True, slots=True)
class Copy:
    """Where one recipient's copy is."""

    address: str
    where: words.Word
    detail: str
    can_act: bool


@dataclass(frozen=True, slots=True)
class Stage:
    name: str
    ms: float
    share: float  #: of the longest stage, 0 to 100


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything about one mail that this viewer may know."""

    row: Row
    held: Held | None
    trace: Trace | None
    blob: BlobId | None
    blocked: PolicyEntry | None
    entries: tuple[chain.Entry, ...]


class MessagePage:
    def __init__(self, services: ConsoleServices, pages: Pages) -> None:
        self._services = services
        self._pages = pages

    async def show(self, request: Request, viewer: Viewer) -> Response:
        """Everything about one mail. Opening it fetches nothing from anywhere."""
        seen = await self._seen(request, viewer)
        trace = seen.trace
        view = request.query_params.get("view", "")
        view = view if view in preview.VIEWS else "text"
        sight = await self._sight(seen, view)
        return self._pages.render(
            request,
            "message.html",
            viewer,
            row=seen.row,
            held=seen.held,
            trace=trace,
            blocked=seen.blocked,
            view=view,
            sight=sight,
            sentence=evidence.sentence(trace) if trace is not None else seen.row.why,
            wide=evidence.waterfall(trace, evidence.WIDE) if trace is not None else None,
            narrow=evidence.waterfall(trace, evidence.NARROW) if trace is not None else None,
            reasons=evidence.ordered(trace.reasons) if trace is not None else [],
            what_if=evidence.what_if(trace) if trace is not None else None,
            findings=authentication.findings(trace.auth) if trace is not None else (),
            auth_notes=authentication.notes(trace.auth) if trace is not None else (),
            copies=_copies(seen.held, trace),
            events=_events(viewer, seen),
            stages=_stages(trace),
            back=guard.safe_next(request.query_params.get("back", "")),
        )

    async def html(self, request: Request, viewer: Viewer) -> Response:
        """The mail's HTML for the frame: no script, no form, no link that leads anywhere, nothing remote."""
        seen = await self._seen(request, viewer)
        octets = await self._octets(seen)
        if octets is None:
            raise not_found()
        document = await asyncio.to_thread(preview.document, octets)
        return Response(document, media_type="text/html; charset=utf-8", headers=preview.HEADERS)

    async def download(self, request: Request, viewer: Viewer) -> Response:
        """The octets as they came, for another tool; noted in the audit chain."""
        seen = await self._seen(request, viewer)
        if seen.blob is None:
            raise not_found()
        try:
            size = await self._services.store.blobs.size(seen.blob)
        except BlobMissing as error:
            raise not_found() from error
        now_ms, reception = self._services.now_ms, seen.row.id
        await self._services.store.write(
            lambda txn: chain.record(txn, now_ms, viewer.login, "message.download", reception)
        )
        headers = {
            **guard.HEADERS,
            "Content-Disposition": f'attachment; filename="{reception}.eml"',
            "Content-Length": str(size),
        }
        octets = self._services.store.blobs.open(seen.blob)
        return StreamingResponse(octets, media_type="application/octet-stream", headers=headers)

    async def _seen(self, request: Request, viewer: Viewer) -> Seen:
        """Read it in one snapshot. Raises Refused when it does not exist or is not this viewer's."""
        reception = request.path_params["id"]
        seen = await self._services.store.read(_reader(viewer, reception, self._services.now_ms))
        if seen is None:
            raise not_found()
        return seen

    async def _octets(self, seen: Seen) -> bytes | None:
        if seen.blob is None:
            return None
        try:
            return await self._services.store.blobs.read(seen.blob, 0, MAX_OCTETS)
        except BlobMissing:
            return None

    async def _sight(self, seen: Seen, view: str) -> preview.Sight | None:
        octets = await self._octets(seen)
        return await asyncio.to_thread(preview.look, octets, view) if octets is not None else None


def _reader(viewer: Viewer, reception: str, now_ms: int) -> Callable[[StoreView], Seen | None]:
    def body(view: StoreView) -> Seen | None:
        if not _ID.fullmatch(reception):
            return None
        trace = viewer.trace(traces.get(view, reception))
        held = viewer.held(quarantine.get(view, reception))
        if held is not None:
            row = listing.of_held(held, trace)
        elif trace is not None:
            row = listing.of_trace(trace)
        else:
            return None
        blob = held.blob if held is not None else trace.blob if trace is not None else None
        blocked = policy.matching(view, "block", row.from_address, now_ms) if viewer.is_admin else None
        return Seen(row, held, trace, blob, blocked, tuple(chain.about(view, reception)))

    return body


def _copies(held: Held | None, trace: Trace | None) -> list[Copy]:
    """Where each recipient's copy is now."""
    copies: dict[str, Copy] = {}
    for outcome in trace.outcomes if trace is not None else ():
        place = f"relayed to {outcome.relay}" if outcome.relay else ""
        copies[outcome.address] = Copy(outcome.address, words.action(outcome.action), place, False)
    for copy in held.copies if held is not None else ():
        by = f"by {copy.by} at {text.moment(copy.at_ms)}" if copy.by else ""
        way = f"will be relayed to {copy.relay}" if copy.relay and copy.state == quarantine.HELD else ""
        copies[copy.address] = Copy(copy.address, words.state(copy.state), by or way, copy.state == quarantine.HELD)
    return list(copies.values())


def _events(viewer: Viewer, seen: Seen) -> list[Event]:
    """What happened to the mail, oldest first. Who is no administrator does not read other people's addresses."""
    events: list[Event] = []
    trace, held = seen.trace, seen.held
    if trace is not None:
        events.append(Event(trace.received_ms, "mailward", "received", f"from {trace.ip}, {text.size(trace.size)}"))
        judged = f"by {', '.join(trace.model_ids)}" if trace.model_ids else ""
        events.append(Event(trace.received_ms, "mailward", "judged", judged))
    for entry in seen.entries:
        detail = entry.detail if viewer.is_admin or entry.actor == viewer.login else ""
        events.append(Event(entry.at_ms, entry.actor, entry.act, detail))
    if held is not None and held.is_held:
        events.append(Event(held.expires_ms, "mailward", "will expire", "unless someone acts before"))
    return sorted(events, key=lambda e: e.at_ms)


def _stages(trace: Trace | None) -> list[Stage]:
    if trace is None or not trace.ms:
        return []
    longest = max(*trace.ms.values(), 0.001)
    return [Stage(name, ms, round(100 * ms / longest, 1)) for name, ms in trace.ms.items()]
