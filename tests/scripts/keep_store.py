"""Makes the small store that is kept for each schema version, and says what must be found in it.

Run it from a checkout of the version whose store is to be kept, with this file from anywhere:

    cd CHECKOUT && PYTHONPATH=. python .../tests/scripts/keep_store.py .../tests/data/schema-N

It writes ``store.sqlite.zst`` and ``found.json``. The present program must find in every kept store what the old one
put there; ``tests/store/upkeep/test_kept_stores.py`` looks. So ``describe`` asks only what every version answers.
"""

import asyncio
import base64
import hashlib
import json
import random
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import zstandard

from store.accounts import account as accounts
from store.audit import chain
from store.blob.contract import BlobId
from store.changes.engine import AccountTxn, AccountView, Store, StoreTxn, StoreView
from store.labels import rows as labels
from store.mail import emails, mailboxes, reading, uploads
from store.mail.emails import NewEmail
from store.mail.parsing import digest_octets
from store.policy import entries as policy
from store.quarantine import held as quarantine
from store.queue import jobs
from store.trace import rows as trace

START = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
ZONE = {
    "partner.example": {"MX": ["10 mx.partner.example"], "TXT": ["v=spf1 ip4:198.51.100.0/24 -all"]},
    "_dmarc.partner.example": {"TXT": ["v=DMARC1; p=reject"]},
    "mx.partner.example": {"A": ["198.51.100.25"]},
    "25.100.51.198.in-addr.arpa": {"PTR": ["mx.partner.example"]},
}
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
PASSWORD_HASH = "$argon2id$v=19$m=8,t=1,p=1$a2VwdHN0b3Jl$lJWFpU6C5tqMJKhLx1nQLw"


def letter(
    subject: str, number: int, body: str, *, answers: int = 0, sender: str = "Bob <bob@partner.example>"
) -> bytes:
    """A mail with a Message-ID made of its number, answering another by its number."""
    lines = [
        f"From: {sender}",
        "To: ana@example.com",
        f"Subject: {subject}",
        f"Date: Sun, 22 Nov 2026 10:{number:02}:00 +0000",
        f"Message-ID: <{number}@partner.example>",
        *([f"In-Reply-To: <{answers}@partner.example>", f"References: <{answers}@partner.example>"] * bool(answers)),
        "MIME-Version: 1.0",
    ]
    return ("\r\n".join([*lines, body if "\r\n\r\n" in body else "\r\n" + body]) + "\r\n").encode()


def with_attachment() -> str:
    """A body with an attachment of 150,000 octets that is large to the store, but not to the repository."""
    noise = random.Random(1).randbytes(6_000)
    octets = base64.encodebytes(noise * 25).decode().replace("\n", "\r\n")
    return (
        'Content-Type: multipart/mixed; boundary="=="\r\n\r\n--==\r\nContent-Type: text/plain\r\n\r\nThe plans.\r\n'
        "--==\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
        f'Content-Disposition: attachment; filename="plans.pdf"\r\n\r\n{octets}\r\n--==--'
    )


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


