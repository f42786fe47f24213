"""From a command and a state to the function that answers. RFC 3501 §3: each state has its own commands."""

from typing import assert_never

from protocols.imap.answers import (
    account,
    append,
    copying,
    fetch,
    folders,
    idle,
    listing,
    quota,
    removal,
    search,
    sort,
    storing,
)
from protocols.imap.commands import account as about_account
from protocols.imap.commands import mailboxes
from protocols.imap.commands.fetch import Fetch
from protocols.imap.commands.messages import Append, Copy, Expunge, StoreFlags
from protocols.imap.commands.search import Search
from protocols.imap.commands.sort import Sort
from protocols.imap.commands.table import AfterLogin, BeforeLogin, Tagged, WhenSelected
from protocols.imap.refusal import BadCommand
from protocols.imap.session import Authenticated, Done, LoggedOut, NotAuthenticated, Selected, Session
from protocols.imap.view import MailboxView, complete


async def answer(session: Session, tagged: Tagged) -> Done:
    """Do what a command says. Raises ImapRefusal and what the store raises."""
    command, state = tagged.command, session.state
    match command:
        case about_account.Capability():
            return account.capability(session)
        case about_account.Noop():
            return Done()
        case about_account.Logout():
            return account.logout(session)
        case about_account.Id():
            return account.identify(session, command)
        case about_account.StartTls() | about_account.Login() | about_account.Authenticate():
            if not isinstance(state, NotAuthenticated):
                raise BadCommand("already logged in")
            return await _before_login(session, command, tagged)
    match state:
        case NotAuthenticated() | LoggedOut():
            raise BadCommand("log in first")
        case Authenticated() | Selected():
            pass
        case _:
            assert_never(state)
    if isinstance(command, WhenSelected):
        if not isinstance(state, Selected):
            raise BadCommand("select a mailbox first")
        if not _is_within_what_was_read(state.view, command):
            await complete(session.store, state.account.id, state.view)
        return await _when_selected(session, state, command, tagged)
    return await _after_login(session, state, command)


def _is_within_what_was_read(view: MailboxView, command: WhenSelected) -> bool:
    """Whether a command does without the mails whose UIDs were not read when the mailbox was opened."""
    match command:
        case Fetch() | StoreFlags() | Copy():
            return view.covers(command.messages, by_uid=command.by_uid)
        case Search() | Sort() | Expunge() | mailboxes.Close():
            return not view.head
        case _:
            return True


async def _before_login(session: Session, command: BeforeLogin, tagged: Tagged) -> Done:
    match command:
        case about_account.StartTls():
            return await account.start_tls(session, tagged.tag)
        case about_account.Login():
            return await account.login(session, command)
        case about_account.Authenticate():
            return await account.authenticate(session, command)
        case _:
            assert_never(command)


async def _after_login(session: Session, state: Authenticated | Selected, command: AfterLogin) -> Done:
    match command:
        case about_account.Enable():
            return account.enable(session, command)
        case about_account.Namespace():
            return account.namespace(session)
        case about_account.GetQuota():
            return await quota.get_quota(session, state, command)
        case about_account.GetQuotaRoot():
            return await quota.get_quota_root(session, state, command)
        case about_account.Idle():
            return await idle.idle(session, state)
        case mailboxes.Select():
            return await folders.select(session, state, command)
        case mailboxes.List():
            return await listing.listing(session, state, command)
        case mailboxes.Subscribe():
            return await folders.subscribe(session, state, command)
        case mailboxes.Create():
            return await folders.create(session, state, command)
        case mailboxes.Delete():
            return await removal.delete_mailbox(session, state, command)
        case mailboxes.Rename():
            return await folders.rename(session, state, command)
        case mailboxes.Status():
            return await listing.status(session, state, command)
        case Append():
            return await append.append(session, state, command)
        case _:
            assert_never(command)


async def _when_selected(session: Session, state: Selected, command: WhenSelected, tagged: Tagged) -> Done:
    match command:
        case mailboxes.Check():
            return Done()
        case mailboxes.Unselect():
            return folders.unselect(session, state)
        case mailboxes.Close():
            return await removal.close(session, state)
        case Expunge():
            return await removal.expunge(session, state, command)
        case Search():
            return await search.search(session, state, command, tagged.tag)
        case Sort():
            return await sort.sort(session, state, command)
        case Fetch():
            return await fetch.fetch(session, state, command)
        case StoreFlags():
            return await storing.store_flags(session, state, command)
        case Copy():
            return await copying.copy(session, state, command)
        case _:
            assert_never(command)
