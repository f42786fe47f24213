"""Finding and exporting the mail of a legal hold: in mailboxes, kept back after deletion, and in quarantine."""

import hashlib
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, TypeVar

from store.accounts import account as accounts
from store.accounts.account import Account
from store.blob.contract import BlobId, BlobMissing
from store.changes.engine import AccountView, Store, StoreView
from store.mail import emails, kept, mailboxes
from store.mail.model import Email
from store.quarantine import held as quarantine
from store.quarantine.held import Held
from store.retention.policy import covers, owners_of
from store.retention.rows import Hold
from store.schema import keys

T = TypeVar("T")

BATCH = 200  #: mails a snapshot
MAILBOX, KEPT_BACK, QUARANTINED = "mailbox", "kept back", "quarantine"


@dataclass(frozen=True, slots=True)
class Found:
    """One mail a hold is about."""

    state: str  #: MAILBOX, KEPT_BACK (deleted by its owner) or QUARANTINED
    account: str  #: whose mailbox; of quarantined mail the recipients
    where: str  #: mailboxes by name; of quarantined mail its id
    blob: BlobId
    size: int | None
    received_ms: int
    sender: str
    to: str
    subject: str
    note: str = ""  #: of kept back mail: when it was deleted, by whom, and why it is kept

    def matches(self, words: str) -> bool:
        """Whether every word stands in sender, recipients, subject or place."""
        text = f"{self.sender} {self.to} {self.subject} {self.where} {self.account}".casefold()
        return all(word in text for word in words.casefold().split())


async def matter(store: Store, hold: Hold) -> AsyncIterator[Found]:
    """Everything the hold is about, in snapshots of some hundred mails."""
    after = 0
    while batch := await store.read(lambda view, at=after: list(accounts.every(view, at, BATCH))):  # type: ignore[misc]
        for account in batch:
            async for found in _of_account(store, hold, account):
                yield found
        after = batch[-1].id
    name = ""
    while rows := await store.read(lambda view, at=name: _held_after(view, hold, at)):  # type: ignore[misc]
        for _, each in rows:
            if each is not None:
                yield each
        name = rows[-1][0]


async def _of_account(store: Store, hold: Hold, account: Account) -> AsyncIterator[Found]:
    for look in (_placed_after, _kept_after):
        after = 0
        while rows := await store.read(lambda view, at=after, look=look: look(view, hold, account, at)):  # type: ignore[misc]
            for _, each in rows:
                if each is not None:
                    yield each
            after = rows[-1][0]


Row = tuple[int, Found | None]


def _placed_after(view: StoreView, hold: Hold, account: Account, after: int) -> list[Row]:
    mine = view.account(account.id)
    if not _concerns(view, hold, account):
        return []
    by_id = {mailbox.id: mailbox for mailbox in mailboxes.list_all(mine)}
    rows: list[Row] = []
    for _, row in mine.scan(keys.email(after + 1), keys.prefix_end(b"E"), limit=BATCH):
        email = emails.read_email(row)
        state = emails.state(mine, email.id)
        found = None
        if state is not None and _covers(mine, hold, email):
            names = [mailboxes.path_of(by_id[each], by_id) for each in state.placements if each in by_id]
            found = _found(MAILBOX, account, ", ".join(names), email)
        rows.append((email.id, found))
    return rows


def _kept_after(view: StoreView, hold: Hold, account: Account, after: int) -> list[Row]:
    mine = view.account(account.id)
    rows: list[Row] = []
    for each in kept.every(mine, after, BATCH):
        found = None
        if _covers(mine, hold, each.email):
            when = datetime.fromtimestamp(each.kept.at_ms / 1000, UTC).isoformat(timespec="seconds")
            note = f"deleted {when} by {each.kept.by}, kept by {each.kept.why}"
            found = _found(KEPT_BACK, account, ", ".join(each.kept.mailboxes), each.email, note)
        rows.append((each.email.id, found))
    return rows


def _held_after(view: StoreView, hold: Hold, after: str) -> list[tuple[str, Found | None]]:
    start = keys.HELD + after.encode() + b"\x00" if after else keys.HELD
    rows: list[tuple[str, Found | None]] = []
    for _, row in view.kv.scan(start, keys.prefix_end(keys.HELD), limit=BATCH):
        held = quarantine.read_held(row)
        has_octets = held.is_held or bool(held.kept)
        is_ours = has_octets and covers(hold, quarantine.matter_of(view.kv, held))
        rows.append((held.id, _of_held(held) if is_ours else None))
    return rows


def _concerns(view: StoreView, hold: Hold, account: Account) -> bool:
    """Whether any mail of the account can be the hold's, before reading it."""
    owners = owners_of(view.kv, account.id)
    domains = {owner.rpartition("@")[2] for owner in owners}
    return bool(hold.people) or not owners.isdisjoint(hold.accounts) or not domains.isdisjoint(hold.domains)


