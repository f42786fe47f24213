"""SORT. RFC 5256 §4; mails that no key tells apart stay in the order of their numbers."""

from protocols.imap.answers.matching import ids_of
from protocols.imap.answers.search import highest_modseq, positions
from protocols.imap.commands.sort import Sort
from protocols.imap.session import Done, Selected, Session
from store.search.finding import in_order


async def sort(session: Session, state: Selected, command: Sort) -> Done:
    wanted = command.search
    if wanted.wants_modseq:
        session.condstore = True
    at = await positions(session, state, wanted)
    at = at[await in_order(session.store, state.account.id, ids_of(state.view)[at], command.sort)]
    uids = state.view.uids
    shown = b"".join(b" %d" % (uids[each] if wanted.by_uid else each + 1) for each in at.tolist())
    modseq = b""
    if wanted.wants_modseq and len(at):
        modseq = b" (MODSEQ %d)" % await highest_modseq(session, state, at)
    session.write(b"* SORT%b%b\r\n" % (shown, modseq))
    return Done(may_expunge=wanted.by_uid)
