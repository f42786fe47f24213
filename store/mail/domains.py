"""Domains that the store knows: those added by command, and what was set for those of the configuration."""

from collections.abc import Iterator

from msgspec import Struct

from store.changes.engine import StoreTxn, StoreView
from store.kv.contract import ReadTxn
from store.schema import keys
from store.schema.rows import Reader, pack


class Domain(Struct, frozen=True, array_like=True):
    """A domain whose mail is kept here. A limit of 0 is none."""

    name: str  #: lower case
    is_enabled: bool = True  #: else its addresses are refused, and its people keep their mail
    catch_all: str = ""  #: the address that gets mail for local parts nobody has
    has_details: bool = True  #: "ann+news" is ann (RFC 5233)
    most_mails: int = 0  #: of each account, unless it has a limit of its own
    most_octets: int = 0
    most_accounts: int = 0
    created_ms: int = 0


read_domain = Reader(Domain)


def get(kv: ReadTxn, name: str) -> Domain | None:
    row = kv.get(keys.domain(name))
    return read_domain(row) if row is not None else None


def put(txn: StoreTxn, domain: Domain) -> None:
    """Add a domain or change it; what it says about quota holds from the next mail on."""
    txn.kv.put(keys.domain(domain.name), pack(domain))


def remove(txn: StoreTxn, name: str) -> None:
    txn.kv.delete(keys.domain(name))


def every(view: StoreView) -> Iterator[Domain]:
    for _, row in view.kv.scan(keys.DOMAIN, keys.prefix_end(keys.DOMAIN)):
        yield read_domain(row)


def of_address(address: str) -> str:
    return address.rpartition("@")[2].lower()
