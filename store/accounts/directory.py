"""Where an address leads: to accounts, through aliases and groups, or out of the house. One lookup answers RCPT.

The order is Postfix's: the address itself, the address without its "+detail", the domain's catch-all; then, for
postmaster and abuse only, an administrator. Expansion is bounded in depth and number, and goes to nobody twice.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from msgspec import Struct

from store.accounts import account as accounts
from store.accounts.account import ACCOUNT_OCTETS, AddressTaken, without_detail
from store.changes.engine import AccountId, StoreTxn, StoreView
from store.kv.contract import ReadTxn
from store.mail import domains
from store.mail.domains import Domain, of_address
from store.schema import keys
from store.schema.rows import Reader, pack

MOST_DEPTH = 10  #: aliases and groups inside one another
MOST_REACHED = 500  #: accounts and outside addresses that one address may stand for
ROLE_NAMES = frozenset({"postmaster", "abuse"})  # RFC 5321 §4.5.1, RFC 2142
_ADMINS_LOOKED_AT = 100
_GROUP_MARK = b"g"

ANYONE, INTERNAL, MEMBERS = "anyone", "internal", "members"
SENDERS = (ANYONE, INTERNAL, MEMBERS)


class Alias(Struct, frozen=True, array_like=True):
    """An address that stands for others, here or elsewhere."""

    address: str
    targets: tuple[str, ...]
    created_ms: int = 0


class Group(Struct, frozen=True, array_like=True):
    """Addresses with a name of their own; members may be groups."""

    address: str
    name: str
    members: tuple[str, ...] = ()
    senders: str = ANYONE  #: who may write to it: anyone, internal (our domains), members
    created_ms: int = 0


read_alias = Reader(Alias)
read_group = Reader(Group)


class Circular(Exception):
    """An alias or a group would lead back to itself."""


class TooManyTargets(Exception):
    """An address would stand for more than it may, or through too many others."""


@dataclass(slots=True)
class Reached:
    """Who gets the mail for an address."""

    accounts: dict[AccountId, str] = field(default_factory=dict)  #: with the address that leads there
    outside: dict[str, None] = field(default_factory=dict)  #: addresses of other domains, in order
    is_restricted: bool = False  #: a group on the way asks who the sender is, so that must be proven
    is_refused: bool = False  #: a group on the way does not take mail from this sender
    is_too_many: bool = False

    def __bool__(self) -> bool:
        return bool(self.accounts or self.outside)


def has_name(kv: ReadTxn, address: str) -> bool:
    """Whether somebody has an address of ours: an account, an alias or a group, with or without its detail."""
    domain = domains.get(kv, of_address(address))
    forms = _forms(address, has_details=domain is None or domain.has_details)
    return any(kv.get(keys.address(name)) is not None for name, _ in forms)


def get_alias(kv: ReadTxn, address: str) -> Alias | None:
    row = kv.get(keys.address(address))
    return read_alias(row) if row is not None and row != _GROUP_MARK and len(row) != ACCOUNT_OCTETS else None


def get_group(kv: ReadTxn, address: str) -> Group | None:
    row = kv.get(keys.group(address))
    return read_group(row) if row is not None else None


def every_alias(view: StoreView) -> Iterator[Alias]:
    for _, row in view.kv.scan(keys.ADDRESS, keys.prefix_end(keys.ADDRESS)):
        if row != _GROUP_MARK and len(row) != ACCOUNT_OCTETS:
            yield read_alias(row)


def every_group(view: StoreView) -> Iterator[Group]:
    for _, row in view.kv.scan(keys.GROUP, keys.prefix_end(keys.GROUP)):
        yield read_group(row)


def put_alias(txn: StoreTxn, alias: Alias, is_ours: Callable[[str], bool]) -> None:
    """Make an alias or give it other targets. Raises AddressTaken, Circular, TooManyTargets."""
    if txn.kv.get(keys.address(alias.address)) is not None and get_alias(txn.kv, alias.address) is None:
        raise AddressTaken(alias.address)
    txn.kv.put(keys.address(alias.address), pack(alias))
    _check(txn, alias.address, is_ours)


def put_group(txn: StoreTxn, group: Group, is_ours: Callable[[str], bool]) -> None:
    """Make a group or change it. Raises AddressTaken, Circular, TooManyTargets."""
    if txn.kv.get(keys.address(group.address)) not in (None, _GROUP_MARK):
        raise AddressTaken(group.address)
    txn.kv.put(keys.address(group.address), _GROUP_MARK)
    txn.kv.put(keys.group(group.address), pack(group))
    _check(txn, group.address, is_ours)


def remove_alias(txn: StoreTxn, address: str) -> None:
    txn.kv.delete(keys.address(address))


def remove_group(txn: StoreTxn, address: str) -> None:
    txn.kv.delete(keys.address(address))
    txn.kv.delete(keys.group(address))


def expand(kv: ReadTxn, address: str, is_ours: Callable[[str], bool], sender: str = "") -> Reached:
    """Everybody an address of ours stands for; nobody when it is unknown. ``is_ours`` tells our domains."""
    walk = _Walk(kv, is_ours, sender.lower())
    walk.follow(address, 0)
    return walk.reached


def _check(txn: StoreTxn, address: str, is_ours: Callable[[str], bool]) -> None:
    """Raises for what was just written; the transaction is then undone."""
    walk = _Walk(txn.kv, is_ours, None)
    walk.follow(address, 0)
    if walk.circle:
        raise Circular(walk.circle)
    if walk.reached.is_too_many:
        raise TooManyTargets(address)


@dataclass(slots=True)
class _Walk:
    """One expansion. ``sender`` None asks no group who may write to it."""

    kv: ReadTxn
    is_ours: Callable[[str], bool]
    sender: str | None
    reached: Reached = field(default_factory=Reached)
    circle: str = ""
    _path: list[str] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

    def follow(self, address: str, depth: int) -> None:
        name = address.lower()
        if name in self._path:
            self.circle = " -> ".join((*self._path[self._path.index(name) :], name))
            return
        if depth > MOST_DEPTH or len(self.reached.accounts) + len(self.reached.outside) >= MOST_REACHED:
            self.reached.is_too_many = True
            return
        if not self.is_ours(of_address(name)):
            self.reached.outside[address] = None
            return
        if name in self._seen:
            return
        self._seen.add(name)
        self._path.append(name)
        self._follow_ours(address, domains.get(self.kv, of_address(name)), depth)
        self._path.pop()

    def _follow_ours(self, address: str, domain: Domain | None, depth: int) -> None:
        has_details = domain is None or domain.has_details
        for name, detail in _forms(address, has_details=has_details):
            row = self.kv.get(keys.address(name))
            if row is not None:
                self._lead_on(name, row, detail, depth)
                return
        if domain is not None and domain.catch_all:
            self.follow(domain.catch_all, depth + 1)
        elif address.partition("@")[0].partition("+")[0].lower() in ROLE_NAMES:
            admin = first_admin(self.kv)
            if admin is not None:
                self.reached.accounts.setdefault(admin.id, admin.address)

    def _lead_on(self, name: str, row: bytes, detail: str, depth: int) -> None:
        if len(row) == ACCOUNT_OCTETS:
            self.reached.accounts.setdefault(AccountId(keys.read_u32(row)), name)
        elif row == _GROUP_MARK:
            group = get_group(self.kv, name)
            if group is not None:
                self._lead_to_members(group, depth)
        else:
            for target in read_alias(row).targets:
                # As Postfix does, a detail goes along; who is elsewhere may not know what it is.
                own = detail and "+" not in target and self.is_ours(of_address(target))
                self.follow(target.replace("@", f"+{detail}@") if own else target, depth + 1)

    def _lead_to_members(self, group: Group, depth: int) -> None:
        if self.sender is not None and group.senders != ANYONE:
            self.reached.is_restricted = True
            if not self._may_write(group):
                self.reached.is_refused = True
                return
        for member in group.members:
            self.follow(member, depth + 1)

    def _may_write(self, group: Group) -> bool:
        sender = self.sender or ""
        if group.senders == INTERNAL:
            return self.is_ours(of_address(sender))
        walk = _Walk(self.kv, self.is_ours, None)
        for member in group.members:
            walk.follow(member, 1)
        row = self.kv.get(keys.address(sender)) or b""
        own = keys.read_u32(row) if len(row) == ACCOUNT_OCTETS else None
        return own in walk.reached.accounts or sender in {each.lower() for each in walk.reached.outside}


def first_admin(kv: ReadTxn) -> accounts.Account | None:
    """The oldest administrator, among the oldest accounts: who gets what nobody else answers for."""
    everybody = accounts.every(StoreView(kv), limit=_ADMINS_LOOKED_AT)
    return next((each for each in everybody if "admin" in each.roles and not each.is_leaving), None)


def _forms(address: str, *, has_details: bool) -> Iterator[tuple[str, str]]:
    """The ways to look an address up, each with the detail it leaves over."""
    yield address.lower(), ""
    local = address.rpartition("@")[0]
    if has_details and "+" in local:
        yield without_detail(address).lower(), local.partition("+")[2]
