"""What a change to very many mails costs: fill an account, flag, move and expunge everything; one JSON object.

    python -m benchmarks.bulk URL... [--mails 100000] [--batch 500]

A URL as in ``store.url``: ``sqlite:PATH``, ``rocksdb:PATH``, ``postgresql://...``, ``memory:``, each new and
empty. The work is what IMAP does for ``UID STORE 1:*``, ``UID MOVE 1:*`` and ``EXPUNGE``: one transaction for
each batch. Each step runs in a process of its own, so that its peak memory is its own, and ``cpu_s`` its processor
time. ``other_ms_p99`` is how long a small write of somebody else took meanwhile. ``deliver`` adds single mails, 64 at
once, each acknowledged.
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from store.accounts import account as accounts
from store.blob.view import Blobs
from store.changes.announce import Announcer
from store.changes.engine import AccountId, AccountTxn, Store
from store.kv.opening import check_url, open_kv
from store.mail import emails, mailboxes, reading
from store.mail.emails import NewEmail
from store.mail.model import EmailId, MailboxId
from store.mail.parsing import Digest, digest_octets

START_MS = 1_772_445_600_000
STEPS = ("fill", "flag", "unread", "move", "expunge")
SECOND = AccountId(2)


def letter(number: int) -> bytes:
    """A mail of about 4 KB; every third one answers the one before."""
    answer = f"In-Reply-To: <{number - 1}@a.example>\r\n" if number % 3 == 2 else ""
    subject = f"Report {number // 3}" if number % 3 == 1 else f"Re: Report {number // 3}"
    return (
        f"From: Ann Example <ann@a.example>\r\nTo: bob@b.example\r\nSubject: {subject}\r\n"
        f"Date: Mon, 2 Mar 2026 09:59:00 +0000\r\nMessage-ID: <{number}@a.example>\r\n{answer}\r\n"
        + "See you at noon, as always.\r\n"
        * 130
    ).encode()


async def opened(url: str) -> Store:
    kv = await open_kv(url)
    return Store(kv, Blobs(kv), Announcer())


def slices(found: list[EmailId], size: int) -> Iterator[list[EmailId]]:
    return (found[first : first + size] for first in range(0, len(found), size))


async def fill(store: Store, count: int, batch: int) -> None:
    """Add mails that share their octets: what is measured are rows."""
    await store.write(lambda txn: accounts.create(txn, "bob@b.example", "Bob", "", START_MS // 1000))
    await store.write(lambda txn: accounts.create(txn, "eve@b.example", "Eve", "", START_MS // 1000))
    staged = await store.blobs.stage(letter(1))
    digests: list[Digest] = []
    for number in range(1, count + 1):
        digests.append(digest_octets(letter(number)) if number < 300 else _numbered(digests[number % 3 + 3], number))
    at = 0

    def body(txn: AccountTxn) -> None:
        txn.store.keep(staged)
        inbox = _mailbox(txn, "inbox")
        for number in range(at, min(at + batch, count)):
            emails.add(txn, NewEmail(staged.id, digests[number], START_MS + number), [inbox])

    while at < count:
        await store.write(lambda txn: body(txn.account(AccountId(1))))
        at += batch


def _numbered(like: Digest, number: int) -> Digest:
    return replace(
        like,
        message_ids=(f"{number}@a.example",),
        in_reply_to=(f"{number - 1}@a.example",) if number % 3 == 2 else (),
        subject=f"Re: Report {number // 3}",
    )


def _mailbox(txn: AccountTxn, role: str) -> MailboxId:
    found = mailboxes.with_role(txn, role)
    assert found is not None
    return found.id


def _flag(keyword: str) -> Callable[[AccountTxn, EmailId], None]:
    def act(txn: AccountTxn, email_id: EmailId) -> None:
        state = emails.state(txn, email_id)
        assert state is not None
        emails.set_keywords(txn, email_id, state.keywords ^ {keyword})

    return act


def _move(txn: AccountTxn, email_id: EmailId) -> None:
    emails.set_mailboxes(txn, email_id, [_mailbox(txn, "archive")])


ACTS: dict[str, Callable[[AccountTxn, EmailId], None]] = {
    "flag": _flag("$flagged"),
    "unread": _flag("$seen"),
    "move": _move,
    "expunge": emails.destroy,
}


async def bulk(store: Store, name: str, batch: int) -> list[float]:
    """Do it to all mails; how long somebody else's small writes took meanwhile, in seconds."""
    everything = await store.read(lambda view: [id_ for id_, _ in reading.every_state(view.account(AccountId(1)))])
    waited: list[float] = []
    is_over = asyncio.Event()

    async def somebody_else() -> None:
        while not is_over.is_set():
            began = time.perf_counter()
            await store.write(lambda txn: txn.account(SECOND).next_id())
            waited.append(time.perf_counter() - began)
            await asyncio.sleep(0.02)

    other = asyncio.create_task(somebody_else())
    for some in slices(everything, batch):
        await store.write(lambda txn, some=some: _each(txn.account(AccountId(1)), ACTS[name], some))  # type: ignore[misc]
    is_over.set()
    await other
    return waited