def _covers(view: AccountView, hold: Hold, email: Email) -> bool:
    return covers(hold, kept.matter_of(view, email, frozenset()))


def _found(state: str, account: Account, where: str, email: Email, note: str = "") -> Found:
    sender = ", ".join(each.email for each in email.from_)
    to = ", ".join(each.email for field in (email.to, email.cc, email.bcc) for each in field)
    return Found(
        state, account.address, where, email.blob, email.size, email.received_ms, sender, to, email.subject, note
    )


def _of_held(held: Held) -> Found:
    to = ", ".join(copy.address for copy in held.copies)
    sender = held.header_from or held.mail_from
    return Found(QUARANTINED, to, held.id, held.blob, None, held.held_ms, sender, to, held.subject, held.kept)


class ExportFailed(Exception):
    """The mail cannot be written as asked; the text says why."""


@dataclass(slots=True)
class Exported:
    mails: int = 0
    files: int = 0
    octets: int = 0
    manifest_sha256: str = ""
    missing: int = 0  #: mails whose octets cannot be read; the manifest names them


async def export(store: Store, hold: Hold, target: Path, on_mail: Callable[[], object] | None = None) -> Exported:
    """Write every mail of the hold and a manifest (one JSON object a line, with SHA-256 sums).

    ``target`` is a folder, whose files are named by their sum so that equal mails are one file; or FILE.mbox (mboxrd),
    beside which FILE.mbox.manifest.jsonl is put. Raises ExportFailed when there is something already, and OSError.
    """
    is_mbox, manifest = _prepare(target)
    done, digest = Exported(), hashlib.sha256()
    with manifest.open("xb") as lines, _Sink(target, is_mbox) as sink:
        async for found in matter(store, hold):
            line = await _write_one(store, found, sink, done)
            octets = json.dumps(line, ensure_ascii=False, sort_keys=True).encode("utf-8", "replace") + b"\n"
            lines.write(octets)
            digest.update(octets)
            done.mails += 1
            if on_mail is not None:
                on_mail()
        lines.flush()
        os.fsync(lines.fileno())
    done.manifest_sha256 = digest.hexdigest()
    return done


def _prepare(target: Path) -> tuple[bool, Path]:
    """Whether it becomes an mbox, and where the manifest goes. Raises ExportFailed, OSError."""
    is_mbox = target.suffix == ".mbox"
    manifest = target.with_name(target.name + ".manifest.jsonl") if is_mbox else target / "manifest.jsonl"
    if (target.exists() and (is_mbox or any(target.iterdir()))) or manifest.exists():
        raise ExportFailed(f"{target}: is there already; name a new {'file' if is_mbox else 'folder'}")
    (target.parent if is_mbox else target).mkdir(parents=True, exist_ok=True)
    return is_mbox, manifest


async def _write_one(store: Store, found: Found, sink: "_Sink", done: Exported) -> dict[str, object]:
    line: dict[str, object] = {name: value for name, value in asdict(found).items() if name != "blob"}
    line |= {"received": datetime.fromtimestamp(found.received_ms / 1000, UTC).isoformat(), "sha256": found.blob.hex()}
    try:
        octets = await store.blobs.read(found.blob)
    except BlobMissing:
        done.missing += 1
        return line | {"file": None, "error": "its octets are not in the store"}
    if hashlib.sha256(octets).digest() != found.blob:
        done.missing += 1
        return line | {"file": None, "error": "its octets are not what was stored"}
    name, is_new = sink.write(found, octets)
    if is_new:
        done.files, done.octets = done.files + 1, done.octets + len(octets)
    return line | {"file": name, "size": len(octets)}


class _Sink:
    """Where the octets go."""

    def __init__(self, target: Path, is_mbox: bool) -> None:
        self._target = target
        self._mbox: BinaryIO | None = target.open("xb") if is_mbox else None

    def __enter__(self) -> "_Sink":
        return self

    def __exit__(self, *_: object) -> None:
        if self._mbox is not None:
            self._mbox.flush()
            os.fsync(self._mbox.fileno())
            self._mbox.close()

    def write(self, found: Found, octets: bytes) -> tuple[str, bool]:
        """The name for the manifest, and whether it had not been written before."""
        if self._mbox is not None:
            self._mbox.writelines(_mboxrd(found.received_ms, octets))
            return self._target.name, True
        name = f"{found.blob.hex()}.eml"
        path = self._target / name
        if path.exists():
            return name, False
        aside = path.with_suffix(".part")
        with aside.open("wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        aside.rename(path)
        return name, True


def _mboxrd(received_ms: int, octets: bytes) -> Iterator[bytes]:
    when = datetime.fromtimestamp(received_ms / 1000, UTC).strftime("%a %b %d %H:%M:%S %Y")
    yield f"From MAILER-DAEMON {when}\n".encode()
    for line in octets.replace(b"\r\n", b"\n").split(b"\n"):
        yield (b">" if line.lstrip(b">").startswith(b"From ") else b"") + line + b"\n"
    yield b"\n"
