"""Who looks, and what they may see: an administrator everything, anyone else only their own copies."""

from dataclasses import dataclass

from msgspec.structs import replace

from store.accounts.account import Account
from store.quarantine.held import Held
from store.trace.rows import Trace

ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Viewer:
    """A signed-in person."""

    account: Account
    secret: str  #: of the session, from the cookie
    csrf: str  #: what this person's forms must carry

    @property
    def login(self) -> str:
        return self.account.address

    @property
    def is_admin(self) -> bool:
        return ADMIN in self.account.roles

    def owns(self, account: int | None, address: str) -> bool:
        """Whether a copy for this account or address is this person's."""
        if account is not None:
            return account == self.account.id
        return address.lower() in (self.account.address, *self.account.aliases)

    def held(self, held: Held | None) -> Held | None:
        """A held mail as this person may see it: without other people's copies. None when nothing is left.

        Mail that is held on its way out is an administrator's business: it may not leave, also not to its readers here.
        """
        if held is None or self.is_admin:
            return held
        if held.is_outgoing:
            return None
        own = tuple(copy for copy in held.copies if self.owns(copy.account, copy.address))
        return replace(held, copies=own) if own else None

    def trace(self, trace: Trace | None) -> Trace | None:
        """A trace as this person may see it: without other recipients. None when nothing is left."""
        if trace is None or self.is_admin:
            return trace
        own = tuple(o for o in trace.outcomes if o.action != "trap" and self.owns(o.account, o.address))
        return replace(trace, outcomes=own) if own else None

    def scope(self, held: Held) -> frozenset[str] | None:
        """Addresses whose copies this person may act on; None is all of them."""
        return None if self.is_admin else frozenset(c.address for c in held.copies if self.owns(c.account, c.address))
