"""One client: its state, and what all its commands share. States are types, so that a handler gets what it needs."""

from collections.abc import Callable
from dataclasses import dataclass, field

from protocols.imap import flags
from protocols.imap.channel import Channel
from protocols.imap.refusal import Disconnect
from protocols.imap.settings import ImapSettings
from protocols.imap.view import Delta, MailboxView, read_delta
from protocols.imap.wire import WireLimits
from store.accounts.account import Account
from store.accounts.login import Logins
from store.changes.engine import Store
from store.mail.model import EmailState
from store.mail.moves import Moved


@dataclass(frozen=True, slots=True)
class Services:
    """What every session of a server shares."""

    store: Store
    logins: Logins
    settings: ImapSettings
    clock: Callable[[], float]  #: seconds since 1970
    on_moved: Callable[[Moved], None] | None = None

    def now_ms(self) -> int:
        return int(self.clock() * 1000)


@dataclass(frozen=True, slots=True)
class NotAuthenticated:
    pass


@dataclass(frozen=True, slots=True)
class Authenticated:
    account: Account


@dataclass(frozen=True, slots=True)
class Selected:
    account: Account
    view: MailboxView
    role: str


@dataclass(frozen=True, slots=True)
class LoggedOut:
    pass


State = NotAuthenticated | Authenticated | Selected | LoggedOut


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended, when it did not end by a refusal."""

    text: str = ""  #: "" is "<name> completed"
    code: bytes = b""
    status: bytes = b"OK"
    is_answered: bool = False  #: the tagged answer is out already
    may_expunge: bool = True  #: whether EXPUNGE may be announced before this answer (RFC 3501 §7.4.1)


@dataclass(slots=True)
class Session:
    """One connection's memory between commands."""

    services: Services
    channel: Channel
    state: State = field(default_factory=NotAuthenticated)
    condstore: bool = False  #: the client wants MODSEQ in every FETCH answer
    login: str = ""  #: address of the account, for the log
    client: str = ""  #: what it calls itself (ID)
    login_failures: int = 0
    farewell: str = ""  #: set when the connection ends after this answer; said in BYE

    @property
    def store(self) -> Store:
        return self.services.store

    def write(self, octets: bytes) -> None:
        self.channel.write(octets)

    def may_login(self) -> bool:
        """Passwords travel encrypted, or stay on this machine where the settings allow that."""
        peer = self.channel.peer
        return self.channel.is_encrypted or (self.services.settings.allow_plaintext_login and peer.is_loopback)

    def logged_in(self, account: Account) -> None:
        """RFC 3501 §3.2; only now are large literals taken."""
        settings = self.services.settings
        self.state = Authenticated(account)
        self.login = account.address
        self.channel.set_limits(WireLimits(settings.line_octets, settings.literal_octets, settings.append_octets))

    async def announce(self, *, may_expunge: bool) -> None:
        """Tell the client what others did to its mailbox since it last heard. RFC 3501 §5.2, §7.4.1."""
        state = self.state
        if not isinstance(state, Selected):
            return
        view, account = state.view, state.account.id
        since, last_uid = view.modseq, view.last_uid
        delta = await self.store.read(
            lambda snapshot: read_delta(snapshot.account(account), view.mailbox, since, last_uid)
        )
        if delta is not None:
            if delta.is_mailbox_gone:
                raise Disconnect("the selected mailbox was removed")
            self._apply(view, delta)
        if may_expunge and view.gone:
            for number in view.forget_gone():
                self.write(b"* %d EXPUNGE\r\n" % number)

    def _apply(self, view: MailboxView, delta: Delta) -> None:
        view.modseq = delta.modseq
        view.gone.update(uid for uid in delta.vanished if view.position_of(uid) is not None)
        for uid, state in delta.changed:
            if view.own.get(uid) != state.modseq and uid not in view.gone:
                self._write_flags(view, uid, state)
        view.own.clear()
        if delta.arrived:
            view.arrive(delta.arrived)
            self.write(b"* %d EXISTS\r\n" % view.size)

    def _write_flags(self, view: MailboxView, uid: int, state: EmailState) -> None:
        at = view.position_of(uid)
        if at is None:
            return
        modseq = b" MODSEQ (%d)" % state.modseq if self.condstore else b""
        shown = flags.render(state.keywords)
        self.write(b"* %d FETCH (UID %d FLAGS (%b)%b)\r\n" % (at + 1, uid, shown, modseq))
