"""The audit page: who did what, newest first, and whether the chain of seals still holds. For administrators."""

from starlette.requests import Request
from starlette.responses import Response

from protocols.console.access import Viewer
from protocols.console.guard import Form, not_found
from protocols.console.pages import Pages
from protocols.console.services import ConsoleServices
from store.audit import chain
from store.changes.engine import StoreView
from store.kv.contract import counter
from store.schema import keys

SHOWN = 100


class AuditPage:
    def __init__(self, services: ConsoleServices, pages: Pages) -> None:
        self._services = services
        self._pages = pages

    async def show(self, request: Request, viewer: Viewer) -> Response:
        return await self._page(request, viewer, "not checked", None)

    async def verify(self, request: Request, viewer: Viewer, form: Form) -> Response:
        """Walk the whole chain, in the store's own thread, and say what was found."""
        if not viewer.is_admin:
            raise not_found()
        broken = await self._services.store.read(chain.verify)
        return await self._page(request, viewer, "broken" if broken is not None else "whole", broken)

    async def _page(self, request: Request, viewer: Viewer, checked: str, broken: chain.Broken | None) -> Response:
        if not viewer.is_admin:
            raise not_found()
        before = request.query_params.get("before", "")
        last = int(before) - 1 if before.isascii() and before.isdigit() and len(before) < 16 else None
        entries, total = await self._services.store.read(lambda view: _page_of(view, last))
        return self._pages.render(
            request, "audit.html", viewer, entries=entries, total=total, checked=checked, broken=broken
        )


def _page_of(view: StoreView, last: int | None) -> tuple[list[chain.Entry], int]:
    """Entries up to ``last`` (or the newest), newest first, and how many there are."""
    total = counter(view.kv.get(keys.meta("audit-seq")))
    end = total if last is None else min(last, total)
    start = max(1, end - SHOWN + 1)
    found: list[chain.Entry] = []
    for entry in chain.entries(view, start):
        if entry.seq > end:
            break
        found.append(entry)
    return found[::-1], total
