"""What one of our own accounts has been sending: how much and to whom, from where, and how it usually is.

One row an account holds sums by hour and day and the networks it came from; a row each for people it wrote to and for
texts it sent today. All are written in the transaction that ends a submission, and end by themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import msgspec
from msgspec.structs import replace

from store.changes.engine import StoreTxn, StoreView
from store.kv.contract import counter, counter_octets
from store.schema import expiring, keys
from store.schema.rows import Reader, RowDamaged, pack

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
DAYS = 28  #: that tell what is usual
KEEP_MS = 60 * DAY_MS  #: of an account that sends nothing
KNOWN_MS = 180 * DAY_MS  #: how long somebody written to is known
_REFRESH_MS = 30 * DAY_MS  #: a known person's row is written again only when it would end this much sooner
NETWORKS = 32
RECIPIENTS = 200  #: of one mail that are looked up
_ACCOUNT, _PERSON, _TEXT = keys.REPUTATION + b"o", keys.REPUTATION + b"O", keys.REPUTATION + b"x"


class Sums(msgspec.Struct, frozen=True, array_like=True):
    """What was sent in one hour or day, counted in recipients."""

    at: int  #: hours or days since 1970
    sent: int = 0  #: taken by us or by the relay
    new: int = 0  #: of all asked for, never written to before
    failed: int = 0  #: that the relay or we refused for good
    mails: int = 0
    unwanted: int = 0  #: mails that were held or refused by their content or by how they were sent
    peak: int = 0  #: of a day: most recipients in an hour of it


class Network(msgspec.Struct, frozen=True, array_like=True):
    """A /24 or /56 the account was signed in from."""

    name: bytes
    first_ms: int
    last_ms: int


class Activity(msgspec.Struct, frozen=True, array_like=True):
    """The row of an account."""

    since_ms: int = 0
    hour: Sums = Sums(0)
    days: tuple[Sums, ...] = ()  #: oldest first
    networks: tuple[Network, ...] = ()


NONE = Sums(0)
_read_activity = Reader(Activity)


@dataclass(frozen=True, slots=True)
class Sending:
    """What the checks see of it. Numbers are of recipients where nothing else is said."""

    account: int
    recipients: int = 0  #: of this mail
    outside: int = 0  #: of those, in other domains
    new: int = 0  #: of those, never written to before
    hour: Sums = NONE  #: before this mail
    today: Sums = NONE  #: before this mail
    failed: int = 0  #: yesterday and today
    usual_peak: int = 0  #: most in an hour, in the days before today
    usual_day: int = 0  #: most on a day before today
    usual_new: float = 0.0  #: new people on a day that it sent something
    active_days: int = 0  #: before today, of the last 28, on which it sent something
    mails: int = 0  #: in those days
    unwanted: int = 0  #: of those mails
    networks_now: int = 0  #: networks it was signed in from within an hour
    is_new_network: bool = False  #: seen for the first time within a day, and others are known longer
    same_text: int = 0  #: recipients of the same text today, before this mail


@dataclass(frozen=True, slots=True)
class Submitted:
    """One mail as it is looked up and counted."""

    account: int
    recipients: tuple[str, ...]
    outside: int
    network: bytes  #: of the client; empty for addresses that are not global
    text: bytes | None  #: by what its text is known again (``campaign.fingerprint_of``)
    now_ms: int


def activity(view: StoreView | StoreTxn, account: int, now_ms: int) -> Activity:
    """The row as of now; an empty one for an account that sent nothing lately, or whose row cannot be read."""
    row = expiring.get(view.kv, _ACCOUNT + keys.u32(account), now_ms)
    if row is None:
        return Activity()
    try:
        return _read_activity(row)
    except RowDamaged:  # memory, not mail: it is made anew, and fsck tells
        return Activity()


def look_up(view: StoreView, mail: Submitted) -> Sending:
    """What is known before this mail: one row, one for its text, and one for each of its recipients."""
    now_ms, known = mail.now_ms, activity(view, mail.account, mail.now_ms)
    today = now_ms // DAY_MS
    earlier = [day for day in known.days if today - DAYS <= day.at < today]
    active = [day for day in earlier if day.sent]
    yesterday = next((day.failed for day in known.days if day.at == today - 1), 0)
    people = dict.fromkeys(mail.recipients[:RECIPIENTS])
    text = expiring.get(view.kv, _text_key(mail), now_ms) if mail.text is not None else None
    return Sending(
        account=mail.account,
        recipients=len(mail.recipients),
        outside=mail.outside,
        new=sum(expiring.get(view.kv, _person_key(mail.account, each), now_ms) is None for each in people),
        hour=known.hour if known.hour.at == now_ms // HOUR_MS else Sums(now_ms // HOUR_MS),
        today=next((day for day in known.days if day.at == today), Sums(today)),
        failed=yesterday + sum(day.failed for day in known.days if day.at == today),
        usual_peak=max((day.peak for day in earlier), default=0),
        usual_day=max((day.sent + day.failed for day in earlier), default=0),
        usual_new=sum(day.new for day in active) / len(active) if active else 0.0,
        active_days=len(active),
        mails=sum(day.mails for day in earlier),
        unwanted=sum(day.unwanted for day in earlier),
        networks_now=sum(network.last_ms > now_ms - HOUR_MS for network in known.networks),
        is_new_network=_is_new(known.networks, mail.network, now_ms),
        same_text=counter(text) if text is not None else 0,
    )


def _is_new(networks: Sequence[Network], network: bytes, now_ms: int) -> bool:
    own = next((each for each in networks if each.name == network), None)
    others = any(each.first_ms < now_ms - DAY_MS for each in networks if each.name != network)
    return bool(network) and others and (own is None or own.first_ms > now_ms - DAY_MS)


def note_login(txn: StoreTxn, account: int, network: bytes, now_ms: int) -> None:
    """Remember from where somebody signed in, at most once in ten minutes (``is_noted``)."""
    before = activity(txn, account, now_ms)
    own = next((each for each in before.networks if each.name == network), Network(network, now_ms, now_ms))
    others = sorted((each for each in before.networks if each.name != network), key=lambda each: -each.last_ms)
    networks = (replace(own, last_ms=now_ms), *others[: NETWORKS - 1])
    _put(txn, account, replace(before, since_ms=before.since_ms or now_ms, networks=networks), now_ms)


def is_noted(view: StoreView, account: int, network: bytes, now_ms: int) -> bool:
    """Whether a sign-in from a network was remembered a moment ago, so that a busy program costs no write each time."""
    networks = activity(view, account, now_ms).networks
    return not network or any(n.name == network and n.last_ms > now_ms - HOUR_MS // 6 for n in networks)


def record(txn: StoreTxn, mail: Submitted, *, sent: int, failed: int, is_unwanted: bool) -> None:
    """Count a mail in the transaction that ends it: the account's row, its text's, and one for each new person."""
    before, now_ms = activity(txn, mail.account, mail.now_ms), mail.now_ms
    new = 0
    for each in dict.fromkeys(mail.recipients[:RECIPIENTS]):
        key = _person_key(mail.account, each)
        known = expiring.get(txn.kv, key, now_ms)
        new += known is None
        if sent and (known is None or counter(known) < now_ms + KNOWN_MS - _REFRESH_MS):
            until = now_ms + KNOWN_MS
            expiring.put_until(txn.kv, key, counter_octets(until), until)
    more = Sums(0, sent, new, failed, 1, int(is_unwanted))
    hour = _plus(before.hour, now_ms // HOUR_MS, more)
    today = now_ms // DAY_MS
    earlier = tuple(day for day in before.days if today - DAYS <= day.at < today)
    day = _plus(next((each for each in before.days if each.at == today), Sums(today)), today, more)
    day = replace(day, peak=max(day.peak, hour.sent + hour.failed))
    _put(
        txn, mail.account, replace(before, since_ms=before.since_ms or now_ms, hour=hour, days=(*earlier, day)), now_ms
    )
    if mail.text is not None:
        expiring.add_until(txn.kv, _text_key(mail), len(mail.recipients), now_ms + DAY_MS, now_ms)


def forgive(txn: StoreTxn, account: int, now_ms: int) -> None:
    """Forget the unwanted mails of today, as an administrator does who lets an account send again."""
    before = activity(txn, account, now_ms)
    if before.since_ms:
        days = tuple(replace(day, unwanted=0) for day in before.days)
        _put(txn, account, replace(before, hour=replace(before.hour, unwanted=0), days=days), now_ms)


def _plus(before: Sums, at: int, more: Sums) -> Sums:
    base = before if before.at == at else Sums(at)
    return Sums(
        at,
        base.sent + more.sent,
        base.new + more.new,
        base.failed + more.failed,
        base.mails + more.mails,
        base.unwanted + more.unwanted,
        base.peak,
    )


def _put(txn: StoreTxn, account: int, row: Activity, now_ms: int) -> None:
    until = (now_ms + KEEP_MS) // DAY_MS * DAY_MS  # on a grid, so that its place in the order seldom moves
    expiring.put_until(txn.kv, _ACCOUNT + keys.u32(account), pack(row), until)


def _person_key(account: int, address: str) -> bytes:
    digest = blake2b(address.lower().encode("utf-8", "replace"), digest_size=8, person=b"mailward out")
    return _PERSON + keys.u32(account) + digest.digest()


def _text_key(mail: Submitted) -> bytes:
    return _TEXT + keys.u32(mail.account) + (mail.text or b"")