def _each(txn: AccountTxn, act: Callable[[AccountTxn, EmailId], None], some: list[EmailId]) -> None:
    for email_id in some:
        act(txn, email_id)


async def deliveries(url: str, seconds: float) -> float:
    """Single mails a second, 64 senders at once, into 16 accounts."""
    store = await opened(url)
    made = [
        await store.write(
            lambda txn, n=n: accounts.create(txn, f"user{n}@c.example", "", "", START_MS // 1000)  # type: ignore[misc]
        )
        for n in range(16)
    ]
    until = time.perf_counter() + seconds
    done = 0

    async def send(sender: int) -> None:
        nonlocal done
        while time.perf_counter() < until:
            done += 1
            octets = letter(1_000_000 + done)
            digest = digest_octets(octets)
            staged = await store.blobs.stage(octets)

            def body(txn: AccountTxn, staged=staged, digest=digest) -> None:  # type: ignore[no-untyped-def]
                txn.store.keep(staged)
                emails.add(txn, NewEmail(staged.id, digest, START_MS), [_mailbox(txn, "inbox")])

            await store.write(lambda txn: body(txn.account(made[sender % 16].id)))

    began = time.perf_counter()
    await asyncio.gather(*(send(n) for n in range(64)))
    rate = done / (time.perf_counter() - began)
    await store.close()
    return rate


async def step(url: str, name: str, count: int, batch: int) -> dict[str, float]:
    if name == "deliver":
        return {"deliveries_s": round(await deliveries(url, 4.0))}
    store = await opened(url)
    began, waited = time.perf_counter(), [0.0]
    if name == "fill":
        await fill(store, count, batch)
    else:
        waited = sorted(await bulk(store, name, batch))
    seconds = time.perf_counter() - began
    await store.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {
        "seconds": round(seconds, 2),
        "mails_s": round(count / seconds),
        "cpu_s": round(time.process_time(), 2),
        "peak_rss_mb": peak,
        "other_ms_p99": round(waited[len(waited) * 99 // 100] * 1000, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure changes to very many mails.")
    parser.add_argument("urls", nargs="+", metavar="URL")
    parser.add_argument("--mails", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=500, help="mails of one transaction")
    parser.add_argument("--step", choices=(*STEPS, "deliver"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        print(json.dumps(asyncio.run(step(given.urls[0], given.step, given.mails, given.batch))))
        return
    results: dict[str, object] = {"mails": given.mails, "batch": given.batch}
    for url in given.urls:
        measured: dict[str, object] = {}
        for name in (*STEPS, "deliver"):
            command = [sys.executable, "-m", "benchmarks.bulk", url, "--mails", str(given.mails), "--step", name]
            done = subprocess.run([*command, "--batch", str(given.batch)], capture_output=True, text=True, check=True)
            measured[name] = json.loads(done.stdout)
        results[check_url(url)] = measured
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
