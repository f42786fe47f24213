"""What opening, listing and flagging a mailbox costs as it grows; one line a size, or one JSON object.

    python -m benchmarks.mailbox_growth [--sizes 1000,10000,100000,1000000] [--backend rocksdb] [--folder F] [--json]

For each size a mailbox of generated small mails is made (benchmarks.mailboxes), then a new process serves it and a real
IMAP session and a JMAP client over loopback ask: SELECT, FETCH of the newest 50 (flags, envelope, size), LIST with
counts, Email/query with Email/get of the newest 50, in milliseconds, the median of nine. ``first`` is the very first
SELECT of the process, when nothing is in memory. At last UID STORE 1:* flags all of them. Memory is the resident set of
the process, which is server and client together. With --folder the mailboxes stay and are used again.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
from msgspec.structs import replace

from benchmarks.mailboxes import fill
from benchmarks.processes import resident_mb
from protocols.http.app import build_app
from protocols.http.server import HttpServer
from protocols.http.settings import HttpSettings
from protocols.imap.server import ImapServer
from protocols.imap.settings import ImapSettings
from protocols.jmap.routes import routes
from protocols.jmap.services import JmapServices
from protocols.jmap.settings import JmapSettings
from store.accounts import account as accounts
from store.accounts.login import Logins
from store.blob.view import Blobs
from store.changes.announce import Announcer
from store.changes.engine import AccountId, Store, StoreTxn, StoreView
from store.kv.opening import open_kv
from tests.protocols.imap.client import Client
from tests.protocols.imap.house import NOW_S, PASSWORD, PASSWORD_HASH, listen
from tests.support.mail_store import mailbox_with

LOGIN = "bob@b.example"
ROUNDS = 9
SIZES = [1_000, 10_000, 100_000]
FETCHED = 50
COLUMNS = ("mails", "fill_s", "first", "select", "fetch50", "list", "jmap50", "store_all_s", "rss_idle", "rss_open",
           "rss_stored")  # fmt: skip


async def _store(url: str) -> Store:
    kv = await open_kv(url)
    return Store(kv, Blobs(kv), Announcer())


async def make(url: str, mails: int) -> float:
    """Fill a new store; the seconds it took."""
    store = await _store(url)
    account = await store.write(lambda txn: accounts.create(txn, LOGIN, "Bob", PASSWORD_HASH, int(NOW_S)))
    inbox = await store.read(lambda view: mailbox_with(view.account(account.id), "inbox"))
    started = time.perf_counter()
    await fill(store, account.id, inbox, mails)
    took = time.perf_counter() - started
    await store.close()
    return round(took, 1)


async def _ms(act: Callable[[], Awaitable[object]]) -> float:
    took: list[float] = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        await act()
        took.append((time.perf_counter() - started) * 1000)
    return round(statistics.median(took), 2)


async def ask(url: str, mails: int, *, stores: bool) -> dict[str, float]:
    """Serve the store and be its client."""
    store = await _store(url)
    await store.write(_let_in)
    logins = Logins(store, clock=lambda: 0.0)
    imap = ImapServer(store, logins, ImapSettings(allow_plaintext_login=True), None, lambda: NOW_S, lambda _: None)
    sock = listen()
    await imap.start(sock, implicit_tls=False)
    reader, writer = await asyncio.open_connection("127.0.0.1", sock.getsockname()[1], limit=1 << 24)
    client = _Patient(reader, writer)
    await client.line()
    await client.command(f'LOGIN {LOGIN} "{PASSWORD}"'.encode())
    found = await _imap(client, mails)
    found["jmap50"] = await _jmap(store, logins)
    if stores:
        started = time.perf_counter()
        await client.command(b"UID STORE 1:* +FLAGS.SILENT (\\Flagged)")
        found["store_all_s"] = round(time.perf_counter() - started, 2)
        found["rss_stored"] = resident_mb([os.getpid()])
    await imap.close(2.0)
    logins.close()
    await store.close()
    return found


class _Patient(Client):
    """A client that waits for as long as flagging a million mails takes."""

    async def line(self) -> bytes:
        return await self.reader.readline()


async def _imap(client: Client, mails: int) -> dict[str, float]:
    async def said(command: bytes, lines: int = 1) -> None:
        answer = await client.command(command)
        assert b" OK " in answer[-1] and len(answer) >= lines, answer[-1]

    found = {"rss_idle": resident_mb([os.getpid()])}
    started = time.perf_counter()
    await said(b"SELECT INBOX")
    found["first"] = round((time.perf_counter() - started) * 1000, 2)
    found["select"] = await _ms(lambda: said(b"SELECT INBOX"))
    newest = b"FETCH %d:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)" % max(1, mails - FETCHED + 1)
    found["fetch50"] = await _ms(lambda: said(newest, min(FETCHED, mails)))
    found["list"] = await _ms(lambda: said(b'LIST "" "*" RETURN (STATUS (MESSAGES UNSEEN UIDNEXT))'))
    found["rss_open"] = resident_mb([os.getpid()])
    return found


async def _jmap(store: Store, logins: Logins) -> float:
    services = JmapServices(store, logins, JmapSettings(), lambda: datetime.fromtimestamp(NOW_S, UTC), True)
    http = HttpSettings()
    server = HttpServer(build_app(routes(services), http), http, None)
    sock = listen()
    await server.start(sock)
    account = await store.read(_account)
    inbox = await store.read(lambda view: mailbox_with(view.account(account), "inbox"))
    newest = {"accountId": f"A{account}", "filter": {"inMailbox": f"M{inbox}"}, "limit": FETCHED,
              "sort": [{"property": "receivedAt", "isAscending": False}]}  # fmt: skip
    wanted = {"accountId": f"A{account}", "#ids": {"resultOf": "0", "name": "Email/query", "path": "/ids"},
              "properties": ["subject", "from", "receivedAt", "keywords", "preview", "size"]}  # fmt: skip
    body = {"using": ["urn:ietf:params:jmap:core", "urn:ietf:params:jmap:mail"],
            "methodCalls": [["Email/query", newest, "0"], ["Email/get", wanted, "1"]]}  # fmt: skip
    try:
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        async with httpx.AsyncClient(base_url=url, auth=(LOGIN, PASSWORD), timeout=60.0) as client:

            async def said() -> None:
                answer = (await client.post("/jmap/api", json=body)).json()
                assert answer["methodResponses"][1][1]["list"], answer

            return await _ms(said)
    finally:
        await server.close(1.0)


def _let_in(txn: StoreTxn) -> None:
    """A store that benchmarks.mailboxes made has an account that cannot sign in."""
    account = accounts.find(txn, LOGIN)
    assert account is not None
    if not account.password_hash:
        accounts.save(txn, replace(account, password_hash=PASSWORD_HASH))


def _account(view: StoreView) -> AccountId:
    found = accounts.find(view, LOGIN)
    assert found is not None
    return found.id


async def _child(*arguments: str) -> dict[str, float]:
    """In a process of its own, so that its memory is its own."""
    command = [sys.executable, "-m", "benchmarks.mailbox_growth", *arguments]
    child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    found: dict[str, float] = json.loads((await child.communicate())[0].splitlines()[-1])  # the log is before it
    return found


async def measure(sizes: list[int], backend: str, folder: Path, *, as_json: bool, options: list[str]) -> None:
    rows: list[dict[str, float]] = []
    for mails in sizes:
        path = folder / f"{backend}-{mails}"
        url, row = f"{backend}:{path}", {"mails": float(mails)}
        if not path.exists():
            row |= await _child("--make", url, "--sizes", str(mails))
        rows.append(row | await _child("--ask", url, "--sizes", str(mails), *options))
        if not as_json:
            print("".join(f"{rows[-1].get(name, 0):>12g}" for name in COLUMNS), flush=True)
    if as_json:
        print(json.dumps({"backend": backend, "rows": rows}))


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how costs grow with the mailbox.")
    parser.add_argument(
        "--sizes", type=lambda text: [int(n) for n in text.split(",")], default=[1_000, 10_000, 100_000]
    )
    parser.add_argument("--backend", choices=["sqlite", "rocksdb"], default="sqlite")
    parser.add_argument("--folder", type=Path, help="keep the mailboxes here, and use those that are")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--no-store", action="store_true", help="do not flag them all")
    parser.add_argument("--filled", help="URL of a store that benchmarks.mailboxes has filled; with one of --sizes")
    parser.add_argument("--make", help=argparse.SUPPRESS)
    parser.add_argument("--ask", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.make:
        print(json.dumps({"fill_s": asyncio.run(make(given.make, given.sizes[0]))}))
    elif given.ask or given.filled:
        print(json.dumps(asyncio.run(ask(given.ask or given.filled, given.sizes[0], stores=not given.no_store))))
    else:
        if not given.json:
            print("".join(f"{name:>12}" for name in COLUMNS))
        with tempfile.TemporaryDirectory() as made:
            folder = given.folder or Path(made)
            folder.mkdir(exist_ok=True)
            options = ["--no-store"] if given.no_store else []
            asyncio.run(measure(given.sizes, given.backend, folder, as_json=given.json, options=options))


if __name__ == "__main__":
    main()
