"""The loop over one client's commands, and the one place where errors become answers."""

from collections.abc import Callable
from dataclasses import replace

import structlog

from protocols.imap.answers.account import capabilities
from protocols.imap.answers.dispatch import answer
from protocols.imap.commands.fetch import Fetch
from protocols.imap.commands.table import read_command
from protocols.imap.refusal import BadCommand, Disconnect, ImapRefusal, Refused
from protocols.imap.scanner import Scanner
from protocols.imap.session import Done, LoggedOut, NotAuthenticated, Session
from protocols.imap.wire import BadLine, LiteralWanted, RawCommand
from store.blob.contract import BlobMissing
from store.kv.contract import StoreUnavailable
from store.mail.emails import TooManyKeywords
from store.mail.mailboxes import MailboxError, MailboxExists, MailboxHasChildren, NoSuchMailbox
from store.mail.quota import OverQuota

log = structlog.get_logger("imap")


class Dialogue:
    """Runs a session from greeting to BYE."""

    def __init__(self, session: Session, deadline: "LoginDeadline") -> None:
        self._session = session
        self._deadline = deadline
        self._bad_commands = 0
        self.commands = 0

    async def run(self) -> None:
        """Until the client leaves or is told to. Raises ConnectionError when it just vanishes."""
        session, channel = self._session, self._session.channel
        channel.write(b"* OK [CAPABILITY %b] Mailward ready\r\n" % capabilities(session))
        try:
            while not isinstance(session.state, LoggedOut):
                await channel.drain()
                event = await channel.next_event(self._deadline.left_s(session))
                if isinstance(event, LiteralWanted):
                    channel.write(b"+ go ahead\r\n")
                elif isinstance(event, RawCommand):
                    await self._command(event)
                elif isinstance(event, BadLine):
                    self._refuse_line(event)
                self._end_if_asked()
        except Disconnect as error:
            self._say_bye(error.text)
        except TimeoutError:
            self._say_bye("autologout" if not isinstance(session.state, NotAuthenticated) else "login took too long")

    async def _command(self, raw: RawCommand) -> None:
        self.commands += 1
        session, tag = self._session, raw.tag
        try:
            done = await self._answered(raw)
        except Disconnect:
            raise
        except ImapRefusal as refusal:
            if isinstance(refusal, BadCommand):
                self._bad_commands += 1
            session.write(refusal.line(tag))
            return
        if not done.is_answered:
            code = b"[%b] " % done.code if done.code else b""
            session.write(b"%b %b %b%b\r\n" % (tag, done.status, code, done.text.encode("ascii", "replace")))

    async def _answered(self, raw: RawCommand) -> Done:
        """Run a command and announce. What goes wrong becomes a refusal; our own faults are logged, not told."""
        session, name = self._session, ""
        try:
            scan = Scanner(raw)
            tagged = read_command(scan, scan.tag())
            name = tagged.name
            done = await answer(session, tagged)
            if not (session.channel.has_more and isinstance(tagged.command, Fetch)):  # else a later command will
                await session.announce(may_expunge=done.may_expunge)
            return done if done.text else replace(done, text=f"{name} completed")
        except (ImapRefusal, ConnectionError, TimeoutError):
            raise
        except MailboxError as error:
            raise Refused(str(error), _mailbox_code(error)) from None
        except OverQuota as error:
            raise Refused(str(error), b"OVERQUOTA") from None
        except TooManyKeywords as error:
            raise Refused(str(error), b"LIMIT") from None
        except (StoreUnavailable, BlobMissing) as error:  # missing: collected before its link, so it may come again
            log.warning("imap.store-unavailable", command=name, error=str(error))
            raise Refused("the store is not available, try again later", b"UNAVAILABLE") from error
        except Exception as error:  # the boundary that can answer: RFC 5530 SERVERBUG
            log.exception("imap.fault", command=name)
            raise Refused("internal error, it was logged", b"SERVERBUG") from error

    def _refuse_line(self, bad: BadLine) -> None:
        refusal = Refused(bad.text, b"TOOBIG") if bad.is_too_big else BadCommand(bad.text)
        self._bad_commands += 1
        self._session.write(refusal.line(bad.tag))

    def _end_if_asked(self) -> None:
        if self._session.farewell:
            raise Disconnect(self._session.farewell)
        if self._bad_commands >= self._session.services.settings.bad_commands:
            raise Disconnect("too many bad commands")

    def _say_bye(self, text: str) -> None:
        self._session.write(b"* BYE %b\r\n" % text.encode("ascii", "replace"))


class LoginDeadline:
    """How long the next command may be waited for."""

    def __init__(self, preauth_s: float, autologout_s: float, monotonic: Callable[[], float]) -> None:
        self._until = monotonic() + preauth_s
        self._autologout_s = autologout_s
        self._monotonic = monotonic

    def left_s(self, session: Session) -> float:
        if isinstance(session.state, NotAuthenticated):
            return max(0.0, self._until - self._monotonic())
        return self._autologout_s


def _mailbox_code(error: MailboxError) -> bytes:
    """RFC 5530 §3."""
    if isinstance(error, MailboxExists):
        return b"ALREADYEXISTS"
    if isinstance(error, NoSuchMailbox):
        return b"NONEXISTENT"
    if isinstance(error, MailboxHasChildren):
        return b"HASCHILDREN"
    return b"CANNOT"
