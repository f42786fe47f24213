"""What the console is given: the store, the acts, and its settings. Built by the composition root."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

from gateway.learning.closer import Closer
from gateway.quarantine.acts import Quarantine
from protocols.console import sessions
from store.accounts.login import Logins
from store.changes.announce import Listener
from store.changes.engine import Store
from store.trace.rows import Trace


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """How the console behaves."""

    title: str = "Mailward"  #: shown in the corner and in the window's title
    session_idle_s: float = 2 * 3600.0  #: a session not used for this long is over
    session_max_s: float = 12 * 3600.0  #: and after this long anyway
    link_s: float = 3600.0  #: how long a one-time sign-in link can be used
    behind_tls_proxy: bool = False  #: a proxy in front ends TLS, so cookies are marked Secure
    page_rows: int = 50  #: rows of one page of a list
    searched_rows: int = 1_000  #: newest rows (or most doubtful ones) a list looks through
    bulk_mails: int = 1_000  #: mails one bulk act may touch
    block_days: int = 90  #: how long a block lasts when nothing else is asked for
    live_streams: int = 100  #: open live views of one worker
    live_poll_s: float = 5.0  #: the live view looks for itself this often


@dataclass(slots=True)
class ConsoleServices:
    """Everything a page may use."""

    store: Store
    logins: Logins
    quarantine: Quarantine
    settings: ConsoleSettings
    clock: Callable[[], datetime]
    look: Callable[[Trace, bytes], Awaitable[Closer | None]] | None = None  #: closer, at a mail of the store
    live: set[Listener] = field(default_factory=set)  #: of the open live views
    is_closing: bool = False

    @property
    def now_ms(self) -> int:
        return int(self.clock().timestamp() * 1000)

    async def one_time_token(self, login: str) -> str:
        """A secret for ``/login?t=...`` that signs this account in once. Raises sessions.NoSuchAccount."""
        return await sessions.issue_link(self.store, login, self.now_ms, int(self.settings.link_s * 1000))

    def close(self) -> None:
        """End the open live views, so that the server can stop at once."""
        self.is_closing = True
        for listener in self.live:
            listener.event.set()
