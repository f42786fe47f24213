"""What the console answers. Every page but the sign-in form is behind a session; every act behind a form of ours."""

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from protocols.console import guard
from protocols.console.acts import Acts
from protocols.console.audit import AuditPage
from protocols.console.entries import Entries
from protocols.console.guard import Act, Page, Refused
from protocols.console.live import LivePage
from protocols.console.login import LoginPages
from protocols.console.message import MessagePage
from protocols.console.pages import Pages
from protocols.console.queue import QueuePage
from protocols.console.services import ConsoleServices
from store.kv.contract import StoreError

log = structlog.get_logger()


class Console:
    """Wraps pages and acts in what they have in common: session, form, error pages."""

    def __init__(self, services: ConsoleServices) -> None:
        self._services = services
        self.pages = Pages(services)

    def page(self, path: str, show: Page) -> Route:
        async def endpoint(request: Request) -> Response:
            viewer = None
            try:
                viewer = await guard.viewer_of(request, self._services)
                if viewer is None:
                    return guard.to_login(request)
                return await show(request, viewer)
            except Refused as refused:
                return self.pages.refuse(request, refused, viewer)
            except StoreError as error:
                return self._unavailable(request, error)

        return Route(path, endpoint, methods=["GET"])

    def act(self, path: str, do: Act) -> Route:
        async def endpoint(request: Request) -> Response:
            viewer = None
            try:
                viewer = await guard.viewer_of(request, self._services)
                if viewer is None:
                    return guard.to_login(request)
                return await do(request, viewer, await guard.read_form(request, viewer.secret))
            except Refused as refused:
                return self.pages.refuse(request, refused, viewer)
            except StoreError as error:
                return self._unavailable(request, error)

        return Route(path, endpoint, methods=["POST"])

    async def static(self, request: Request) -> Response:
        """A file of ours from memory; its address holds its digest, so browsers may keep it."""
        found = self.pages.static.get(request.path_params["name"])
        if found is None:
            return self.pages.refuse(request, guard.not_found())
        keep = "public, max-age=31536000, immutable" if request.query_params.get("v") == found.digest else "no-cache"
        headers = {**guard.HEADERS, "Cache-Control": keep}
        return Response(found.octets, media_type=found.media_type, headers=headers)

    def _unavailable(self, request: Request, error: StoreError) -> Response:
        log.error("console.store", path=request.url.path, error=repr(error))
        said = "The store does not answer right now. Nothing was changed; try again in a moment."
        return self.pages.refuse(request, Refused(503, "Not available", said))


async def _home(request: Request) -> Response:
    return RedirectResponse("/queue", 303, headers=guard.HEADERS)


def routes(services: ConsoleServices) -> list[BaseRoute]:
    """Everything under "/" that is the console's."""
    console = Console(services)
    pages = console.pages
    login, queue, message = LoginPages(services, pages), QueuePage(services, pages), MessagePage(services, pages)
    acts, live, audit = Acts(services, pages), LivePage(services, pages), AuditPage(services, pages)
    entries = Entries(services, pages)
    return [
        Route("/", _home, methods=["GET"]),
        Route("/login", login.show, methods=["GET"]),
        Route("/login", login.submit, methods=["POST"]),
        console.act("/logout", login.leave),
        console.page("/queue", queue.show),
        console.act("/queue/act", acts.many),
        console.page("/message/{id}", message.show),
        console.page("/message/{id}/preview", message.html),
        console.page("/message/{id}/source.eml", message.download),
        console.act("/message/{id}/act", acts.one),
        console.act("/message/{id}/entry", entries.make),
        console.page("/message/{id}/closer", message.closer),
        console.act("/policy/unblock", entries.take_back),
        console.page("/live", live.show),
        console.page("/live/events", live.events),
        console.page("/audit", audit.show),
        console.act("/audit/verify", audit.verify),
        Route("/static/{name}", console.static, methods=["GET"]),
    ]
