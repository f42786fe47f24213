"""What a method call may know: who asks, through which services, and what this request has created so far."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from protocols.jmap import ids
from protocols.jmap.errors import MethodError, invalid_arguments
from protocols.jmap.settings import JmapSettings
from store.accounts.account import Account
from store.changes.engine import AccountTxn, AccountView, Store
from store.mail.moves import Moved
from store.search.texts import Texts

A = TypeVar("A", bound=msgspec.Struct)
T = TypeVar("T")

CORE = "urn:ietf:params:jmap:core"
MAIL = "urn:ietf:params:jmap:mail"
#: Identity/get works, sending does not: accepted in "using", not advertised.
SUBMISSION = "urn:ietf:params:jmap:submission"
QUOTA = "urn:ietf:params:jmap:quota"
KNOWN = frozenset({CORE, MAIL, QUOTA, SUBMISSION})


@dataclass(slots=True)
class Context:
    """One request being worked on."""

    store: Store
    settings: JmapSettings
    account: Account
    clock: Callable[[], datetime]
    texts: Texts
    on_moved: Callable[[Moved], None] | None = None
    created: dict[str, str] = field(default_factory=dict)  #: creation id to id, this request's and the client's

    def now_ms(self) -> int:
        return int(self.clock().timestamp() * 1000)

    def arguments(self, kind: type[A], given: dict[str, Any]) -> A:
        """Arguments of a method, checked. Raises MethodError invalidArguments, accountNotFound."""
        try:
            arguments = msgspec.convert(given, kind)
        except msgspec.ValidationError as error:
            raise invalid_arguments(str(error)) from error
        wanted: str = getattr(arguments, "account_id", "")
        if wanted != ids.account_id(self.account.id):
            raise MethodError("accountNotFound")
        return arguments

    async def read(self, body: Callable[[AccountView], T]) -> T:
        return await self.store.read(lambda view: body(view.account(self.account.id)))

    async def write(self, body: Callable[[AccountTxn], T]) -> T:
        return await self.store.write(lambda txn: body(txn.account(self.account.id)))

    def resolve_id(self, text: str) -> str:
        """The id behind "#creation-id", or the id as it is. An unknown one stays, and is not found later."""
        return self.created.get(text[1:], text) if text.startswith("#") else text


@dataclass(frozen=True, slots=True)
class Method:
    """A row of the method table."""

    capability: str
    run: Callable[[Context, dict[str, Any]], Awaitable[dict[str, Any]]]


def utc_date(ms: int) -> str:
    """UTCDate without fractions of zero. RFC 8620 §1.4."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{moment.year:04d}{text[text.index('-') :]}Z"


def ms_of_date(text: str) -> int:
    """Milliseconds of a UTCDate or Date. Raises ValueError. RFC 8620 §1.4, RFC 3339."""
    if "T" not in text or not (text.endswith("Z") or text[-6] in "+-"):
        raise ValueError(f"{text[:40]!r} is no date with a time and a zone")
    return int(datetime.fromisoformat(text).timestamp() * 1000)
