"""Block and allow entries made from a mail: about its author or the whole domain, for whom the viewer may decide.

A person decides for their own addresses; an administrator for any recipient of the mail, their domains, or everybody.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from protocols.console import guard, text
from protocols.console.access import Viewer
from protocols.console.guard import Form, Refused, not_found
from protocols.console.pages import Note, Pages
from protocols.console.services import ConsoleServices
from store.audit import chain
from store.changes.engine import StoreTxn, StoreView
from store.policy import entries as policy
from store.policy.entries import PolicyEntry
from store.quarantine import held as quarantine
from store.trace import rows as traces

MAX_DAYS = 3_650
DAY_MS = 86_400_000
SCOPES = 12  #: recipients and domains offered
KINDS = {"block": "blocked", "allow": "allowed"}
EVERYBODY = "everybody"


@dataclass(frozen=True, slots=True)
class Scope:
    """For whom an entry may be made."""

    name: str  #: as kept: an address, or "@domain"; EVERYBODY for all
    label: str


def scopes_for(viewer: Viewer, recipients: Sequence[str]) -> tuple[Scope, ...]:
    """For whom this viewer may decide about a mail to some recipients, the narrowest first."""
    own = [viewer.account.address, *viewer.account.aliases]
    names = list(dict.fromkeys(address.lower() for address in recipients))
    mine = [Scope(name, f"me ({name})") for name in names if name in own]
    if not viewer.is_admin:
        return tuple(mine[:SCOPES])
    others = [Scope(name, name) for name in names if name not in own]
    domains = dict.fromkeys("@" + name.rpartition("@")[2] for name in names)
    wide = [Scope(domain, f"all of {domain[1:]}") for domain in list(domains)[:SCOPES]]
    return (*mine[:SCOPES], *others[:SCOPES], *wide, Scope(EVERYBODY, "everybody here"))


def entries_about(view: StoreView, viewer: Viewer, address: str, now_ms: int) -> tuple[PolicyEntry, ...]:
    """Entries in force about a sender that this viewer may see: all, or those for the viewer alone."""
    found = [entry for kind in KINDS for entry in policy.about(view, kind, address, now_ms)]
    return tuple(entry for entry in found if may_decide(viewer, entry.scope))[:SCOPES]


def may_decide(viewer: Viewer, scope: str) -> bool:
    """Whether entries of a scope are this viewer's to make and take back."""
    return viewer.is_admin or (bool(scope) and scope in (viewer.account.address, *viewer.account.aliases))


class Entries:
    """Makes and takes back entries; each with its audit entry, in one transaction."""

    def __init__(self, services: ConsoleServices, pages: Pages) -> None:
        self._services = services
        self._pages = pages

    async def make(self, request: Request, viewer: Viewer, form: Form) -> Response:
        """An entry about the author of the mail of the page."""
        reception, kind = request.path_params["id"], form.get("kind")
        if kind not in KINDS:
            raise Refused(400, "Not accepted", "There is no such act.")
        address, recipients = await self._mail(viewer, reception)
        allowed = {scope.name for scope in scopes_for(viewer, recipients)}
        if form.get("scope") not in allowed:
            raise Refused(403, "Not yours to do", "This is not yours to decide. Choose one of those that are offered.")
        scope = "" if form.get("scope") == EVERYBODY else form.get("scope")
        subject = "@" + address.rpartition("@")[2] if form.get("about") == "domain" else address
        if len(subject) < 2 or "@" not in subject:
            raise Refused(400, "Not accepted", "This mail names no sender whom an entry could be about.")
        days, now_ms = self._days(form.get("days")), self._services.now_ms
        entry = PolicyEntry(
            kind, subject, viewer.login, f"from the console, {reception}", now_ms, now_ms + days * DAY_MS, scope
        )

        def body(txn: StoreTxn) -> None:
            policy.put(txn, entry)
            for_whom = f"for {scope}: " if scope else ""
            chain.record(txn, now_ms, viewer.login, f"policy.{kind}", subject, for_whom + entry.reason)

        await self._services.store.write(body)
        whom = f" for {scope}" if scope else ""
        said = f"{text.plain(subject, 120)} is {KINDS[kind]}{whom} for {days} days."
        return self._back(request, form, said, subject if kind == "block" and not scope else "")

    async def take_back(self, request: Request, viewer: Viewer, form: Form) -> Response:
        """Remove an entry: an administrator any, a person one of their own."""
        kind, scope, subject = form.get("kind", "block"), form.get("scope")[:300], form.get("subject")[:300]
        if kind not in KINDS or not may_decide(viewer, scope):
            raise not_found()
        now_ms = self._services.now_ms

        def body(txn: StoreTxn) -> None:
            policy.remove(txn, kind, subject, scope)
            for_whom = f"for {scope}: " if scope else ""
            chain.record(txn, now_ms, viewer.login, f"policy.un{kind}", subject, for_whom + "taken back in the console")

        await self._services.store.write(body)
        return self._back(request, form, f"{text.plain(subject, 120)} is no longer {KINDS[kind]}.")

    async def _mail(self, viewer: Viewer, reception: str) -> tuple[str, tuple[str, ...]]:
        """Author and recipients of a mail, as this viewer may see it. Raises Refused."""
        held = viewer.held(await self._services.store.read(lambda view: quarantine.get(view, reception)))
        trace = viewer.trace(await self._services.store.read(lambda view: traces.get(view, reception)))
        row = held or trace
        if row is None:
            raise not_found()
        recipients = [copy.address for copy in (held.copies if held else ())]
        recipients += [outcome.address for outcome in (trace.outcomes if trace else ()) if outcome.action != "trap"]
        return (traces.author(row.header_from)[1] or row.mail_from).lower(), tuple(dict.fromkeys(recipients))

    def _days(self, written: str) -> int:
        days = int(written) if written.isascii() and written.isdigit() and len(written) < 6 else 0
        return min(days or self._services.settings.block_days, MAX_DAYS)

    def _back(self, request: Request, form: Form, said: str, undo: str = "") -> Response:
        response = RedirectResponse(guard.safe_next(form.get("back")), 303, headers=guard.HEADERS)
        return self._pages.leave_note(response, request, Note("ok", said, undo))
