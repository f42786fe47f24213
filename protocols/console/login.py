"""Signing in and out."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from protocols.console import guard, sessions
from protocols.console.access import Viewer
from protocols.console.guard import Form, Refused
from protocols.console.pages import Pages
from protocols.console.services import ConsoleServices
from store.accounts.account import Account
from store.accounts.login import TooManyFailures
from store.audit import chain

_FORM_LIFE_S = 3_600
_MAX_PASSWORD = 1_000


class LoginPages:
    """The sign-in form, one-time links, and the way out."""

    def __init__(self, services: ConsoleServices, pages: Pages) -> None:
        self._services = services
        self._pages = pages

    async def show(self, request: Request) -> Response:
        """The form; with ``?t=`` a one-time link that signs in at once."""
        if not guard.may_sign_in(request, self._services):
            return self._pages.refuse(request, _needs_tls())
        link = request.query_params.get("t", "")
        if link:
            return await self._by_link(request, link)
        if await guard.viewer_of(request, self._services) is not None:
            return RedirectResponse("/queue", 303)
        return self._form(request, "", request.query_params.get("next", ""))

    async def submit(self, request: Request) -> Response:
        """Check the password. Guessing is slowed down by ``Logins``, per client address."""
        if not guard.may_sign_in(request, self._services):
            return self._pages.refuse(request, _needs_tls())
        secret = request.cookies.get(guard.cookie_name(request, self._services, "form"), "")
        try:
            form = await guard.read_form(request, secret)
        except Refused as refused:
            if refused.status != 403:
                return self._pages.refuse(request, refused)
            return self._form(request, "The form was too old, or your browser keeps no cookies. Try again.", "", 403)
        login, password, following = form.get("login").strip()[:320], form.get("password"), form.get("next")
        client = request.client.host if request.client is not None else ""
        try:
            account = await self._services.logins.check(login, password[:_MAX_PASSWORD], client)
        except TooManyFailures:
            said = "Too many wrong passwords from your address. Wait five minutes, then try again."
            response = self._form(request, said, following, 429, login)
            response.headers["Retry-After"] = "300"
            return response
        if account is None:
            return self._form(request, "Address or password is wrong.", following, 401, login)
        response = RedirectResponse(guard.safe_next(following), 303, headers=guard.HEADERS)
        return await self._signed_in(request, response, account, "with a password")

    async def leave(self, request: Request, viewer: Viewer, form: Form) -> Response:
        await sessions.end(self._services.store, viewer.secret)
        response = RedirectResponse("/login", 303, headers=guard.HEADERS)
        guard.drop_cookie(response, request, self._services, "session")
        return response

    async def _by_link(self, request: Request, link: str) -> Response:
        account = await sessions.redeem_link(self._services.store, link[:200], self._services.now_ms)
        if account is None:
            return self._form(request, "This link was used already, or its time is over. Sign in here.", "", 403)
        # A page, not a redirect: a browser that came here from another site would leave out the new
        # SameSite=Strict cookie on a redirect, and not on the step that follows from this page.
        response = self._pages.render(request, "signed_in.html", following="/queue")
        return await self._signed_in(request, response, account, "with a one-time link")

    async def _signed_in(self, request: Request, response: Response, account: Account, how: str) -> Response:
        services = self._services
        life_s = int(services.settings.session_max_s)
        now_ms = services.now_ms
        secret = await sessions.start(services.store, account, now_ms, life_s * 1000)
        client = request.client.host if request.client is not None else "unknown"
        detail = f"{how}, from {client}"
        await services.store.write(
            lambda txn: chain.record(txn, now_ms, account.address, "console.sign-in", account.address, detail)
        )
        guard.set_cookie(response, request, services, "session", secret, life_s)
        guard.drop_cookie(response, request, services, "form")
        return response

    def _form(self, request: Request, said: str, following: str, status: int = 200, login: str = "") -> Response:
        name = guard.cookie_name(request, self._services, "form")
        secret = request.cookies.get(name, "") or sessions.new_secret()
        response = self._pages.render(
            request,
            "login.html",
            status=status,
            said=said,
            following=guard.safe_next(following),
            login=login,
            form_token=sessions.csrf_of(secret),
        )
        guard.set_cookie(response, request, self._services, "form", secret, _FORM_LIFE_S)
        return response


def _needs_tls() -> Refused:
    return Refused(403, "Not without TLS", "Passwords are accepted over HTTPS only. Open this address with https://.")
