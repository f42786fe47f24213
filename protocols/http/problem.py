"""Answers that say what went wrong: problem details as JSON for programs, a plain page for people. RFC 9457.

RFC 9457 replaced RFC 7807 without changing the media type or the members.
"""

import html
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):
    """A request is refused. ``detail`` is read by the client, so it never holds internals."""

    def __init__(
        self,
        status: int,
        detail: str = "",
        *,
        type_: str = "about:blank",
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.type = type_
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})


def respond(problem: Problem, *, as_page: bool = False) -> Response:
    """The response for a problem: JSON, or a small page when a browser asked."""
    title = HTTPStatus(problem.status).phrase
    if as_page:
        text = html.escape(problem.detail)
        page = f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><h1>{title}</h1><p>{text}</p>"
        return Response(page, problem.status, problem.headers, "text/html; charset=utf-8")
    body = {"type": problem.type, "title": title, "status": problem.status, "detail": problem.detail, **problem.extra}
    return Response(msgspec.json.encode(body), problem.status, problem.headers, MEDIA_TYPE)


def wants_page(request: Request) -> bool:
    """Whether a person's browser asked."""
    return "text/html" in request.headers.get("accept", "")