async def fill(folder: Path) -> None:
    """Let the gateway of this checkout receive, hold, relay and learn; then do what people do with their mail."""
    from gateway.config import parse
    from gateway.dns.zone import Zone, ZoneResolver
    from gateway.envelope import Peer, Recipient
    from gateway.main.services import build

    clock = Clock()
    config = parse(
        {
            "server": {"hostname": "mx.example.com", "data": str(folder)},
            "domain": {"example.com": {}, "relayed.example": {"deliver": "smtp:127.0.0.1:1"}},
            "traps": {"addresses": ["trap@example.com"]},
            "model": {"language": False},
        },
        folder,
    )
    services = await build(config, clock=clock, announce=lambda *_: None, resolver=ZoneResolver(Zone.of(ZONE)))
    store = services.store
    peer = Peer(ip_address("198.51.100.25"), 50_000, "mx.partner.example")

    async def receive(octets: bytes, *addresses: str) -> None:
        found = [await services.recipients.resolve(address) for address in addresses]
        to = tuple(each for each in found if isinstance(each, Recipient))
        assert len(to) == len(addresses), found
        reply = await services.reception.receive(services.begin(peer, "bob@partner.example", to, False), octets)
        assert reply.code == 250, reply

    def people(txn: StoreTxn) -> None:
        at = int(clock().timestamp())
        accounts.create(
            txn, "ana@example.com", "Ana Koch", PASSWORD_HASH, at, roles=("admin",), aliases=("a.koch@example.com",)
        )
        accounts.create(txn, "ben@example.com", "Ben", "", at)

    await store.write(people)
    await receive(letter("Lunch", 1, "At noon?"), "ana@example.com", "ben@example.com")
    await receive(letter("Re: Lunch", 2, "Yes, at noon.", answers=1), "a.koch@example.com")
    await receive(letter("Plans", 3, with_attachment()), "ana@example.com")
    for number in range(4, 10):
        await receive(letter(f"Notes {number}", number, "Line by line.\r\n" * number), "ana@example.com")
    for number, to in (
        (11, ("ana@example.com",)),
        (12, ("ana@example.com", "ann@relayed.example")),
        (13, ("ben@example.com",)),
    ):
        await receive(letter(f"Held {number}", number, GTUBE), *to)
    await receive(letter("Win", 14, "You have won a prize, click here"), "trap@example.com")
    await receive(letter("To the other side", 15, "Please relay."), "ann@relayed.example")
    await receive(letter("Nobody takes it", 16, "Please relay."), "bea@relayed.example")
    await _settle(services, store, clock)
    await _file(store, clock)
    await services.close()


async def _settle(services: Any, store: Store, clock: Clock) -> None:
    """One held mail is released, one given up, one stays; one relayed mail is given up; a rule and a session."""
    from protocols.console import sessions

    held = {each.subject: each.id for each in await store.read(lambda view: list(quarantine.newest(view)))}
    await services.quarantine.release(held["Held 12"], "ana@example.com", learn=True)
    await services.quarantine.delete(held["Held 13"], "ana@example.com")
    doomed = next(job for job in await store.read(jobs.waiting) if "bea@" in job.id)
    assert await store.write(lambda txn: jobs.bury(txn, doomed, "550 no such user"))
    ms = int(clock().timestamp() * 1000)
    entries = (
        policy.PolicyEntry("block", "@lottery.example", "ana@example.com", "never wanted", ms, 0),
        policy.PolicyEntry("allow", "bob@partner.example", "ana@example.com", "a friend", ms, ms + 86_400_000),
    )
    await store.write(lambda txn: [policy.put(txn, entry) for entry in entries])
    ana = await store.read(lambda view: accounts.find(view, "ana@example.com"))
    assert ana is not None
    await sessions.start(store, ana, ms, 86_400_000)


