"""SEARCH. RFC 3501 §6.4.4, RFC 4731 (ESEARCH), RFC 7162 §3.1.5."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from protocols.imap import numbers
from protocols.imap.answers.matching import Judge, Need, need_of
from protocols.imap.answers.rows import Place, Row, batches, read_rows
from protocols.imap.commands.search import Among, Search
from protocols.imap.session import Done, Selected, Session
from protocols.imap.view import MailboxView
from store.blob.contract import Wanted
from store.changes.engine import StoreView
from store.mail.model import Email

GROUP_OCTETS = 1024 * 1024  #: of mail read at once
_READ_AT_ONCE = {Need.NOTHING: 500, Need.STATE: 500, Need.EMAIL: 200, Need.HEADER: 100, Need.TEXT: 20}


@dataclass(slots=True)
class _Found:
    """Sequence numbers or UIDs, ascending, and the highest modseq among them."""

    numbers: list[int]
    modseq: int = 0


async def search(session: Session, state: Selected, command: Search, tag: bytes) -> Done:
    if command.wants_modseq:
        session.condstore = True
    view = state.view
    judge = Judge(command.key, view)
    need = need_of(command.key)
    if need is Need.NOTHING:
        accepted = (at for at in range(view.size) if judge.accepts_number(at + 1))
        found = _Found([view.uids[at] if command.by_uid else at + 1 for at in accepted])
    else:
        found = await _read(session, state, command, judge)
    _write(session, command, found, tag)
    return Done(may_expunge=command.by_uid)


async def _read(session: Session, state: Selected, command: Search, judge: Judge) -> _Found:
    view, need = state.view, need_of(command.key)
    found = _Found([])

    def body(snapshot: StoreView, places: Sequence[Place]) -> list[tuple[Row, bool | None]]:
        account = snapshot.account(state.account.id)
        rows = read_rows(account, view.mailbox, places, with_email=need >= Need.EMAIL)
        return [(row, judge.accepts(row)) for row in rows]

    for places in batches(view, _candidates(command, view), _READ_AT_ONCE[need]):
        seen = await session.store.read(partial(body, places=places))
        hits = await _decided(session, judge, need, seen)
        await session.channel.drain()  # a client that is gone needs no answer
        found.numbers += [row.place.uid if command.by_uid else row.place.number for row in hits]
        found.modseq = max([found.modseq, *(row.state.modseq for row in hits)])
    return found


async def _decided(session: Session, judge: Judge, need: Need, seen: Sequence[tuple[Row, bool | None]]) -> list[Row]:
    """The hits, in order: where the rows did not say, the octets are read, some mails at a time."""
    hits: list[Row] = []
    waiting: list[Row] = []
    octets = 0

    async def look() -> list[Row]:
        if not waiting:
            return []
        wanted = [_wanted(row.email, need) for row in waiting if row.email is not None]
        read = await session.store.blobs.read_many(wanted)
        # A mail that went meanwhile is no hit.
        return [row for row, its in zip(waiting, read, strict=True) if its is not None and judge.accepts(row, its)]

    for row, verdict in seen:
        if verdict is None and row.email is not None:
            waiting.append(row)
            octets += row.email.size if need is Need.TEXT else row.email.header_octets
        elif verdict:
            hits.append(row)
        if octets > GROUP_OCTETS:
            hits += await look()
            waiting, octets = [], 0
    return sorted(hits + await look(), key=lambda row: row.place.number)


def _wanted(email: Email, need: Need) -> Wanted:
    """The mail as far as the search has to look: offsets count from its start."""
    return Wanted(email.blob, 0, None if need is Need.TEXT else email.structure.body_start)


def _candidates(command: Search, view: MailboxView) -> tuple[tuple[int, int], ...]:
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
