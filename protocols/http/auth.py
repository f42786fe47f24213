"""Who is asking: HTTP Basic against the accounts' passwords. RFC 7617, RFC 9110 §11.

Client addresses come from the socket. A browser adds remembered Basic credentials to requests another site
makes; such requests say so in ``Sec-Fetch-Site`` and are refused.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable
from ipaddress import ip_address

from starlette.requests import Request

from protocols.http.problem import Problem
from store.accounts.account import Account
from store.accounts.login import Logins, TooManyFailures

REALM = "Mailward"
MAX_CREDENTIAL_CHARS = 4_096
RETRY_AFTER_S = 60

_CHALLENGE = {"WWW-Authenticate": f'Basic realm="{REALM}", charset="UTF-8"'}

#: Reads what follows the scheme's name; None when it proves nothing.
Scheme = Callable[[Request, str], Awaitable[Account | None]]


class Authenticator:
    """Turns the Authorization header into an account. One entry in ``schemes`` for each way to prove oneself."""

    def __init__(self, logins: Logins, *, allow_plaintext: bool = False) -> None:
        self._logins = logins
        self._allow_plaintext = allow_plaintext
        self.schemes: dict[str, Scheme] = {"basic": self._basic}

    async def account(self, request: Request) -> Account:
        """The account asking. Raises Problem: 401, 403 for plaintext and foreign sites, 429 for guessing."""
        self._refuse_plaintext(request)
        if request.headers.get("sec-fetch-site") == "cross-site":
            raise Problem(403, "requests from other sites are refused")
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        check = self.schemes.get(scheme.lower())
        if check is None or len(credentials) > MAX_CREDENTIAL_CHARS:
            raise Problem(401, "sign in", headers=_CHALLENGE)
        account = await check(request, credentials.strip())
        if account is None:
            raise Problem(401, "wrong name or password", headers=_CHALLENGE)
        return account

    def _refuse_plaintext(self, request: Request) -> None:
        if request.url.scheme == "https" or (self._allow_plaintext and is_loopback(client_address(request))):
            return
        raise Problem(403, "passwords are accepted over TLS only")

    async def _basic(self, request: Request, credentials: str) -> Account | None:
        try:
            login, colon, password = base64.b64decode(credentials, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, ValueError):
            return None
        if not colon:
            return None
        try:
            return await self._logins.check(login, password, client_address(request))
        except TooManyFailures as error:
            wait = {"Retry-After": str(RETRY_AFTER_S)}
            raise Problem(429, "too many attempts; try again later", headers=wait) from error


def client_address(request: Request) -> str:
    """The other end of the socket, "" for a unix socket."""
    return request.client.host if request.client is not None else ""


def is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
