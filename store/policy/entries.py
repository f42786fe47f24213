"""Block and allow entries by sender address ("ana@shop.example") or domain ("@shop.example").

An entry concerns everybody here, one of our domains, or one recipient: its scope. Its key is kind, subject and, behind
a NUL, the scope, so that one short scan of a subject finds the entries of every scope.
"""

import hashlib

import msgspec

from store.changes.engine import StoreTxn, StoreView
from store.kv.contract import counter
from store.schema import keys
from store.schema.rows import Reader, pack


class PolicyEntry(msgspec.Struct, frozen=True, array_like=True):
    kind: str  #: "block" or "allow"
    subject: str  #: an address, or "@domain"; lower case
    owner: str  #: login of who made it
    reason: str
    created_ms: int
    expires_ms: int  #: 0 is never
    scope: str = ""  #: whom it concerns: "" everybody here, "@domain" of ours, or one recipient; lower case
    networks: tuple[str, ...] = ()  #: clients that an allow entry trusts without the sender's proof, "192.0.2.0/24"

    def concerns(self, recipient: str) -> bool:
        """Whether a recipient's mail is judged by it."""
        name = recipient.lower()
        return not self.scope or self.scope in (name, "@" + name.rpartition("@")[2])


MAX_LABELS = 16  #: of a domain for which entries are looked up, besides the whole domain
MAX_SCOPES = 500  #: entries of one subject that are read, those for everybody first

read_entry = Reader(PolicyEntry)


def put(txn: StoreTxn, entry: PolicyEntry) -> None:
    txn.kv.put(_key(entry.kind, entry.subject, entry.scope), pack(entry))
    txn.touch()


def get(view: StoreView | StoreTxn, kind: str, subject: str, scope: str = "") -> PolicyEntry | None:
    row = view.kv.get(_key(kind, subject, scope))
    return read_entry(row) if row is not None else None


def remove(txn: StoreTxn, kind: str, subject: str, scope: str = "") -> None:
    txn.kv.delete(_key(kind, subject, scope))
    txn.kv.delete(_hits(counter_name(kind, subject, scope)))
    txn.touch()


def everything(view: StoreView) -> list[PolicyEntry]:
    return [read_entry(row) for _, row in view.kv.scan(keys.POLICY, keys.prefix_end(keys.POLICY))]


def matching(view: StoreView, kind: str, address: str, now_ms: int) -> PolicyEntry | None:
    """The entry for everybody about an address, its domain, or a domain above it; an expired one does not count."""
    return next((entry for entry in about(view, kind, address, now_ms) if not entry.scope), None)


def about(view: StoreView, kind: str, address: str, now_ms: int) -> list[PolicyEntry]:
    """Entries of every scope about a sender, nearest subject first; an expired one does not count."""
    found: list[PolicyEntry] = []
    for subject in _subjects(address.lower().replace("\x00", "?")):
        start = _key(kind, subject)
        for _, row in view.kv.scan(start, start + b"\x01", limit=MAX_SCOPES):
            entry = read_entry(row)
            if entry.subject == subject and (not entry.expires_ms or entry.expires_ms > now_ms):
                found.append(entry)
    return found


def counter_name(kind: str, subject: str, scope: str = "") -> str:
    """What the hits of an entry are counted under."""
    return f"{kind}\x00{subject}\x00{scope}"


def count_hit(txn: StoreTxn, name: str) -> None:
    """Count a mail that an entry (``counter_name``) or a rule of the configuration ("rule" NUL name) decided."""
    txn.kv.add(_hits(name), 1)


def hits(view: StoreView, name: str) -> int:
    return counter(view.kv.get(_hits(name)))


def _subjects(address: str) -> list[str]:
    """What an entry may be about to match, nearest first. The labels are counted from the end, where a sender
    who adds more and more of them in front cannot push the blocked domain out."""
    domain = address.rpartition("@")[2]
    labels = domain.split(".")
    above = ["@" + ".".join(labels[-count:]) for count in range(min(len(labels) - 1, MAX_LABELS), 1, -1)]
    return list(dict.fromkeys([address, f"@{domain}", *above]))


def _key(kind: str, subject: str, scope: str = "") -> bytes:
    within = b"\x00" + scope.encode("utf-8", "replace")[:300] if scope else b""
    return keys.POLICY + kind[:1].encode() + subject.encode("utf-8", "replace")[:300] + within


def _hits(name: str) -> bytes:
    """A digest: no address lies about in a counter's key."""
    return keys.POLICY_HITS + hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=16).digest()
