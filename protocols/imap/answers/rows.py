"""Reads the mails a command names, in batches: one snapshot each, so that no transaction lasts long."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from protocols.imap.view import MailboxView, Spans
from store.changes.engine import AccountView
from store.mail import emails
from store.mail.model import Email, EmailId, EmailState, MailboxId
from store.schema import keys


@dataclass(frozen=True, slots=True)
class Place:
    """A mail as the session knows it."""

    number: int
    uid: int
    email_id: EmailId


@dataclass(slots=True)
class Row:
    """A mail that is still in the mailbox. ``email`` is None unless it was asked for."""

    place: Place
    state: EmailState
    email: Email | None


def batches(view: MailboxView, spans: Spans, size: int) -> Iterator[list[Place]]:
    """Mails of some positions, ``size`` at a time. Do not change the view meanwhile."""
    batch: list[Place] = []
    for low, high in spans:
        for at in range(low, min(high, view.size)):
            batch.append(Place(at + 1, view.uids[at - view.head], EmailId(view.ids[at - view.head])))
            if len(batch) == size:
                yield batch
                batch = []
    if batch:
        yield batch


def read_rows(account: AccountView, mailbox: MailboxId, places: Sequence[Place], *, with_email: bool) -> list[Row]:
    """Rows of mails that are still there, in order."""
    states = _states(account, places)
    if with_email:
        account.prefetch(keys.email(place.email_id) for place in places)
    rows: list[Row] = []
    for place in places:
        state = states.get(place.email_id)
        if state is None or state.placements.get(mailbox) != place.uid:
            continue
        email = emails.get(account, place.email_id) if with_email else None
        if email is not None or not with_email:
            rows.append(Row(place, state, email))
    return rows


def _states(account: AccountView, places: Sequence[Place]) -> dict[int, EmailState]:
    """A mailbox filled in one go has its ids side by side; then one scan costs less than many gets."""
    low, high = min(p.email_id for p in places), max(p.email_id for p in places)
    if high - low < 3 * len(places):
        rows = account.scan(keys.state(low), keys.state(high) + b"\x00")
        return {keys.read_u64(key[1:9]): emails.read_state(row) for key, row in rows}
    account.prefetch(keys.state(place.email_id) for place in places)
    found: dict[int, EmailState] = {}
    for place in places:
        state = emails.state(account, place.email_id)
        if state is not None:
            found[place.email_id] = state
    return found
