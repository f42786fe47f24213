"""Who we take mail for: settled at RCPT, where SMTP can still answer one by one."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.envelope import Recipient, RelayTarget
from gateway.reply import RECIPIENT_UNKNOWN, RELAY_DENIED, Reply
from store.accounts import account as accounts
from store.changes.engine import Store


@dataclass(frozen=True, slots=True)
class RelayDomain:
    """A domain whose mailboxes live elsewhere."""

    target: RelayTarget
    local_parts: frozenset[str] | None  #: None takes any


class Recipients:
    """Answers RCPT from the configuration and the accounts in the store."""

    def __init__(
        self, store: Store, local: frozenset[str], relayed: Mapping[str, RelayDomain], traps: frozenset[str]
    ) -> None:
        self._store = store
        self._local = local
        self._relayed = relayed
        self._traps = traps

    async def resolve(self, address: str) -> Recipient | Reply:
        """The recipient, or the refusal it deserves. Raises StoreUnavailable."""
        if "@" not in address:
            return await self._postmaster()
        local_part, _, domain = address.rpartition("@")
        domain = domain.lower()
        normal = f"{local_part}@{domain}"
        if normal.lower() in self._traps:
            return Recipient(normal, is_trap=True)
        if domain in self._relayed:
            rule = self._relayed[domain]
            if rule.local_parts is not None and local_part.lower() not in rule.local_parts:
                return RECIPIENT_UNKNOWN
            return Recipient(normal, relay=rule.target)
        if domain not in self._local:
            return RELAY_DENIED
        account = await self._store.read(lambda view: accounts.find(view, normal))
        return Recipient(normal, account=account.id) if account is not None else RECIPIENT_UNKNOWN

    async def _postmaster(self) -> Recipient | Reply:
        """Who gets mail for "postmaster" without a domain, which every server must take. RFC 5321 §4.5.1."""
        for domain in sorted(self._local):
            found = await self.resolve(f"postmaster@{domain}")
            if isinstance(found, Recipient):
                return found
        return RECIPIENT_UNKNOWN
