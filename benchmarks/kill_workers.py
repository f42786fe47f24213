"""A worker killed every second under load: no acknowledged mail is lost, none is there twice, and fsck is clean.

    python -m benchmarks.kill_workers --seconds 120 [--store postgres] [--blobs files] [--senders 6]

A real ``mailward serve`` with two workers takes mail by SMTP while IMAP clients list, flag and move, and a JMAP client
lists and flags. Every second a random worker gets SIGKILL; the supervisor starts another. A mail counts as acknowledged
when 250 came back, and is looked for by the id that the answer named. Prints the counts; ends with 1 when any is wrong.
"""

import argparse
import base64
import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from imapclient import IMAPClient  # type: ignore[import-untyped]
from imapclient.exceptions import IMAPClientError  # type: ignore[import-untyped]

from gateway.dns.zone import Zone
from tests.support import postgres
from tests.support.gateway import PASSWORD, Gateway, dns_server, serving
from tests.support.letters import letter
from tests.support.sending import send_once

USER = "ana@example.com"
READY_S = 60.0  #: for a worker to be ready after the last kill
FOLDERS = ("INBOX", "Junk", "Archive")
LARGE = "Minutes of the meeting, line by line, as they were taken.\n" * 3_000
ZONE = Zone.of(
    {
        "partner.example": {"MX": ["10 mx.partner.example"], "TXT": ["v=spf1 ip4:127.0.0.0/8 -all"]},
        "mx.partner.example": {"A": ["127.0.0.1"]},
    }
)


@dataclass(slots=True)
class Counts:
    """What happened, and what was found afterwards."""

    seconds: float = 0.0
    kills: int = 0
    sent: int = 0  #: tries to send a mail
    acknowledged: int = 0
    unanswered: int = 0  #: tries that ended without an answer, or with 4xx
    listed: int = 0  #: by IMAP and JMAP clients
    flagged: int = 0
    moved: int = 0
    disconnected: int = 0  #: of IMAP and JMAP clients
    found: int = 0
    missing: int = 0  #: acknowledged and not there
    twice: int = 0
    fsck: str = ""

    @property
    def is_good(self) -> bool:
        return not self.missing and not self.twice and "sound" in self.fsck and self.acknowledged > 0


@dataclass(slots=True)
class Load:
    """Clients in threads, until told to stop."""

    gateway: Gateway
    counts: Counts
    acknowledged: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)
    stop: threading.Event = field(default_factory=threading.Event)

    def count(self, **more: int) -> None:
        with self.lock:
            for name, value in more.items():
                setattr(self.counts, name, getattr(self.counts, name) + value)

    def send(self, number: int) -> None:
        """New mails one after another, each once: what got no answer may be there or not."""
        turn = 0
        while not self.stop.is_set():
            turn += 1
            octets = letter(f"mail {number}.{turn}", LARGE if turn % 10 == 0 else "").as_bytes()
            self.count(sent=1)
            try:
                reception = send_once(self.gateway.listen["smtp"], octets)
            except OSError:
                self.count(unanswered=1)
                self.stop.wait(0.05)
                continue
            with self.lock:
                self.acknowledged.add(reception)

    def read(self, number: int) -> None:
        """An IMAP client: lists the newest, flags some, moves some to the archive; comes back when it was cut off."""
        chance = random.Random(number)
        while not self.stop.is_set():
            try:
                with signed_in(self.gateway) as client:
                    while not self.stop.is_set():
                        self._visit(client, chance)
                        self.stop.wait(0.1)
            except (OSError, IMAPClientError):
                self.count(disconnected=1)
                self.stop.wait(0.1)

    def _visit(self, client: IMAPClient, chance: random.Random) -> None:
        client.select_folder("INBOX")
        newest = client.search("ALL")[-50:]
        if not newest:
            return
        client.fetch(newest, ["FLAGS", "ENVELOPE"])
        self.count(listed=1)
        client.add_flags(chance.sample(newest, min(5, len(newest))), [b"\\Seen"])
        self.count(flagged=1)
        with contextlib.suppress(IMAPClientError):  # the other client may have moved it first
            client.move(chance.sample(newest, min(3, len(newest))), "Archive")
            self.count(moved=1)

    def ask(self, number: int) -> None:
        """A JMAP client: the newest mails of the account, and a flag on one."""
        host, port = self.gateway.listen["http"]
        while not self.stop.is_set():
            try:
                session = _json(f"http://{host}:{port}/jmap/session", None)
                account = session["primaryAccounts"]["urn:ietf:params:jmap:mail"]
                found = _json(f"http://{host}:{port}/jmap/api", _query(account))["methodResponses"]
                self.count(listed=1)
                ids = found[0][1]["ids"]
                if ids:
                    _json(f"http://{host}:{port}/jmap/api", _flag(account, random.choice(ids)))
                    self.count(flagged=1)
                self.stop.wait(0.1)
            except (OSError, ValueError, urllib.error.URLError):
                self.count(disconnected=1)
                self.stop.wait(0.1)


