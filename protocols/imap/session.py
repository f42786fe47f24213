"""One client: its state, and what all its commands share. States are types, so that a handler gets what it needs."""

from collections.abc import Callable
from dataclasses import dataclass, field

from protocols.imap import flags
from protocols.imap.channel import Channel
from protocols.imap.refusal import Disconnect
from protocols.imap.settings import ImapSettings
from protocols.imap.view import MOST_CHANGES, Delta, MailboxView, complete, read_again, read_delta
from protocols.imap.wire import WireLimits
from store.accounts.account import Account
from store.accounts.login import Logins
from store.changes.engine import AccountId, Store
from store.changes.log import CannotCalculateChanges
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
        view = state.view
        if view.head and not view.uids:
            await complete(self.store, state.account.id, view)
        try:
            modseq = await self._tell_changes(state)
        except CannotCalculateChanges:
            modseq = await self._look_again(state)
        view.modseq = modseq
        view.own.clear()
        if may_expunge and view.gone:
            for number in view.forget_gone():
                self.write(b"* %d EXPUNGE\r\n" % number)

    async def _tell_changes(self, state: Selected) -> int:
        """By the log, some changes at a time; the modseq up to which the client knows everything then."""
        view, account = state.view, state.account.id
        since, after, last_uid = view.modseq, None, view.last_uid
        while True:
            delta = await self.store.read(
                lambda snapshot, since=since, after=after: read_delta(  # type: ignore[misc]
                    snapshot.account(account), view.mailbox, since, last_uid, after
                )
            )
            if delta is None:
                return since
            await self._apply(account, view, delta)
            if delta.is_complete:
                return delta.modseq
            since, after = delta.modseq, delta.after_object

    async def _look_again(self, state: Selected) -> int:
        """By the mailbox itself, some mails at a time, when the log does not reach back far enough."""
        view, account, since = state.view, state.account.id, state.view.modseq
        if view.head:
            await complete(self.store, account, view)  # who left is remembered for longer than who changed
        known, last_uid = view.uids[:], view.last_uid
        first: int | None = None
        for at in range(0, max(len(known), 1), MOST_CHANGES):
            some = known[at : at + MOST_CHANGES]
            after_uid = last_uid if at + MOST_CHANGES >= len(known) else None
            delta = await self.store.read(
                lambda snapshot, some=some, after_uid=after_uid: read_again(  # type: ignore[misc]
                    snapshot.account(account), view.mailbox, some, since, after_uid
                )
            )
            await self._apply(account, view, delta)
            first = delta.modseq if first is None else first  # what happens meanwhile is told the next time
        return first or since

    async def _apply(self, account: AccountId, view: MailboxView, delta: Delta) -> None:
        if delta.is_mailbox_gone:
            raise Disconnect("the selected mailbox was removed")
        if view.head and any(uid < view.floor for uid in (*delta.vanished, *(uid for uid, _ in delta.changed))):
            await complete(self.store, account, view)
        view.gone.update(uid for uid in delta.vanished if view.position_of(uid) is not None)
        for uid, state in delta.changed:
            if view.own.get(uid) != state.modseq and uid not in view.gone:
                self._write_flags(view, uid, state)
        if delta.arrived:
            view.arrive(delta.arrived)
            self.write(b"* %d EXISTS\r\n" % view.size)
        await self.channel.drain()

    def _write_flags(self, view: MailboxView, uid: int, state: EmailState) -> None:
        at = view.position_of(uid)
        if at is None:
            return
        modseq = b" MODSEQ (%d)" % state.modseq if self.condstore else b""
        shown = flags.render(state.keywords)
        self.write(b"* %d FETCH (UID %d FLAGS (%b)%b)\r\n" % (at + 1, uid, shown, modseq))