async def _file(store: Store, clock: Clock) -> None:
    """Flags, a folder in a folder, a copy, a move, an expunge, a draft and an upload."""
    draft, brought = letter("Draft", 20, "Not finished"), b"brought by a client " * 40
    staged, upload = await store.blobs.stage(draft), await store.blobs.stage(brought)
    ms = int(clock().timestamp() * 1000)

    def body(mine: AccountTxn) -> None:
        inbox, trash = (_role(mine, role) for role in ("inbox", "trash"))
        work = mailboxes.ensure_path(mine, "Projects/2026", ms // 1000)
        ids = [email for _, email in reading.placements(mine, inbox)]
        emails.set_keywords(mine, ids[0], {"$seen", "$answered"})
        emails.set_keywords(mine, ids[1], {"$seen", "$flagged", "projekt-süd"})
        emails.set_mailboxes(mine, ids[2], [inbox, work.id])
        emails.copy_within(mine, ids[3], work.id)
        emails.set_mailboxes(mine, ids[4], [trash])
        emails.destroy(mine, ids[5])
        new = NewEmail(mine.store.keep(staged), digest_octets(draft), ms, frozenset({"$draft", "$seen"}))
        emails.add(mine, new, [_role(mine, "drafts")])
        uploads.add(mine, mine.store.keep(upload), len(brought), ms, uploads.UploadLimits(9, 99_999, 86_400_000))
        chain.record(mine.store, ms, "ana@example.com", "user.note", "ana@example.com", "kept on purpose")

    ana = await store.read(lambda view: accounts.find(view, "ana@example.com"))
    assert ana is not None
    await store.write(lambda txn: body(txn.account(ana.id)))


def _role(view: AccountView, role: str) -> Any:
    found = mailboxes.with_role(view, role)
    assert found is not None
    return found.id


async def describe(store: Store) -> dict[str, Any]:
    """What people could notice of everything in the store, as JSON."""
    found, blobs = await store.read(_rows)
    octets = {blob.hex(): hashlib.sha256(await store.blobs.read(BlobId(blob))).hexdigest() for blob in sorted(blobs)}
    return found | {"octets": octets}


def _rows(view: StoreView) -> tuple[dict[str, Any], set[bytes]]:
    blobs: set[bytes] = set()
    people: dict[str, Any] = {}
    for account in accounts.all_accounts(view):
        mine = view.account(account.id)
        people[account.address] = {
            "name": account.name,
            "aliases": sorted(account.aliases),
            "roles": sorted(account.roles),
            "mailboxes": {path: _mailbox(mine, box, blobs) for path, box in _boxes(mine)},
            "modseq": mine.modseq,
            "uploads": [key[9:].hex() for key, _ in mine.scan_prefix(b"P")],
        }
        blobs.update(key[9:] for key, _ in mine.scan_prefix(b"P"))
    held = list(quarantine.newest(view))
    blobs.update(each.blob for each in held if each.is_held)
    found = {
        "people": people,
        "held": sorted([h.subject, [[c.address, c.state, c.by] for c in h.copies], h.blob.hex()] for h in held),
        "waiting": sorted(job.id.rpartition("-")[2] for job in jobs.waiting(view)),
        "buried": sorted([job.id.rpartition("-")[2], job.last_error] for job in jobs.buried(view)),
        "labels": [[label.is_spam, label.by, len(label.features)] for _, label in labels.after(view, 0)],
        "policy": sorted([e.kind, e.subject, e.owner, e.reason, e.expires_ms] for e in policy.everything(view)),
        "traces": [[t.subject, t.action, [o.address for o in t.outcomes]] for t in trace.newest(view, 1_000)],
        "audit": [[e.seq, e.actor, e.act, e.seal.hex()] for e in chain.entries(view)],
        "sessions": sum(1 for _ in view.kv.scan(b"s", b"t")),
        "reputation": sum(1 for _ in view.kv.scan(b"r", b"s")),
    }
    return found, blobs


def _boxes(mine: AccountView) -> list[tuple[str, Any]]:
    boxes = mailboxes.list_all(mine)
    by_id = {box.id: box for box in boxes}
    return sorted(((mailboxes.path_of(box, by_id), box) for box in boxes), key=lambda pair: pair[0])


def _mailbox(mine: AccountView, box: Any, blobs: set[bytes]) -> dict[str, Any]:
    rows = []
    for uid, email_id in reading.placements(mine, box.id):
        email, state = emails.get(mine, email_id), emails.state(mine, email_id)
        assert email is not None and state is not None
        blobs.add(email.blob)
        where = [int(uid), int(email_id), int(email.thread), email.subject, sorted(state.keywords), email.size]
        rows.append([*where, email.received_ms, email.blob.hex()])
    counts = mailboxes.counts(mine, box.id)
    numbers = [counts.uid_next, counts.total, counts.unread, counts.threads, counts.unread_threads, counts.octets]
    return {"role": box.role, "uid_validity": box.uid_validity, "counts": numbers, "emails": rows}


async def keep(folder: Path) -> None:
    """Fill a new store and write it, packed, with what was found in it."""
    from store.blob.view import Blobs
    from store.changes.announce import Announcer
    from store.kv.sqlite import SqliteKeyValueStore

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        await fill(Path(work))
        kv = await SqliteKeyValueStore.open(Path(work) / "store.sqlite")
        store = Store(kv, Blobs(kv), Announcer())
        found = await describe(store)
        await store.close()
        octets = (Path(work) / "store.sqlite").read_bytes()
    (folder / "store.sqlite.zst").write_bytes(zstandard.ZstdCompressor(19).compress(octets))
    (folder / "found.json").write_text(
        json.dumps(found, indent=None, ensure_ascii=False, sort_keys=True).replace("}, ", "},\n ") + "\n"
    )
    print(f"{folder}: {len(octets)} octets, packed {(folder / 'store.sqlite.zst').stat().st_size}")


if __name__ == "__main__":
    asyncio.run(keep(Path(sys.argv[1])))