def _json(url: str, body: object) -> dict:  # type: ignore[type-arg]
    token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
    data = json.dumps(body).encode() if body is not None else None
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=20) as answer:
        found: dict = json.load(answer)  # type: ignore[type-arg]
        return found


def _call(account: str, *calls: list[object]) -> dict[str, object]:
    return {"using": ["urn:ietf:params:jmap:core", "urn:ietf:params:jmap:mail"], "methodCalls": list(calls)}


def _query(account: str) -> dict[str, object]:
    newest = {"accountId": account, "sort": [{"property": "receivedAt", "isAscending": False}], "limit": 50}
    wanted = {"accountId": account, "#ids": {"resultOf": "0", "name": "Email/query", "path": "/ids"},
              "properties": ["subject", "keywords"]}  # fmt: skip
    return _call(account, ["Email/query", newest, "0"], ["Email/get", wanted, "1"])


def _flag(account: str, email: str) -> dict[str, object]:
    return _call(account, ["Email/set", {"accountId": account, "update": {email: {"keywords/$flagged": True}}}, "0"])


@contextlib.contextmanager
def signed_in(gateway: Gateway) -> Iterator[IMAPClient]:
    """Nobody listens while all workers are being replaced, so this waits for one."""
    until = time.monotonic() + READY_S
    while True:
        try:
            client = IMAPClient(*gateway.listen["imap"], ssl=False, timeout=60)
            break
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
    with client:
        client.login(USER, PASSWORD)
        yield client


def kill_for(load: Load, seconds: float, every_s: float) -> None:
    """Kill a random worker again and again."""
    chance = random.Random(1)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(every_s)
        workers = load.gateway.worker_pids()
        if workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(chance.choice(workers), signal.SIGKILL)
                load.counts.kills += 1


def look_for(gateway: Gateway) -> Counter[str]:
    """Reception ids of all mails of the account, as an IMAP client sees them."""
    found: Counter[str] = Counter()
    wanted = "BODY.PEEK[HEADER.FIELDS (X-Mailward-Id)]"
    for folder in FOLDERS:
        with signed_in(gateway) as client:
            client.select_folder(folder, readonly=True)
            uids = client.search("ALL")
            for start in range(0, len(uids), 500):
                for row in client.fetch(uids[start : start + 500], [wanted]).values():
                    found[row[b"BODY[HEADER.FIELDS (X-MAILWARD-ID)]"].decode().split(":")[1].strip()] += 1
    return found


def torment(
    folder: Path, dns: str, seconds: float, *, url: str = "", blobs: str = "", senders: int = 6, every_s: float = 1.0
) -> Counts:
    """Serve, load, kill, and look; stops everything it started."""
    store = f'[store]\nurl = "{url}"\nblobs = "{blobs}"\n[model]\nlanguage = false\n'
    counts = Counts(seconds=seconds)
    with serving(folder, dns, workers=2, more=store) as gateway:
        gateway.add_user(USER)
        load = Load(gateway, counts)
        clients: list[tuple[Callable[[int], None], int]] = [(load.send, senders), (load.read, 2), (load.ask, 1)]
        threads = [threading.Thread(target=act, args=(number,)) for act, many in clients for number in range(many)]
        for thread in threads:
            thread.start()
        try:
            kill_for(load, seconds, every_s)
        finally:
            load.stop.set()
            for thread in threads:
                thread.join(90)
        found = look_for(gateway)
        counts.acknowledged, counts.found = len(load.acknowledged), len(found)
        counts.missing = len(load.acknowledged - found.keys())
        counts.twice = sum(many > 1 for many in found.values())
        done = gateway.command("fsck", check=False)
        counts.fsck = (done.stdout + done.stderr).strip().splitlines()[-1] if done.stdout + done.stderr else "silent"
    return counts


@contextlib.contextmanager
def database(kind: str) -> Iterator[str]:
    """The URL of a new store of this kind; "" is the default, SQLite in the server's folder."""
    if kind != "postgres":
        yield ""
        return
    reason = postgres.missing()
    if reason is not None:
        sys.exit(reason)
    with postgres.running() as server:
        yield server.new_database()


def main() -> None:
    parser = argparse.ArgumentParser(description="Kill a worker every second under load, and look what is left.")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--blobs", choices=["store", "files"], default="store", help="where mails over 64 KiB are")
    parser.add_argument("--senders", type=int, default=6)
    parser.add_argument("--folder", type=Path, help="where to put the data (default: the temporary folder)")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(dir=given.folder) as made,
        dns_server(ZONE) as dns,
        database(given.store) as url,
    ):
        blobs = "files:blobs" if given.blobs == "files" else ""
        counts = torment(Path(made), dns, given.seconds, url=url, blobs=blobs, senders=given.senders)
    if given.json:
        print(json.dumps({"store": given.store, "blobs": given.blobs, **asdict(counts)}))
    else:
        for name, value in asdict(counts).items():
            print(f"{name:<14}{value}")
    sys.exit(0 if counts.is_good else 1)


if __name__ == "__main__":
    main()
