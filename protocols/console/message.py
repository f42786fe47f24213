"""The message page: the sentence, the waterfall, the facts, the recipients, the timeline, the mail itself."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gateway.cli.closer import alternative
from protocols.console import authentication, evidence, guard, listing, preview, text, words
from protocols.console.access import Viewer
from protocols.console.entries import entries_about, scopes_for
from protocols.console.guard import Refused, not_found
from protocols.console.listing import Row, is_different
from protocols.console.pages import Pages
from protocols.console.services import ConsoleServices
from protocols.console.spoken import language_of, spoken
from store.audit import chain
from store.blob.contract import BlobId, BlobMissing
from store.changes.engine import StoreView
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
    why: str  #: what decided for this recipient, where recipients differ
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
    about: tuple[PolicyEntry, ...]  #: entries in force about its author that are the viewer's to see
    entries: tuple[chain.Entry, ...]


class MessagePage:
    def __init__(self, services: ConsoleServices, pages: Pages) -> None:
        self._services = services
        self._pages = pages

    async def show(self, request: Request, viewer: Viewer) -> Response:
        """Everything about one mail. Opening it fetches nothing from anywhere."""
        seen = await self._seen(request, viewer)
        language = language_of(request)
        trace = spoken(seen.trace, language) if seen.trace is not None else None
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
            about=seen.about,
            scopes=scopes_for(viewer, _recipients(seen)),
            can_look=self._services.look is not None and _can_be_read_again(seen),
            language=language,
            view=view,
            sight=sight,
            sentence=evidence.sentence(trace, language) if trace is not None else seen.row.why,
            wide=evidence.waterfall(trace, evidence.WIDE) if trace is not None else None,
            narrow=evidence.waterfall(trace, evidence.NARROW) if trace is not None else None,
            reasons=evidence.ordered(trace.reasons) if trace is not None else [],
            what_if=evidence.what_if(trace, language) if trace is not None else None,
            findings=authentication.findings(trace.auth) if trace is not None else (),
            auth_notes=authentication.notes(trace.auth) if trace is not None else (),
            copies=_copies(seen.held, trace),
            differ=trace is not None and is_different(trace),
            events=_events(viewer, seen),
            stages=_stages(trace),
            back=guard.safe_next(request.query_params.get("back", "")),
        )

    async def closer(self, request: Request, viewer: Viewer) -> Response:
        """The words and sentences that moved the models, and changes that would have changed the verdict."""
        seen = await self._seen(request, viewer)
        look = self._services.look
        octets = await self._octets(seen)
        if look is None or seen.trace is None or octets is None or len(octets) >= MAX_OCTETS:
            raise Refused(404, "Not here", "The octets of this mail are not kept (any more), or it is too large.")
        found = await look(seen.trace, octets)
        if found is None:
            raise Refused(404, "Not here", "This mail is too large, or it was written here, and is not read again.")
        language = language_of(request)
        changes = [alternative(each, language) for each in found.alternatives]
        return self._pages.render(
            request, "closer.html", viewer, row=seen.row, closer=found, changes=changes, language=language
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
        about = entries_about(view, viewer, row.from_address, now_ms)
        return Seen(row, held, trace, blob, about, tuple(chain.about(view, reception)))

    return body


def _copies(held: Held | None, trace: Trace | None) -> list[Copy]:
    """Where each recipient's copy is now."""
    copies: dict[str, Copy] = {}
    for outcome in trace.outcomes if trace is not None else ():
        place = f"relayed to {outcome.relay}" if outcome.relay else ""
        copies[outcome.address] = Copy(outcome.address, words.action(outcome.action), place, outcome.why, False)
    for copy in held.copies if held is not None else ():
        by = f"by {copy.by} at {text.moment(copy.at_ms)}" if copy.by else ""
        way = f"will be relayed to {copy.relay}" if copy.relay and copy.state == quarantine.HELD else ""
        known = copies.get(copy.address)
        why = known.why if known is not None else ""
        is_held = copy.state == quarantine.HELD
        copies[copy.address] = Copy(copy.address, words.state(copy.state), by or way, why, is_held)
    return list(copies.values())


def _can_be_read_again(seen: Seen) -> bool:
    return seen.blob is not None and seen.trace is not None and not seen.trace.is_outgoing


def _recipients(seen: Seen) -> list[str]:
    """Whose mail it is, as far as the viewer may know; a trap is nobody."""
    found = [copy.address for copy in seen.held.copies] if seen.held is not None else []
    found += [o.address for o in seen.trace.outcomes if o.action != "trap"] if seen.trace is not None else []
    return list(dict.fromkeys(found))


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
