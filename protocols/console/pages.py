"""Templates to answers. Autoescape is always on; an undefined name is an error, not an empty string."""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from gateway.sentences.phrases import said
from protocols.console import guard, text, words
from protocols.console.access import Viewer
from protocols.console.guard import Refused
from protocols.console.services import ConsoleServices

MAX_NOTE_CHARS = 600
_STATIC_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}


class Note(msgspec.Struct, frozen=True):
    """One line about what was just done, carried over a redirect in a cookie of its own."""

    kind: str  #: ok, warn or error
    text: str
    undo: str = ""  #: the block entry's subject that an "Undo" button takes back


@dataclass(frozen=True, slots=True)
class Static:
    """A file of ours, served from memory."""

    octets: bytes
    media_type: str
    digest: str


class Pages:
    """Renders pages with the headers every answer carries."""

    def __init__(self, services: ConsoleServices) -> None:
        self._services = services
        self.static = _static()
        self._templates = _environment()

    def render(
        self, request: Request, template: str, viewer: Viewer | None = None, *, status: int = 200, **context: object
    ) -> Response:
        """A page. A note left by the act before it is shown once and taken away."""
        note = self._note(request)
        html = self.fragment(
            template, viewer=viewer, note=note, path=request.url.path, csrf=viewer.csrf if viewer else "", **context
        )
        response = HTMLResponse(html, status, headers=guard.HEADERS)
        if note is not None:
            guard.drop_cookie(response, request, self._services, "note")
        return response

    def fragment(self, template: str, **context: object) -> str:
        """A template as text, for the live view's rows."""
        now_ms = self._services.now_ms
        return self._templates.get_template(template).render(
            settings=self._services.settings, now_ms=now_ms, age=lambda ms: text.age(ms, now_ms), **context
        )

    def refuse(self, request: Request, refused: Refused, viewer: Viewer | None = None) -> Response:
        return self.render(request, "refused.html", viewer, status=refused.status, refused=refused)

    def leave_note(self, response: Response, request: Request, note: Note) -> Response:
        """Tell the next page what was done."""
        short = Note(note.kind, note.text[:MAX_NOTE_CHARS], note.undo[:300])
        value = base64.urlsafe_b64encode(msgspec.json.encode(short)).decode()
        guard.set_cookie(response, request, self._services, "note", value, 60)
        return response

    def _note(self, request: Request) -> Note | None:
        value = request.cookies.get(guard.cookie_name(request, self._services, "note"), "")
        try:
            return msgspec.json.decode(base64.urlsafe_b64decode(value), type=Note) if value else None
        except (binascii.Error, ValueError, msgspec.DecodeError):
            return None


@cache
def _static() -> dict[str, Static]:
    folder = resources.files("protocols.console") / "static"
    files = {}
    for entry in folder.iterdir():
        extension = entry.name.rpartition(".")[2]
        if extension in _STATIC_TYPES:
            octets = entry.read_bytes()
            files[entry.name] = Static(octets, _STATIC_TYPES[extension], hashlib.sha256(octets).hexdigest()[:12])
    return files


@cache
def _environment() -> Environment:
    """Templates are compiled once a process."""
    made = Environment(
        loader=PackageLoader("protocols.console", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        shown=text.shown, lines=text.shown_lines, plain=text.plain, percent=text.percent, signed=text.signed,
        said=lambda english, language: said(language, english), size=text.size, moment=text.moment, iso=text.iso,
        category=words.category, action=words.action, state=words.state, result=words.result, way=words.way,
    )  # fmt: skip
    made.globals["static"] = _static_url
    return made


def _static_url(name: str) -> str:
    return f"/static/{name}?v={_static()[name].digest}"
