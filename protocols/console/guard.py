"""The door: who is asking, whether a form is ours, and the headers every answer carries."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hmac import compare_digest
from urllib.parse import parse_qsl, quote, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from protocols.console import sessions
from protocols.console.access import Viewer
from protocols.console.services import ConsoleServices

FORM_OCTETS = 256 * 1024
FORM_FIELDS = 3_000

CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

#: "same-origin", not "no-referrer": the latter makes browsers send "Origin: null" with our own forms.
HEADERS = {
    "Content-Security-Policy": CSP,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}


class Refused(Exception):
    """A request that is answered with an error page."""

    def __init__(self, status: int, title: str, text: str) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.text = text


def not_found() -> Refused:
    """The same words for what does not exist and for what is not this person's to see."""
    return Refused(404, "Not here", "There is no such page or mail, or it is not yours to see.")


def forged() -> Refused:
    return Refused(
        403, "Not accepted", "The form did not come from this console, or it is too old. Go back, reload and try again."
    )


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a posted form in the order they came."""

    fields: tuple[tuple[str, str], ...]

    def get(self, name: str, default: str = "") -> str:
        return next((value for key, value in self.fields if key == name), default)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key == name]


Page = Callable[[Request, Viewer], Awaitable[Response]]
Act = Callable[[Request, Viewer, Form], Awaitable[Response]]


def is_secure(request: Request, services: ConsoleServices) -> bool:
    return services.settings.behind_tls_proxy or request.url.scheme == "https"


def may_sign_in(request: Request, services: ConsoleServices) -> bool:
    """Passwords and sessions cross a network only inside TLS; without it, only from this machine."""
    client = request.client.host if request.client is not None else ""
    return is_secure(request, services) or client == "::1" or client.startswith(("127.", "::ffff:127."))


def cookie_name(request: Request, services: ConsoleServices, purpose: str = "session") -> str:
    """``__Host-`` binds a cookie to this host and to TLS; browsers refuse it over plain HTTP."""
    prefix = "__Host-" if is_secure(request, services) else ""
    return f"{prefix}mailward-{purpose}"


def set_cookie(
    response: Response, request: Request, services: ConsoleServices, purpose: str, value: str, life_s: int
) -> None:
    response.set_cookie(
        cookie_name(request, services, purpose),
        value,
        max_age=life_s,
        path="/",
        secure=is_secure(request, services),
        httponly=True,
        samesite="strict",
    )


def drop_cookie(response: Response, request: Request, services: ConsoleServices, purpose: str) -> None:
    response.delete_cookie(
        cookie_name(request, services, purpose),
        path="/",
        secure=is_secure(request, services),
        httponly=True,
        samesite="strict",
    )


async def viewer_of(request: Request, services: ConsoleServices) -> Viewer | None:
    """Who is signed in, if anyone."""
    secret = request.cookies.get(cookie_name(request, services), "")
    if not secret:
        return None
    idle_ms = int(services.settings.session_idle_s * 1000)
    account = await sessions.find(services.store, secret, services.now_ms, idle_ms)
    return Viewer(account, secret, sessions.csrf_of(secret)) if account is not None else None


def to_login(request: Request) -> Response:
    """To the sign-in page, and back here after it when this was a page."""
    target = "/login"
    if request.method == "GET" and request.url.path != "/":
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        target += f"?next={quote(here, safe='')}"
    return RedirectResponse(target, status_code=303)


def safe_next(target: str, fallback: str = "/queue") -> str:
    """A place inside the console to go to, whatever the form or link says."""
    parts = urlsplit(target) if target.isascii() and target.isprintable() and "\\" not in target else None
    if parts is None or parts.scheme or parts.netloc or not target.startswith("/") or target.startswith("//"):
        return fallback
    return target


async def read_form(request: Request, secret: str) -> Form:
    """The posted form, if it is ours: same origin, our token, bounded. Raises Refused."""
    if not _same_origin(request):
        raise forged()
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise Refused(415, "Not accepted", "Only plain forms are accepted here.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_OCTETS:
            raise Refused(413, "Too large", "The form is larger than this console accepts.")
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=FORM_FIELDS)
    except ValueError as error:
        raise Refused(400, "Not accepted", "The form cannot be read.") from error
    form = Form(tuple(fields))
    if not secret or not compare_digest(form.get("csrf").encode(), sessions.csrf_of(secret).encode()):
        raise forged()
    return form


def _same_origin(request: Request) -> bool:
    """Browsers say where a form comes from; who says nothing must still know the token."""
    site = request.headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return False
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower()
