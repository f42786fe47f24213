"""The ASGI app around all routes: errors become problem details, limits and headers surround everything."""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from protocols.http.guard import DEFECT, Guard
from protocols.http.problem import Problem, respond, wants_page
from protocols.http.settings import HttpSettings


def build_app(routes: Sequence[BaseRoute], settings: HttpSettings) -> ASGIApp:
    """The app for ``HttpServer``; adds ``/healthz``."""
    app = Starlette(
        routes=[Route("/healthz", _healthz, methods=["GET"]), *routes],
        exception_handlers={
            Problem: _on_problem,
            HTTPException: _on_http_error,
            ClientDisconnect: _on_disconnect,
            Exception: _on_defect,  # Starlette raises it again after this, and the guard logs it
        },
    )
    return Guard(app, settings)


async def read_body(request: Request, limit_octets: int) -> bytes:
    """The whole body. Raises Problem 413 above ``limit_octets``."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit_octets:
            raise Problem(413, f"at most {limit_octets} octets", headers={"Connection": "close"})
        chunks.append(chunk)
    return b"".join(chunks)


async def _healthz(_: Request) -> Response:
    """Says that this worker's event loop turns; nothing about the store, so that probes stay cheap."""
    return PlainTextResponse("ok\n")


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return respond(error, as_page=wants_page(request))


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = error.headers or {}
    return respond(Problem(error.status_code, error.detail, headers=headers), as_page=wants_page(request))


async def _on_disconnect(_: Request, __: Exception) -> Response:
    return Response(status_code=400)  # nobody is there to read it


async def _on_defect(request: Request, _: Exception) -> Response:
    return respond(DEFECT, as_page=wants_page(request))
