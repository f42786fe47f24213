"""SEARCH. RFC 3501 §6.4.4, RFC 4731 (ESEARCH), RFC 7162 §3.1.5."""

from collections.abc import Sequence
from dataclasses import dataclass

from protocols.imap import numbers
from protocols.imap.answers.matching import Judge, Need, need_of
from protocols.imap.answers.rows import Place, batches, read_rows
from protocols.imap.commands.search import Among, Search
from protocols.imap.session import Done, Selected, Session
from protocols.imap.view import MailboxView
from store.changes.engine import StoreView

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

    def body(snapshot: StoreView, places: Sequence[Place]) -> list[tuple[Place, int]]:
        account = snapshot.account(state.account.id)
        rows = read_rows(account, view.mailbox, places, with_email=need >= Need.EMAIL)
        return [(row.place, row.state.modseq) for row in rows if judge.accepts(snapshot, row)]

    for places in batches(view, _candidates(command, view), _READ_AT_ONCE[need]):
        hits = await session.store.read(lambda snapshot, places=places: body(snapshot, places))  # type: ignore[misc]
        await session.channel.drain()  # a client that is gone needs no answer
        found.numbers += [place.uid if command.by_uid else place.number for place, _ in hits]
        found.modseq = max([found.modseq, *(modseq for _, modseq in hits)])
    return found


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
