"""FETCH: rows in batches, octets in groups, large ones streamed. RFC 3501 §6.4.5, §7.4.2."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from protocols.imap import flags, moments
from protocols.imap.answers import octets
from protocols.imap.answers.octets import How, Source
from protocols.imap.answers.rows import Place, Row, batches, read_rows
from protocols.imap.commands.fetch import Fetch, Item, Octets
from protocols.imap.session import Done, Selected, Session
from protocols.imap.view import MailboxView
from store.changes.engine import AccountId, AccountTxn, StoreView
from store.mail import emails
from store.mail.model import SEEN, Email, EmailState

GROUP_OCTETS = 1024 * 1024  #: of mail read in one transaction
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
        are_all_there = are_all_there and len(rows) == len(places)
        if since is not None:
            rows = [row for row in rows if row.state.modseq > since]
        await _write_rows(session, state, plan, rows)
    code = b"" if are_all_there or command.by_uid else b"EXPUNGEISSUED"
    return Done(code=code, may_expunge=command.by_uid)


def _read(
    snapshot: StoreView, account: AccountId, view: MailboxView, places: Sequence[Place], plan: _Plan
) -> list[Row]:
    rows = read_rows(snapshot.account(account), view.mailbox, places, with_email=plan.needs_email)
    if plan.needs_structure:
        for row in rows:
            row.email = octets.completed(snapshot, _email(row))
    return rows


async def _write_rows(session: Session, state: Selected, plan: _Plan, rows: Sequence[Row]) -> None:
    newly_seen: set[int] = await _mark_seen(session, state, rows) if plan.marks_seen else set()
    if not plan.parts:
        session.write(b"".join([b"* %d FETCH (%b)\r\n" % (row.place.number, _head(plan, row, False)) for row in rows]))
        await session.channel.drain()
        return
    tasks = [_task(plan, row, row.place.uid in newly_seen and not plan.shows_flags) for row in rows]
    for group in _groups(tasks):
        if group[0].octets > STREAM_OCTETS:
            await _stream(session, plan, group[0])
        else:
            await _write_group(session, plan, group)
        await session.channel.drain()


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


async def _write_group(session: Session, plan: _Plan, group: Sequence[_Task]) -> None:
    def body(view: StoreView) -> list[list[bytes | None]]:
        return [
            [octets.read(view, task.email, part, source) for part, source in zip(plan.parts, task.sources, strict=True)]
            for task in group
        ]

    pieces: list[bytes] = []
    for task, found in zip(group, await session.store.read(body), strict=True):
        shown = [_literal(part, octets) for part, octets in zip(plan.parts, found, strict=True)]
        if task.head:
            shown.insert(0, task.head)
        pieces.append(b"* %d FETCH (%b)\r\n" % (task.row.place.number, b" ".join(shown)))
    session.write(b"".join(pieces))


def _literal(part: Octets, found: bytes | None) -> bytes:
    if found is None:
        return part.label + b" NIL"
    return b"%b {%d}\r\n%b" % (part.label, len(found), found)


async def _stream(session: Session, plan: _Plan, task: _Task) -> None:
    """One large mail, some octets at a time: memory does not grow with it."""
    session.write(b"* %d FETCH (%b" % (task.row.place.number, task.head))
    separator = b" " if task.head else b""
    for part, source in zip(plan.parts, task.sources, strict=True):
        session.write(separator)
        separator = b" "
        length = octets.length_of(source, part)
        if source is None or source.how is not How.AS_THEY_ARE or length <= STREAM_OCTETS:
            found = await session.store.read(partial(octets.read, email=task.email, item=part, source=source))
            session.write(_literal(part, found))
            continue
        session.write(b"%b {%d}\r\n" % (part.label, length))
        await _stream_range(session, task.email, source.start + part.start, length)
    session.write(b")\r\n")


async def _stream_range(session: Session, email: Email, start: int, length: int) -> None:
    """Raises ConnectionError when octets promised cannot be given: the client could not follow any more."""
    given = 0
    async for chunk in session.store.blobs.open(email.blob, start, start + length):
        session.write(chunk)
        given += len(chunk)
        await session.channel.drain()
    if given != length:
        raise ConnectionAbortedError("a mail is shorter than its row says")
