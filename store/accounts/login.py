"""Proving who one is. argon2 costs about 170 ms of CPU, so: in a thread, few at once, and a short memory."""

import asyncio
import hashlib
import hmac
import os
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from store.accounts import account as accounts
from store.accounts.account import Account
from store.changes.engine import Store

_hasher = PasswordHasher()
_NOBODY = _hasher.hash(os.urandom(16).hex())  # so that an unknown login costs what a known one does


@dataclass(frozen=True, slots=True)
class LoginSettings:
    remember_s: float = 300.0  #: a proven password is not hashed again for this long
    remembered: int = 10_000
    failures: int = 10  #: wrong passwords in the window before an address must wait
    failure_window_s: float = 300.0
    waiting: int = 50  #: logins in line before more are told to come back


class TooManyFailures(Exception):
    """This client guessed too often, or too many logins are waiting; temporary."""


def hash_password(password: str) -> str:
    """argon2id with the library's defaults (RFC 9106's second recommended option or stronger)."""
    return _hasher.hash(password)


class Logins:
    """Checks passwords for every protocol."""

    def __init__(
        self, store: Store, settings: LoginSettings | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._settings = settings or LoginSettings()
        self._clock = clock
        self._secret = os.urandom(32)
        self._proven: OrderedDict[bytes, tuple[float, int, str]] = OrderedDict()
        self._failures: OrderedDict[str, list[float]] = OrderedDict()
        self._threads = ThreadPoolExecutor(2, "argon2")
        self._in_line = 0

    async def check(self, login: str, password: str, client: str) -> Account | None:
        """The account, or None when login or password is wrong. Raises TooManyFailures.

        ``client`` is the address guesses are counted against.
        """
        self._refuse_guessers(client)
        account = await self._store.read(lambda view: accounts.find(view, login))
        stored = account.password_hash if account is not None else ""
        if account is not None and account.address != login.lower() and login.lower() not in account.aliases:
            account, stored = None, ""  # "+detail" addresses receive mail but are no logins
        token = self._token(login, password)
        if self._is_proven(token, stored):
            return account
        if await self._verify(stored or _NOBODY, password) and account is not None and stored:
            self._remember(token, stored)
            return account
        self._note_failure(client)
        return None

    async def _verify(self, stored: str, password: str) -> bool:
        if self._in_line >= self._settings.waiting:
            raise TooManyFailures
        self._in_line += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, _matches, stored, password)
        finally:
            self._in_line -= 1

    def _token(self, login: str, password: str) -> bytes:
        return hmac.new(self._secret, f"{login.lower()}\0{password}".encode(), hashlib.sha256).digest()

    def _is_proven(self, token: bytes, stored: str) -> bool:
        known = self._proven.get(token)
        return known is not None and bool(stored) and known[2] == stored and self._clock() < known[0]

    def _remember(self, token: bytes, stored: str) -> None:
        self._proven[token] = (self._clock() + self._settings.remember_s, 0, stored)
        while len(self._proven) > self._settings.remembered:
            self._proven.popitem(last=False)

    def _refuse_guessers(self, client: str) -> None:
        since = self._clock() - self._settings.failure_window_s
        recent = [at for at in self._failures.get(client, ()) if at > since]
        if len(recent) >= self._settings.failures:
            raise TooManyFailures
        if client in self._failures and not recent:
            del self._failures[client]

    def _note_failure(self, client: str) -> None:
        recent = self._failures.setdefault(client, [])
        recent.append(self._clock())
        del recent[: -self._settings.failures]
        while len(self._failures) > self._settings.remembered:
            self._failures.popitem(last=False)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _matches(stored: str, password: str) -> bool:
    try:
        return _hasher.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False
