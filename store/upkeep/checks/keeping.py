"""What must not go: holds, rules, mail that is kept back; and the names of people in the audit trail."""

from collections.abc import Callable, Iterator

import msgspec

from store.mail import emails, kept
from store.retention import rows
from store.schema import keys
from store.schema.rows import RowDamaged
from store.upkeep.checks.mail import octets_are_kept
from store.upkeep.findings import Finding, Look, RowCheck, delete, put

_DROP = "the row is taken out"


def keeper(what: str, read: Callable[[bytes], msgspec.Struct]) -> RowCheck:
    """A hold or a rule can be read. It is never set aside: until a person decides, nothing at all is deleted."""

    def check(look: Look, key: bytes, value: bytes) -> Iterator[Finding]:
        try:
            read(value)
        except RowDamaged as error:
            name = key[1:].decode("utf-8", "replace")
            yield Finding(f"{what} {name}", f"cannot be read ({error}), so nothing may be deleted: place it anew", key)

    return check


check_hold = keeper("legal hold", rows.read_hold)
check_rule = keeper("retention rule", rows.read_rule)


def check_kept(look: Look, key: bytes, value: bytes) -> Iterator[Finding]:
    """Mail that is kept back has both its rows, and its octets are linked."""
    scope, inner = key[:5], key[5:]
    account, number = keys.read_u32(key[1:5]), inner[2:]
    where = f"{look.name_of(account)} kept-back email {int.from_bytes(number, 'big')}"
    if inner[:2] == b"KE":
        email = emails.read_email(value)
        if not look.has(scope + b"KS" + number):
            yield Finding(where, "does not say when and why it is kept", key)
        yield from octets_are_kept(look, email.blob, where, scope + kept.owner(email.id), key)
    elif inner[:2] == b"KS":
        kept.read_kept(value)
        if not look.has(scope + b"KE" + number):
            yield Finding(where, "says why it is kept, but is not there", key, _DROP, delete(key))
    elif len(inner) != 10 or len(value) != 4:
        raise ValueError("it is no day of a mailbox")


def check_person(look: Look, key: bytes, value: bytes) -> Iterator[Finding]:
    """A pseudonym leads to a person and back."""
    whose, back = (key[2:], keys.PERSON + value) if key[:2] == keys.PSEUDONYM else (value, keys.PSEUDONYM + value)
    leads = look.get(back)
    is_whole = leads == (whose if key[:2] == keys.PSEUDONYM else key[2:])
    if not is_whole:
        where = f"pseudonym of {whose.decode('utf-8', 'replace')}"
        if leads is None and key[:2] == keys.PSEUDONYM:
            yield Finding(where, "does not lead back to them", key, "it leads back again", put(back, whose))
        else:
            yield Finding(where, "leads to somebody whose pseudonym is another, or none", key, _DROP, delete(key))
