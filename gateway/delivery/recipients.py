"""Who we take mail for: settled at RCPT, where SMTP can still answer one by one.

Domains come from the configuration and from the store. The configuration says what a domain is, local or relayed,
and needs no row; the store adds local domains of its own, and settings to either. Addresses that are traps come
first, then what the configuration relays and everything the store knows; patterns and domains of traps take what is
nobody's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.envelope import Recipient, RelayTarget
from gateway.outbound.return_path import ReturnPaths
from gateway.reply import (
    DOMAIN_DISABLED,
    MAILBOX_FULL,
    NO_WAY_OUT,
    NOT_FOR_YOU,
    RECIPIENT_UNKNOWN,
    RELAY_DENIED,
    TOO_MANY_TARGETS,
    Reply,
)
from gateway.traps.matching import Traps
from store.accounts import directory
from store.accounts.directory import Reached
from store.changes.engine import Store, StoreView
from store.kv.contract import ReadTxn
from store.mail import domains, quota
from store.mail.domains import of_address


@dataclass(frozen=True, slots=True)
class RelayDomain:
    """A domain whose mailboxes live elsewhere."""

    target: RelayTarget
    local_parts: frozenset[str] | None  #: None takes any


@dataclass(frozen=True, slots=True)
class Question:
    """What RCPT knows: to whom, from whom, and how large the client said the mail is."""

    address: str
    sender: str = ""
    octets: int = 0


class Recipients:
    """Answers RCPT from the configuration and the store."""

    def __init__(
        self,
        store: Store,
        local: frozenset[str],
        relayed: Mapping[str, RelayDomain],
        traps: Traps,
        *,
        outside: RelayTarget | None = None,
        full: Reply = MAILBOX_FULL,
        return_paths: ReturnPaths | None = None,
    ) -> None:
        """``outside`` is the host that takes mail for addresses elsewhere that aliases lead to."""
        self._return_paths = return_paths
        self._store = store
        self._local = local
        self._relayed = relayed
        self._traps = traps
        self._outside = outside
        self._full = full

    async def resolve(self, address: str, sender: str = "", octets: int = 0) -> Recipient | Reply:
        """The recipient, or the refusal it deserves. Raises StoreUnavailable."""
        question = Question(address, sender, octets)
        if "@" not in address:
            return await self._store.read(lambda view: self._postmaster(view, question))
        local_part, _, domain = address.rpartition("@")
        normal = replace(question, address=f"{local_part}@{domain.lower()}")
        return await self._store.read(lambda view: self._unmarked(view, normal))

    def _unmarked(self, view: StoreView, question: Question) -> Recipient | Reply:
        """The answer for the address without the mark of a signed return path."""
        if self._return_paths is None:
            return self._answer(view, question)
        looked = self._return_paths.look(view.kv, question.address, is_report=not question.sender)
        found = self._answer(view, replace(question, address=looked.address))
        if isinstance(found, Reply) or not looked.state:
            return found
        members = tuple(replace(member, return_path=looked.state) for member in found.members)
        return replace(found, members=members, return_path=looked.state)

    def _answer(self, view: StoreView, question: Question) -> Recipient | Reply:
        address = question.address
        trap = self._traps.named(view.kv, address)
        if not trap and not self._is_somebodys(view.kv, address):
            trap = self._traps.wide(view.kv, address)
        if trap:
            return Recipient(address, is_trap=True, trap=trap)
        return self._relay(address) if of_address(address) in self._relayed else self._look_up(view, question)

    def _is_somebodys(self, kv: ReadTxn, address: str) -> bool:
        """Whether an address is known to be in use, so that no pattern of traps may take it."""
        local_part, _, domain = address.lower().rpartition("@")
        rule = self._relayed.get(domain)
        if rule is not None:
            return rule.local_parts is not None and local_part in rule.local_parts
        return directory.has_name(kv, address)

    def is_ours(self, kv: ReadTxn, domain: str) -> bool:
        """Whether mail for a domain is kept here."""
        if domain in self._relayed:
            return False
        return domain in self._local or domains.get(kv, domain) is not None

    def _look_up(self, view: StoreView, question: Question) -> Recipient | Reply:
        domain = of_address(question.address)
        row = domains.get(view.kv, domain)
        if row is None and domain not in self._local:
            return RELAY_DENIED
        if row is not None and not row.is_enabled:
            return DOMAIN_DISABLED
        reached = directory.expand(view.kv, question.address, lambda name: self.is_ours(view.kv, name), question.sender)
        if reached.is_too_many:
            return TOO_MANY_TARGETS
        if not reached:
            return NOT_FOR_YOU if reached.is_refused else RECIPIENT_UNKNOWN
        if not reached.outside and not self._has_room(view, reached, question.octets):
            return self._full
        return self._recipient(question.address, reached)

    def _has_room(self, view: StoreView, reached: Reached, octets: int) -> bool:
        """Whether it fits somebody. Who is full gets mail to a group nevertheless: one answer serves all of them."""
        return any(quota.standing(view.kv, view.account(each)).has_room(max(octets, 1)) for each in reached.accounts)

    def _recipient(self, address: str, reached: Reached) -> Recipient | Reply:
        if len(reached.accounts) == 1 and not reached.outside:
            return Recipient(address, account=next(iter(reached.accounts)), is_restricted=reached.is_restricted)
        members = [
            Recipient(name, account=account, is_restricted=reached.is_restricted)
            for account, name in reached.accounts.items()
        ]
        for name in reached.outside:
            found = self._relay(name)
            if isinstance(found, Reply):
                return found
            members.append(replace(found, is_restricted=reached.is_restricted))
        return Recipient(address, members=tuple(members))

    def _relay(self, address: str) -> Recipient | Reply:
        """How to hand a mail on: by the rule of a relayed domain, else through the way out."""
        local_part, _, domain = address.rpartition("@")
        rule = self._relayed.get(domain.lower())
        if rule is None:
            return Recipient(address, relay=self._outside, is_outside=True) if self._outside is not None else NO_WAY_OUT
        if rule.local_parts is not None and local_part.lower() not in rule.local_parts:
            return RECIPIENT_UNKNOWN
        return Recipient(address, relay=rule.target)

    def _postmaster(self, view: StoreView, question: Question) -> Recipient | Reply:
        """Who gets mail for "postmaster" without a domain, which every server must take. RFC 5321 §4.5.1."""
        for domain in (*sorted(self._local), *(each.name for each in domains.every(view))):
            found = self._look_up(view, replace(question, address=f"postmaster@{domain}"))
            if isinstance(found, Recipient):
                return found
        return RECIPIENT_UNKNOWN
