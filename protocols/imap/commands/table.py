"""Which names are commands, and how each is read."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from protocols.imap.commands import account, fetch, mailboxes, messages, search, sort
from protocols.imap.commands.account import (
    Authenticate,
    Capability,
    Enable,
    GetQuota,
    GetQuotaRoot,
    Id,
    Idle,
    Login,
    Logout,
    Namespace,
    Noop,
    StartTls,
)
from protocols.imap.commands.fetch import Fetch
from protocols.imap.commands.mailboxes import (
    Check,
    Close,
    Create,
    Delete,
    List,
    Rename,
    Select,
    Status,
    Subscribe,
    Unselect,
)
from protocols.imap.commands.messages import Append, Copy, Expunge, StoreFlags
from protocols.imap.commands.search import Search
from protocols.imap.commands.sort import Sort
from protocols.imap.refusal import BadCommand
from protocols.imap.scanner import Scanner

AnyState = Capability | Noop | Logout | Id
BeforeLogin = StartTls | Login | Authenticate
AboutAccount = Enable | Namespace | Idle | GetQuota | GetQuotaRoot
AfterLogin = AboutAccount | Select | List | Subscribe | Create | Delete | Rename | Status | Append
WhenSelected = Unselect | Close | Check | Expunge | Search | Sort | Fetch | StoreFlags | Copy
Command = AnyState | BeforeLogin | AfterLogin | WhenSelected


@dataclass(frozen=True, slots=True)
class Tagged:
    """A command with the tag its answer will carry."""

    tag: bytes
    name: str  #: for the answer's text, such as "UID FETCH"
    command: Command


def _bare(command: Command) -> Callable[[Scanner], Command]:
    return lambda _scan: command


_PLAIN: dict[bytes, Callable[[Scanner], Command]] = {
    b"CAPABILITY": _bare(Capability()),
    b"NOOP": _bare(Noop()),
    b"LOGOUT": _bare(Logout()),
    b"ID": account.identification,
    b"STARTTLS": _bare(StartTls()),
    b"LOGIN": account.login,
    b"AUTHENTICATE": account.authenticate,
    b"ENABLE": account.enable,
    b"NAMESPACE": _bare(Namespace()),
    b"IDLE": _bare(Idle()),
    b"GETQUOTA": account.get_quota,
    b"GETQUOTAROOT": account.get_quota_root,
    b"SELECT": mailboxes.select,
    b"EXAMINE": mailboxes.examine,
    b"LIST": mailboxes.listing,
    b"LSUB": mailboxes.lsub,
    b"SUBSCRIBE": mailboxes.subscribe,
    b"UNSUBSCRIBE": mailboxes.unsubscribe,
    b"CREATE": mailboxes.create,
    b"DELETE": mailboxes.delete,
    b"RENAME": mailboxes.rename,
    b"STATUS": mailboxes.status,
    b"APPEND": messages.append,
    b"UNSELECT": _bare(Unselect()),
    b"CLOSE": _bare(Close()),
    b"CHECK": _bare(Check()),
}
_NUMBERED: dict[bytes, Callable[..., Command]] = {
    b"EXPUNGE": messages.expunge,
    b"SEARCH": search.search,
    b"SORT": sort.sort,
    b"FETCH": fetch.fetch,
    b"STORE": messages.store_flags,
    b"COPY": messages.copy,
    b"MOVE": messages.move,
}


def read_command(scan: Scanner, tag: bytes) -> Tagged:
    """Read what follows the tag. Raises BadCommand, or Refused where RFC 3501 says NO."""
    name = scan.word()
    if name == b"UID":
        scan.space()
        name = scan.word()
        reader: Callable[[Scanner], Command] | None = (
            partial(_NUMBERED[name], by_uid=True) if name in _NUMBERED else None
        )
        shown = "UID " + name.decode("ascii")
    else:
        reader = partial(_NUMBERED[name], by_uid=False) if name in _NUMBERED else _PLAIN.get(name)
        shown = name.decode("ascii")
    if reader is None:
        raise BadCommand("unknown command")
    command = reader(scan)
    scan.end()
    return Tagged(tag, shown, command)
