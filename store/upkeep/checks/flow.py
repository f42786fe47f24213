"""Mail on its way: links and their owners, held mail, jobs; and the rows that stand by themselves."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec

from store.artefacts import rows as artefacts
from store.blob.chunks import shape_of
from store.blob.contract import BlobId
from store.kv.contract import StoreError
from store.labels import rows as labels
from store.mail import emails
from store.quarantine import held as quarantine
from store.queue import jobs
from store.schema import expiring, keys
from store.upkeep.checks.mail import octets_are_kept
from store.upkeep.findings import Finding, Look, RowCheck, delete, keys_of, put

S = TypeVar("S", bound=msgspec.Struct)

_BLOB_OCTETS = 32
NOT_WHOLE = "not there as a whole"  #: what ``Blobs.fault_of`` says of what is not there
RELAY = "relay"  #: the kind of job that keeps a mail's octets
_DROP = "the row is taken out"


def check_link(look: Look, key: bytes, value: bytes) -> Iterator[Finding]:
    """It leads from something that is there to octets that are there as a whole."""
    blob, owner = BlobId(key[1 : 1 + _BLOB_OCTETS]), key[1 + _BLOB_OCTETS :]
    if len(blob) != _BLOB_OCTETS or not owner:
        raise ValueError("it is too short to name octets and an owner")
    where = f"link of {blob.hex()[:16]}"
    if not _owner_is_there(look, blob, owner):
        what = f"{_named(look, owner)} is not there, so the octets are never collected"
        yield Finding(where, what, key, _DROP, delete(key))
    elif not is_whole(look, blob):
        yield Finding(where, f"{_named(look, owner)}: its octets are {NOT_WHOLE}", key)


def is_whole(look: Look, blob: BlobId) -> bool:
    """Whether a row says that all of a blob was written. What became of the octets since: the look at blobs."""
    try:
        return shape_of(look.view.kv, blob) is not None
    except StoreError:
        return False


def _owner_is_there(look: Look, blob: BlobId, owner: bytes) -> bool:
    """Whether the owner of a link exists and means this blob; owners of kinds unknown here are believed."""
    kind, rest = owner[:1], owner[1:]
    if kind == b"q":
        held = look.row(keys.HELD + rest, quarantine.read_held)
        return held is not None and (held.is_held or bool(held.kept)) and held.blob == blob
    if kind == b"j":
        return look.has(keys.JOB + rest) or look.has(keys.JOB_DEAD + rest)
    if kind == keys.SCOPE and rest[4:5] == b"E":
        account, number = keys.read_u32(rest[:4]), keys.read_u64(rest[5:13])
        email = look.email(account, number)
        if email is None:  # a state without its row is mended with the help of this link
            return look.has(keys.scope(account) + keys.state(number))
        return email.blob == blob
    if kind == keys.SCOPE and rest[4:6] == b"KE":
        kept = look.row(keys.SCOPE + rest, emails.read_head)
        return kept is not None and kept.blob == blob
    if kind == keys.SCOPE and rest[4:5] == b"P":
        return look.has(owner + blob)
    return True


def _named(look: Look, owner: bytes) -> str:
    kind, rest = owner[:1], owner[1:]
    if kind == keys.SCOPE and len(rest) == 4 + 1 + 8:
        account, number = keys.read_u32(rest[:4]), keys.read_u64(rest[5:])
        if rest[4:5] == b"E":
            return look.name_of_email(account, number)
        return f"account {account} {'upload at' if rest[4:5] == b'P' else 'row'} {number}"
    names = {b"q": "quarantine", b"j": "job"}
    return f"{names[kind]} {rest.decode('utf-8', 'replace')}" if kind in names else repr(owner)


def owners_of(look: Look, blob: BlobId) -> list[str]:
    """Who would miss a blob, for people; at most 20."""
    prefix = keys.link(blob, b"")
    found = look.view.kv.scan(prefix, keys.prefix_end(prefix), limit=20)
    return [_named(look, key[len(prefix) :]) for key, _ in found]


def check_held(look: Look, key: bytes, value: bytes) -> Iterator[Finding]:
    """Held mail is in every index it belongs to, and its octets are kept as long as somebody may want them."""
    held = quarantine.read_held(value)
    if key != keys.HELD + held.id.encode():
        raise ValueError(f"it says it is {held.id}")
    where = f"quarantine {held.id}"
    for index in sorted(quarantine.indexes(held)):
        if not look.has(index):
            yield Finding(where, f"is missing from {_INDEXES[index[:2]]}", key, "it is put there", put(index))
    if held.is_held or held.kept:
        yield from octets_are_kept(look, held.blob, where, b"q" + held.id.encode(), key)


def check_held_index(look: Look, key: bytes, value: bytes) -> Iterator[Finding]:
    """An index row of held mail leads to mail that belongs there."""
    name = key[2:].rpartition(b"\x00")[2] if key[:2] == keys.HELD_RECIPIENT else key[2:]
    if key[:2] in {keys.HELD_ORDER, keys.HELD_EXPIRY}:
        name = key[10:]
    elif key[:2] == keys.HELD_ACCOUNT:
        name = key[6:]
    held = look.row(keys.HELD + name, quarantine.read_held)
    if held is None or key not in quarantine.indexes(held):
        why = "has no row" if held is None else "does not belong there"
        what = f"is listed in {_INDEXES[key[:2]]} but {why}"
        yield Finding(f"quarantine {name.decode('utf-8', 'replace')}", what, key, _DROP, delete(key))


_INDEXES = {
    keys.HELD_ORDER: "the order of doubt",
    keys.HELD_EXPIRY: "the order of expiry",
    keys.HELD_RECIPIENT: "the list of its recipient",
    keys.HELD_KEPT: "the list of what is kept back",
    keys.HELD_ACCOUNT: "the list of its account",
}


def check_job(look: Look, key: bytes, value: bytes) -> Iterator[Finding]:
    """A job that waits comes up; a relayed mail, waiting or given up, keeps its octets."""
    job = jobs.read_job(value)
    name = key[2:].decode()
    if job.id != name:
        raise ValueError(f"it says it is job {job.id}")
    due = keys.job_due(job.kind, job.due_ms, name)
    if key[:2] == keys.JOB and not look.has(due):
        yield Finding(f"job {name}", "never comes up", key, "it comes up when it is due", put(due))
    if job.kind == RELAY:
        blob = _blob_of_relay(job.body)
        if blob is not None:
            yield from octets_are_kept(look, blob, f"job {name}", b"j" + key[2:], key)


def _blob_of_relay(body: bytes) -> BlobId | None:
    """The octets a relay job keeps: the last field of its body (``gateway.outbound.relay``)."""
    try:
        fields = msgspec.msgpack.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    last = fields[4] if isinstance(fields, list) and len(fields) > 4 else None
    return BlobId(last) if isinstance(last, bytes) and len(last) == _BLOB_OCTETS else None


def check_job_due(look: Look, key: bytes, value: bytes) -> Iterator[Finding]:
    name = key[2:].partition(b"\x00")[2][8:].decode()
    job = look.row(keys.job(name), jobs.read_job)
    if job is None or keys.job_due(job.kind, job.due_ms, name) != key:
        yield Finding(f"job {name}", "comes up but has no such row", key, _DROP, delete(key))


def readable(read: Callable[[bytes], S]) -> RowCheck:
    """A row that stands by itself only has to be one."""

    def check(look: Look, key: bytes, value: bytes) -> Iterator[Finding]:
        read(value)
        yield from ()

    return check


def check_label(look: Look, key: bytes, value: bytes) -> Iterator[Finding]:
    """An opinion can be read; what orders opinions, or finds them, leads to one."""
    fault = labels.fault_of(look.view.kv, key, value)
    if fault:
        yield Finding(f"label {key[2:].hex()}", fault, key, _DROP, delete(key))


def check_model(look: Look, key: bytes, value: bytes) -> Iterator[Finding]:
    """A model can be read, and its files are there."""
    fault = artefacts.fault_of(key, value)
    if fault:
        raise ValueError(fault)
    if key[:2] == keys.MODEL + b"m":
        model = artefacts.read_shelved(value)
        for name, (blob, _) in model.files.items():
            if not is_whole(look, BlobId(blob)):
                yield Finding(f"model {model.id}", f"its file {name} is {NOT_WHOLE}", key)


def eight_octets(look: Look, key: bytes, value: bytes) -> Iterator[Finding]:
    """A counter or a time."""
    if len(value) != 8:
        raise ValueError(f"{len(value)} octets instead of 8")
    yield from ()


def check_reputation(look: Look, key: bytes, value: bytes) -> Iterator[Finding]:
    """What ends by itself, or a counter of an older program."""
    if expiring.end_of(value) is None:
        yield from eight_octets(look, key, value)


def believed(look: Look, key: bytes, value: bytes) -> Iterator[Finding]:
    """Rows whose owners know more about them than this program's look."""
    yield from ()


def check_expiry(look: Look, key: bytes, value: bytes) -> Iterator[Finding]:
    """The row that ends then is there, and says the same."""
    ends, of = key[1:9], key[9:]
    row = look.get(of)
    if row is None or row[1:9] != ends:
        what = f"says that {keys_of(of)} ends, which is not there or ends at another time"
        yield Finding("expiry", what, key, _DROP, delete(key))
