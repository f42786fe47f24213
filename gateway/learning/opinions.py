"""What somebody says about a mail: an example for the models, and a mark on its sender's standing.

A person's word counts for that person at once, and for nobody else. It counts for the domain when at least two people
there say the same of near copies and more of them than say the opposite; what an administrator, the command line or a
trap says counts for everybody. One account has so many labels a day, so that a stolen password or a wild mail program
cannot teach anybody else, and everything somebody said can be taken back.
"""

import math
from datetime import UTC, datetime
from ipaddress import ip_address

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from gateway.envelope import Envelope, Peer, ReceptionId
from gateway.learning.likeness import TRAP, bands, jaccard
from gateway.mailauth.results import AuthResults
from gateway.reputation import history
from gateway.reputation.history import Names
from store.accounts import account as accounts
from store.accounts.account import Account
from store.changes.engine import StoreTxn, StoreView
from store.labels import rows as labels
from store.labels.rows import EVERYBODY, Label, scope
from store.schema import expiring, keys
from store.trace import rows as trace
from store.trace.rows import Trace, author

LABELS_A_DAY = 200  #: of one account that is no administrator's
ENOUGH = 2  #: people of a domain who have to agree
NEAR = 0.5  #: exact likeness from which two labels are about the same
LOOKED_AT = 50  #: labels that share a digest
COMMAND_LINE = "command line"
_DAY_MS = 86_400_000
_EDGE = math.log(0.6 / 0.4)  #: log-odds of the usual junk threshold


def give(txn: StoreTxn, label: Label, via: str = "") -> bool:
    """Record an opinion, and count it for the sender as far as he was proven; False when the account said enough for
    today. Said twice it counts once, and a change of mind takes the first one back."""
    view = StoreView(txn.kv)
    account = accounts.find(view, label.by) if "@" in label.by else None
    if account is not None and not _may_say(txn, account, label.at_ms):
        return False
    before = labels.get(view, label.id)
    row = trace.get(view, label.id)
    label = replace(label, via=via, margin=_margin(row, is_spam=label.is_spam), near=near_digests(label))
    if row is not None and row.blob is not None and not label.blob:
        label = replace(label, blob=row.blob)
    settle(txn, labels.put(txn, label, _own(account, label.by)))
    who = names_in(row) if row is not None else None
    if who is not None:
        said = before.is_spam if before is not None and before.by != TRAP else None
        history.confirm(txn, who, label.at_ms, is_spam=label.is_spam, before=said)
    return True


def take_back(txn: StoreTxn, label: Label, now_ms: int) -> None:
    """Unlearn one opinion as if it had never been given; what others said of near copies is weighed again."""
    view = StoreView(txn.kv)
    alike = near_copies(view, label)
    labels.remove(txn, label)
    for each in alike:
        settle(txn, each)
    row = trace.get(view, label.id)
    who = names_in(row) if row is not None and label.by != TRAP else None
    if who is not None:
        history.retract(txn, who, now_ms, is_spam=label.is_spam)


def settle(txn: StoreTxn, label: Label) -> None:
    """Decide for a label and its near copies whether they count for their domain."""
    alike = [label, *near_copies(StoreView(txn.kv), label)]
    last_word = {each.by: each for each in sorted(alike, key=lambda each: each.at_ms)}
    said = [each.is_spam for each in last_word.values()]
    for each in alike:
        domain = domain_of(each.by)
        if not domain:
            continue
        people, others = said.count(each.is_spam), said.count(not each.is_spam)
        agreed = people >= ENOUGH and people > others and EVERYBODY not in each.places
        wanted = {of for of in each.places if of != scope(domain)}
        labels.place(txn, each, tuple(sorted(wanted | {scope(domain)} if agreed else wanted)))


def near_copies(view: StoreView, label: Label) -> list[Label]:
    """What people of the same domain said about this mail and near copies of it."""
    mine = buckets_of(label)
    found = (each for each in labels.near(view, label, LOOKED_AT) if each.schema == label.schema)
    return [each for each in found if jaccard(mine, buckets_of(each)) >= NEAR]


def buckets_of(label: Label) -> NDArray[np.uint32]:
    return np.frombuffer(label.features[: len(label.features) // 4 * 4], dtype="<u4").astype(np.uint32)


def domain_of(by: str) -> str:
    """The domain's scope of a person; "" for programs."""
    return "@" + by.rpartition("@")[2].lower() if "@" in by else ""


def person(account: int) -> bytes:
    """The scope of an account: what its owner said."""
    return scope(f"#{account}")


def _own(account: Account | None, by: str) -> tuple[bytes, ...]:
    if account is None:
        return (scope(by),) if "@" in by else (EVERYBODY,)
    return (person(account.id), EVERYBODY) if "admin" in account.roles else (person(account.id),)


def near_digests(label: Label) -> tuple[bytes, ...]:
    """Under what near copies of its mail are found, among the labels of the person's domain."""
    domain = domain_of(label.by)
    return tuple(scope(domain) + band for band in bands(buckets_of(label))) if domain else ()


def _may_say(txn: StoreTxn, account: Account, now_ms: int) -> bool:
    if "admin" in account.roles:
        return True
    day = now_ms // _DAY_MS
    key = keys.REPUTATION + b"m" + keys.u32(account.id) + keys.u32(day)
    return expiring.add_until(txn.kv, key, 1, (day + 1) * _DAY_MS, now_ms) <= LABELS_A_DAY


def _margin(row: Trace | None, *, is_spam: bool) -> float:
    """Nats by which the verdict leaned the other way."""
    if row is None:
        return 0.0
    said = math.fsum(reason.nats for reason in row.reasons)
    wrong = _EDGE - said if is_spam else said - _EDGE
    return max(0.0, wrong) if math.isfinite(wrong) else 0.0


def names_in(row: Trace) -> Names | None:
    """Under which names a judged mail's sender is remembered; None when its trace does not tell any more."""
    try:
        auth = msgspec.json.decode(row.auth, type=AuthResults)
        peer = Peer(ip_address(row.ip), 0, row.helo)
    except (msgspec.DecodeError, ValueError):
        return None
    received = datetime.fromtimestamp(row.received_ms / 1000, UTC)
    envelope = Envelope(ReceptionId(row.id), peer, row.mail_from or None, (), received)
    return history.names_of(history.normal(author(row.header_from)[1]), envelope, auth)
