"""What the JMAP resources need, and the limits that hold across requests of one account."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from starlette.requests import Request

from protocols.http.auth import Authenticator
from protocols.jmap.context import Context
from protocols.jmap.errors import request_problem
from protocols.jmap.settings import JmapSettings
from store.accounts.account import Account
from store.accounts.login import Logins
from store.changes.engine import Store
from store.mail.moves import Moved
from store.search.texts import Texts


@dataclass(frozen=True, slots=True)
class JmapServices:
    """Built by the composition root."""

    store: Store
    logins: Logins
    settings: JmapSettings
    clock: Callable[[], datetime]  #: aware, UTC
    allow_plaintext: bool = False  #: passwords without TLS, from this machine only
    on_moved: Callable[[Moved], None] | None = None  #: told after a commit that filed mail elsewhere


@dataclass(slots=True)
class Office:
    """The services at work: who asks is proven, and nobody asks for too much at once."""

    services: JmapServices
    auth: Authenticator = field(init=False)
    texts: Texts = field(init=False)
    _running: Counter[tuple[str, int]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        services = self.services
        self.auth = Authenticator(services.logins, allow_plaintext=services.allow_plaintext)
        self.texts = Texts(services.store, services.settings.remembered_text_octets)

    async def context(self, request: Request) -> Context:
        """Raises Problem when the request proves nobody."""
        account = await self.auth.account(request)
        services = self.services
        return Context(services.store, services.settings, account, services.clock, self.texts, services.on_moved)

    @contextlib.contextmanager
    def counted(self, account: Account, limit: str, most: int) -> Iterator[None]:
        """One more at work. Raises Problem limit. RFC 8620 §3.6.1."""
        key = (limit, account.id)
        if self._running[key] >= most:
            raise request_problem("limit", f"at most {most} at once", limit=limit)
        self._running[key] += 1
        try:
            yield
        finally:
            self._running[key] -= 1
            if not self._running[key]:
                del self._running[key]
