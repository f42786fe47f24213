"""What the buttons do. Each act goes through ``Quarantine``; a mail that is no longer held says who was first."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from protocols.console import guard, listing, search, text, words
from protocols.console.access import Viewer
from protocols.console.guard import Form, Refused, not_found
from protocols.console.listing import Row
from protocols.console.pages import Note, Pages
from protocols.console.services import ConsoleServices
from store.quarantine import held as quarantine
from store.quarantine.held import Held, HeldCopy, NotHeld

MAX_BLOCK_DAYS = 3_650
_SETTLING = {
    "release": ("Released", "Release"),
    "release-learn": ("Released and learned as wanted", "Release and learn"),
    "delete": ("Deleted", "Delete"),
    "delete-learn": ("Deleted and learned as spam", "Delete as spam"),
}
_BLOCKING = {"block": "Block sender of", "block-domain": "Block domain of"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one act on one mail."""

    is_done: bool
    text: str
    undo: str = ""


class Acts:
    """Release, delete, block: one mail or many."""

    def __init__(self, services: ConsoleServices, pages: Pages) -> None:
        self._services = services
        self._pages = pages

    async def one(self, request: Request, viewer: Viewer, form: Form) -> Response:
        """An act on the mail of the page."""
        reception = request.path_params["id"]
        outcome = await self._act(viewer, reception, form.get("act"), form)
        kind = "ok" if outcome.is_done else "warn"
        response = RedirectResponse(guard.safe_next(form.get("back")), 303, headers=guard.HEADERS)
        return self._pages.leave_note(response, request, Note(kind, outcome.text, outcome.undo))

    async def many(self, request: Request, viewer: Viewer, form: Form) -> Response:
        """An act on ticked mails, or on all that match. Deleting many asks once more: it cannot be undone."""
        act, back = form.get("act"), guard.safe_next(form.get("back"))
        if act not in _SETTLING and act not in _BLOCKING:
            raise Refused(400, "Not accepted", "There is no such act.")
        chosen = await self._chosen(viewer, form)
        if not chosen:
            response = RedirectResponse(back, 303, headers=guard.HEADERS)
            return self._pages.leave_note(response, request, Note("warn", "No mail is ticked."))
        is_grave = act.startswith("delete") or form.get("all") == "1"
        if len(chosen) > 1 and is_grave and form.get("sure") != "1":
            return await self._ask(request, viewer, act, chosen, back)
        outcomes = [await self._guarded(viewer, reception, act, form) for reception in chosen]
        response = RedirectResponse(back, 303, headers=guard.HEADERS)
        return self._pages.leave_note(response, request, _together(act, outcomes))

    async def _chosen(self, viewer: Viewer, form: Form) -> list[str]:
        """The mails an act is about: ticked ones, or everything that matches the search."""
        settings = self._services.settings
        if form.get("all") != "1":
            return list(dict.fromkeys(form.all("id")))[: settings.bulk_mails]
        query = search.parse(form.get("q"))
        tab = form.get("tab") if form.get("tab") in listing.TABS else "held"
        read = listing.listing(viewer, tab, query, 1, settings.bulk_mails, settings.searched_rows)
        found = await self._services.store.read(read)
        return [row.id for row in found.rows if row.is_held]

    async def _ask(self, request: Request, viewer: Viewer, act: str, chosen: list[str], back: str) -> Response:
        wanted = frozenset(chosen)

        def seen(rows: Sequence[Held]) -> list[Row]:
            own = [viewer.held(row) for row in rows if row.id in wanted]
            return [listing.of_held(row, None) for row in own if row is not None]

        rows = await self._services.store.read(
            lambda view: seen([h for h in (quarantine.get(view, one) for one in chosen) if h is not None])
        )
        verb = _SETTLING[act][1] if act in _SETTLING else _BLOCKING[act]
        return self._pages.render(request, "sure.html", viewer, act=act, verb=verb, rows=rows, back=back)

    async def _guarded(self, viewer: Viewer, reception: str, act: str, form: Form) -> Outcome:
        try:
            return await self._act(viewer, reception, act, form)
        except Refused as refused:
            return Outcome(False, refused.text)

    async def _act(self, viewer: Viewer, reception: str, act: str, form: Form) -> Outcome:
        held = await self._services.store.read(lambda view: quarantine.get(view, reception))
        own = viewer.held(held)
        if held is None or own is None:
            raise not_found()
        try:
            if act in _SETTLING:
                return await self._settle(viewer, held, act, form.get("address"))
            if act in _BLOCKING:
                return await self._block(viewer, held, act, form.get("days"))
        except NotHeld:
            now = await self._services.store.read(lambda view: quarantine.get(view, reception))
            return Outcome(False, already(viewer.held(now)))
        raise Refused(400, "Not accepted", "There is no such act.")

    async def _settle(self, viewer: Viewer, held: Held, act: str, address: str) -> Outcome:
        scope = viewer.scope(held)
        if address:
            if scope is not None and address not in scope:
                raise not_found()
            scope = frozenset({address})
        acts, learn = self._services.quarantine, act.endswith("-learn")
        do = acts.release if act.startswith("release") else acts.delete
        moved = await do(held.id, viewer.login, addresses=scope, learn=learn)
        return Outcome(True, f"{_SETTLING[act][0]}: {_named(held.subject)}, {_for(moved)}.")

    async def _block(self, viewer: Viewer, held: Held, act: str, days: str) -> Outcome:
        if not viewer.is_admin:
            raise Refused(403, "Not yours to do", "Only an administrator may block senders for everyone.")
        span = int(days) if days.isascii() and days.isdigit() and len(days) < 6 else self._services.settings.block_days
        span = min(max(span, 1), MAX_BLOCK_DAYS)
        entry = await self._services.quarantine.block_sender(
            held.id, viewer.login, whole_domain=act == "block-domain", days=span
        )
        return Outcome(True, f"{text.plain(entry.subject, 120)} is blocked for {span} days.", entry.subject)


def already(held: Held | None) -> str:
    """Why an act came too late: who did what, and when."""
    if held is None:
        return "This mail is no longer in quarantine."
    last = max(held.copies, key=lambda c: c.at_ms)
    if last.state == quarantine.HELD:
        return "This mail waits for other recipients only."
    return f"Already {words.state(last.state).phrase} by {text.plain(last.by, 120)} at {text.moment(last.at_ms)}."


def _together(act: str, outcomes: Sequence[Outcome]) -> Note:
    done = [o for o in outcomes if o.is_done]
    failed = [o for o in outcomes if not o.is_done]
    if len(outcomes) == 1:
        return Note("ok" if done else "warn", outcomes[0].text, outcomes[0].undo)
    what = _SETTLING[act][0] if act in _SETTLING else "Senders blocked"
    said = f"{what}: {len(done)} mails."
    if failed:
        said += f" {len(failed)} could not be: {failed[0].text}"
    return Note("warn" if failed else "ok", said)


def _named(subject: str) -> str:
    shown = text.plain(subject, 60).strip()
    return f"“{shown}”" if shown else "the mail without a subject"


def _for(copies: Sequence[HeldCopy]) -> str:
    addresses = ", ".join(text.plain(copy.address, 80) for copy in copies[:4])
    more = len(copies) - 4
    return f"for {addresses}" + (f" and {more} more" if more > 0 else "")
