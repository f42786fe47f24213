"""FETCH: rows in batches, octets in groups, large ones streamed. RFC 3501 §6.4.5, §7.4.2."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from protocols.imap import flags, moments
from protocols.imap.answers import octets
from protocols.imap.answers.octets import Ask, How, Source
from protocols.imap.answers.rows import Place, Row, batches, read_rows
from protocols.imap.commands.fetch import Fetch, Item, Octets
from protocols.imap.session import Done, Selected, Session
from protocols.imap.view import MailboxView
from store.blob.contract import BlobMissing, Wanted
from store.changes.engine import AccountId, AccountTxn, StoreView
from store.kv.contract import StoreError
from store.mail import emails
from store.mail.model import SEEN, Email, EmailState

GROUP_OCTETS = 1024 * 1024  #: of mail read at once
STREAM_OCTETS = 256 * 1024  #: a section larger than this is written piece by piece
_EMAILS_PER_READ = 200  #: rows with envelope and structure are large


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a FETCH needs, worked out once."""

    simple: tuple[Callable[[Row], bytes], ...]
    parts: tuple[Octets, ...]
    needs_email: bool
    needs_structure: bool
    marks_seen: bool
    shows_flags: bool


@dataclass(frozen=True, slots=True)
class _Task:
    """One mail whose octets are to be read."""

    row: Row
    email: Email
    sources: tuple[Source | None, ...]
    octets: int
    head: bytes  #: the answer as far as it is known without them


def _email(row: Row) -> Email:
    assert row.email is not None, "the plan says which items need the email"
    return row.email


_RENDER: dict[Item, Callable[[Row], bytes]] = {
    Item.FLAGS: lambda row: b"FLAGS (%b)" % flags.render(row.state.keywords),
    Item.UID: lambda row: b"UID %d" % row.place.uid,
    Item.MODSEQ: lambda row: b"MODSEQ (%d)" % row.state.modseq,
    Item.INTERNALDATE: lambda row: b"INTERNALDATE " + moments.render_date_time(_email(row).received_ms),
    Item.SIZE: lambda row: b"RFC822.SIZE %d" % _email(row).size,
    Item.ENVELOPE: lambda row: b"ENVELOPE " + _email(row).imap_envelope,
    Item.BODY: lambda row: b"BODY " + _email(row).imap_body,
    Item.BODYSTRUCTURE: lambda row: b"BODYSTRUCTURE " + _email(row).imap_bodystructure,
}
_STRUCTURE = frozenset({Item.ENVELOPE, Item.BODY, Item.BODYSTRUCTURE})
_WITHOUT_EMAIL = frozenset({Item.FLAGS, Item.UID, Item.MODSEQ})


def _plan(command: Fetch, state: Selected) -> _Plan:
    simple = tuple(item for item in command.items if isinstance(item, Item))
    parts = tuple(item for item in command.items if isinstance(item, Octets))
    return _Plan(
        simple=tuple(_RENDER[item] for item in simple),
        parts=parts,
        needs_email=bool(parts) or not _WITHOUT_EMAIL.issuperset(simple),
        needs_structure=not _STRUCTURE.isdisjoint(simple),
        marks_seen=not state.view.is_read_only and any(not part.is_peek for part in parts),
        shows_flags=Item.FLAGS in simple,
    )


async def fetch(session: Session, state: Selected, command: Fetch) -> Done:
    if Item.MODSEQ in command.items:
        session.condstore = True
    view = state.view
    plan = _plan(command, state)
    spans = view.spans(command.messages, by_uid=command.by_uid)
    since = command.changed_since
    if since is not None and since >= view.modseq:
        return Done(may_expunge=command.by_uid)
    are_all_there = True
    per_read = session.services.settings.rows_per_read
    for places in batches(view, spans, min(per_read, _EMAILS_PER_READ) if plan.needs_email else per_read):
        rows = await session.store.read(partial(_read, account=state.account.id, view=view, places=places, plan=plan))
        rows = await _completed(session, rows) if plan.needs_structure else rows
        are_all_there = are_all_there and len(rows) == len(places)
        if since is not None:
            rows = [row for row in rows if row.state.modseq > since]
        are_all_there = await _write_rows(session, state, plan, rows) and are_all_there
    code = b"" if are_all_there or command.by_uid else b"EXPUNGEISSUED"
    return Done(code=code, may_expunge=command.by_uid)


def _read(
    snapshot: StoreView, account: AccountId, view: MailboxView, places: Sequence[Place], plan: _Plan
) -> list[Row]:
    return read_rows(snapshot.account(account), view.mailbox, places, with_email=plan.needs_email)


async def _completed(session: Session, rows: list[Row]) -> list[Row]:
    """With the renderings that were too large for a row, read from the mail; without mails that went meanwhile."""
    found: list[Row] = []
    for row in rows:
        email = _email(row)
        if not octets.is_complete(email):
            try:
                whole = await session.store.blobs.read(email.blob)
            except BlobMissing:
                continue
            row.email = await asyncio.to_thread(octets.completed, email, whole)
        found.append(row)
    return found


