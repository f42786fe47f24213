"""The queue page: held mail by doubt, what was settled, all mail; searched, ticked, acted on."""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from protocols.console import listing, search
from protocols.console.access import Viewer
from protocols.console.listing import TABS
from protocols.console.pages import Pages
from protocols.console.services import ConsoleServices


class QueuePage:
    def __init__(self, services: ConsoleServices, pages: Pages) -> None:
        self._services = services
        self._pages = pages

    async def show(self, request: Request, viewer: Viewer) -> Response:
        """One page of one tab."""
        settings, store = self._services.settings, self._services.store
        tab = request.query_params.get("tab", "")
        tab = tab if tab in TABS else "held"
        query = search.parse(request.query_params.get("q", ""))
        page = _number(request.query_params.get("page", "1"))
        found = await store.read(listing.listing(viewer, tab, query, page, settings.page_rows, settings.searched_rows))
        waiting = await store.read(listing.held_count(viewer, settings.searched_rows))
        return self._pages.render(
            request,
            "queue.html",
            viewer,
            tab=tab,
            query=query,
            found=found,
            waiting=waiting,
            here=address(tab, query.text, found.page),
            link=address,
        )


def address(tab: str, query: str = "", page: int = 1) -> str:
    """The URL of a list."""
    said = {"tab": tab if tab != "held" else "", "q": query, "page": str(page) if page > 1 else ""}
    said = {name: value for name, value in said.items() if value}
    return "/queue" + (f"?{urlencode(said)}" if said else "")


def _number(value: str) -> int:
    return int(value) if value.isascii() and value.isdigit() and len(value) < 7 else 1
