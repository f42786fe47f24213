"""SEARCH. RFC 3501 §6.4.4, RFC 4731 (ESEARCH), RFC 7162 §3.1.5."""

from dataclasses import dataclass

import numpy as np

from protocols.imap import numbers
from protocols.imap.answers.matching import Keys, ids_of
from protocols.imap.answers.rows import batches, read_rows
from protocols.imap.commands.search import Among, Search
from protocols.imap.refusal import Refused
from protocols.imap.session import Done, Selected, Session
from protocols.imap.view import MailboxView, Spans
from store.search.coding import Numbers
from store.search.finding import Limits, accepted
from store.search.texts import Budget, SearchTooLarge

_READ_AT_ONCE = 500
_TOO_LARGE = "this would read too much mail: the index is being built, try again later, or search fewer mails"


@dataclass(slots=True)
class _Found:
    """Sequence numbers or UIDs, ascending, and the highest modseq among them."""

    numbers: list[int]
    modseq: int = 0


async def search(session: Session, state: Selected, command: Search, tag: bytes) -> Done:
    if command.wants_modseq:
        session.condstore = True
    at = await positions(session, state, command)
    uids = state.view.uids
    found = _Found([uids[each] if command.by_uid else each + 1 for each in at.tolist()])
    if command.wants_modseq:
        found.modseq = await highest_modseq(session, state, at)
    _write(session, command, found, tag)
    return Done(may_expunge=command.by_uid)


async def positions(session: Session, state: Selected, command: Search) -> Numbers:
    """Where in the view the mails stand that meet the keys, ascending."""
    view = state.view
    wanted = Keys(view).filter(command.key)
    every = ids_of(view)
    looked_at = np.concatenate(
        [np.zeros(0, dtype=np.int64), *(np.arange(low, high) for low, high in _candidates(command, view))]
    )
    settings = session.services.settings
    limits = Limits(budget=Budget(settings.search_octets, settings.search_s))
    try:
        found = await accepted(session.store, state.account.id, wanted, every[looked_at], limits)
    except SearchTooLarge:
        raise Refused(_TOO_LARGE, b"LIMIT") from None
    return looked_at[found]


async def highest_modseq(session: Session, state: Selected, at: Numbers) -> int:
    view, highest = state.view, 0
    for places in batches(view, tuple((each, each + 1) for each in at.tolist()), _READ_AT_ONCE):
        rows = await session.store.read(
            lambda snapshot, places=places: read_rows(  # type: ignore[misc]
                snapshot.account(state.account.id), view.mailbox, places, with_email=False
            )
        )
        await session.channel.drain()  # a client that is gone needs no answer
        highest = max([highest, *(row.state.modseq for row in rows)])
    return highest


def _candidates(command: Search, view: MailboxView) -> Spans:
    """Positions worth looking at: those of the first set the search names, else all."""
    for key in command.key.keys:
        if isinstance(key, Among):
            return view.spans(key.numbers, by_uid=key.by_uid)
    return ((0, view.size),)


def _write(session: Session, command: Search, found: _Found, tag: bytes) -> None:
    has_modseq = command.wants_modseq and bool(found.numbers)
    if command.returns is None:
        shown = b"".join(b" %d" % number for number in found.numbers)
        modseq = b" (MODSEQ %d)" % found.modseq if has_modseq else b""
        session.write(b"* SEARCH%b%b\r\n" % (shown, modseq))
        return
    words = [b'* ESEARCH (TAG "%b")' % tag]
    if command.by_uid:
        words.append(b"UID")
    if found.numbers and b"MIN" in command.returns:
        words.append(b"MIN %d" % found.numbers[0])
    if found.numbers and b"MAX" in command.returns:
        words.append(b"MAX %d" % found.numbers[-1])
    if b"COUNT" in command.returns:
        words.append(b"COUNT %d" % len(found.numbers))
    if found.numbers and b"ALL" in command.returns:
        words.append(b"ALL " + numbers.render(found.numbers))
    if has_modseq:
        words.append(b"MODSEQ %d" % found.modseq)
    session.write(b" ".join(words) + b"\r\n")