async def _write_rows(session: Session, state: Selected, plan: _Plan, rows: Sequence[Row]) -> bool:
    """Answer what is still there; whether that was everything."""
    newly_seen: set[int] = await _mark_seen(session, state, rows) if plan.marks_seen else set()
    if not plan.parts:
        session.write(b"".join([b"* %d FETCH (%b)\r\n" % (row.place.number, _head(plan, row, False)) for row in rows]))
        await session.channel.drain()
        return True
    tasks = [_task(plan, row, row.place.uid in newly_seen and not plan.shows_flags) for row in rows]
    are_all_there = True
    for group in _groups(tasks):
        is_large = group[0].octets > STREAM_OCTETS
        written = await (_stream(session, plan, group[0]) if is_large else _write_group(session, plan, group))
        are_all_there = written and are_all_there
        await session.channel.drain()
    return are_all_there


def _head(plan: _Plan, row: Row, with_flags: bool) -> bytes:
    pieces = [render(row) for render in plan.simple]
    if with_flags:
        pieces.append(_RENDER[Item.FLAGS](row))
    return b" ".join(pieces)


async def _mark_seen(session: Session, state: Selected, rows: Sequence[Row]) -> set[int]:
    r"""Set \Seen where it is missing; UIDs whose flags changed. The rows then show the new state."""
    unseen = [row for row in rows if SEEN not in row.state.keywords]
    if not unseen:
        return set()

    def body(account: AccountTxn) -> list[EmailState | None]:
        states = [emails.state(account, row.place.email_id) for row in unseen]
        return [
            emails.set_keywords(account, row.place.email_id, now.keywords | {SEEN}) if now is not None else None
            for row, now in zip(unseen, states, strict=True)
        ]

    changed: set[int] = set()
    after = await session.store.write(lambda txn: body(txn.account(state.account.id)))
    for row, now in zip(unseen, after, strict=True):
        if now is not None:
            row.state = now
            state.view.own[row.place.uid] = now.modseq
            changed.add(row.place.uid)
    return changed


def _task(plan: _Plan, row: Row, with_flags: bool) -> _Task:
    email = _email(row)
    sources = tuple(octets.locate(email, part.spec) for part in plan.parts)
    total = sum(octets.length_of(source, part) for source, part in zip(sources, plan.parts, strict=True))
    return _Task(row, email, sources, total, _head(plan, row, with_flags))


def _groups(tasks: Sequence[_Task]) -> Iterator[list[_Task]]:
    """Mails to be read together; a large one stands alone."""
    group: list[_Task] = []
    total = 0
    for task in tasks:
        if group and (total + task.octets > GROUP_OCTETS or task.octets > STREAM_OCTETS):
            yield group
            group, total = [], 0
        group.append(task)
        total += task.octets
        if task.octets > STREAM_OCTETS:
            yield group
            group, total = [], 0
    if group:
        yield group


async def _write_group(session: Session, plan: _Plan, group: Sequence[_Task]) -> bool:
    """Several mails, read at once; one whose octets went meanwhile was expunged, and is left out."""
    asked = [_asked(plan, task) for task in group]
    found = iter(await session.store.blobs.read_many([ask.range() for each in asked for ask in each]))
    pieces: list[bytes] = []
    for task, its in zip(group, asked, strict=True):
        read = [next(found) for _ in its]
        shown = [_literal(ask, one) for ask, one in zip(its, read, strict=True) if one is not None]
        if len(shown) == len(its):
            shown = [task.head, *shown] if task.head else shown
            pieces.append(b"* %d FETCH (%b)\r\n" % (task.row.place.number, b" ".join(shown)))
    session.write(b"".join(pieces))
    return len(pieces) == len(group)


def _asked(plan: _Plan, task: _Task) -> list[Ask]:
    return [Ask(task.email, part, source) for part, source in zip(plan.parts, task.sources, strict=True)]


def _literal(ask: Ask, read: bytes) -> bytes:
    found = octets.answer(ask, read)
    if found is None:
        return ask.item.label + b" NIL"
    return b"%b {%d}\r\n%b" % (ask.item.label, len(found), found)


async def _stream(session: Session, plan: _Plan, task: _Task) -> bool:
    """One large mail, some octets at a time: memory does not grow with it."""
    try:
        await session.store.blobs.size(task.email.blob)
    except BlobMissing:
        return False
    session.write(b"* %d FETCH (%b" % (task.row.place.number, task.head))
    separator = b" " if task.head else b""
    for ask in _asked(plan, task):
        session.write(separator)
        separator = b" "
        source, length = ask.source, octets.length_of(ask.source, ask.item)
        if source is None or source.how is not How.AS_THEY_ARE or length <= STREAM_OCTETS:
            session.write(_literal(ask, await _whole_range(session, ask.range())))
            continue
        session.write(b"%b {%d}\r\n" % (ask.item.label, length))
        await _stream_range(session, ask.range(), length)
    session.write(b")\r\n")
    return True


async def _whole_range(session: Session, wanted: Wanted) -> bytes:
    """Raises ConnectionError when it went while its mail was being written."""
    try:
        return await session.store.blobs.read(wanted.blob, wanted.start, wanted.end)
    except BlobMissing as error:
        raise ConnectionAbortedError("a mail went while it was sent") from error


async def _stream_range(session: Session, wanted: Wanted, length: int) -> None:
    """Raises ConnectionError when octets promised cannot be given: the client could not follow any more."""
    given = 0
    try:
        async for chunk in session.store.blobs.open(wanted.blob, wanted.start, wanted.end):
            session.write(chunk)
            given += len(chunk)
            await session.channel.drain()
    except (BlobMissing, StoreError) as error:
        raise ConnectionAbortedError("a mail cannot be read to its end") from error
    if given != length:
        raise ConnectionAbortedError("a mail is shorter than its row says")
