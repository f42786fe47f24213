"""The HTTP side of JMAP: session, API, blobs, events. RFC 8620 §2.2, §3."""

import re

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from protocols.http.app import read_body
from protocols.http.problem import Problem
from protocols.jmap import session
from protocols.jmap.api import parse_request, run_calls
from protocols.jmap.blobs import Blobs
from protocols.jmap.errors import request_problem
from protocols.jmap.eventsource import Events
from protocols.jmap.services import JmapServices, Office

_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")


def routes(services: JmapServices) -> list[Route]:
    """Everything under /jmap, and the well-known place clients start from."""
    office = Office(services)
    api, blobs, events = _Api(office), Blobs(office), Events(office)
    return [
        Route("/.well-known/jmap", api.session, methods=["GET"]),
        Route("/jmap/session", api.session, methods=["GET"]),
        Route(session.API_PATH, api.call, methods=["POST"]),
        Route(session.UPLOAD_PATH, blobs.upload, methods=["POST"]),
        Route(session.UPLOAD_PATH + "/", blobs.upload, methods=["POST"]),
        Route(session.DOWNLOAD_PATH, blobs.download, methods=["GET"]),
        Route(session.EVENTS_PATH, events.get, methods=["GET"]),
    ]


class _Api:
    def __init__(self, office: Office) -> None:
        self._office = office

    async def session(self, request: Request) -> Response:
        """RFC 8620 §2.2: never from a cache without asking."""
        context = await self._office.context(request)
        shown = session.session_object(
            context.account, context.settings, _base_url(request, context.settings.public_url)
        )
        headers = {"cache-control": "no-cache, no-store, must-revalidate"}
        return Response(msgspec.json.encode(shown), headers=headers, media_type="application/json")

    async def call(self, request: Request) -> Response:
        context = await self._office.context(request)
        settings = context.settings
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise request_problem("notJSON", "the content type is application/json")
        with self._office.counted(context.account, "maxConcurrentRequests", settings.max_concurrent_requests):
            body = await self._read(request, settings.max_request_octets)
            answer = await run_calls(parse_request(body, settings.max_calls), context)
            return Response(msgspec.json.encode(answer), media_type="application/json")

    async def _read(self, request: Request, limit: int) -> bytes:
        try:
            return await read_body(request, limit)
        except Problem as refused:
            if refused.status != 413:
                raise
            raise request_problem("limit", f"at most {limit} octets", limit="maxSizeRequest") from refused


def _base_url(request: Request, public_url: str) -> str:
    """Where this server is, as the setting says or as the client found it. Raises Problem 400."""
    if public_url:
        return public_url.rstrip("/")
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        raise Problem(400, "the Host header is missing or no host")
    return f"{request.url.scheme}://{host}"
