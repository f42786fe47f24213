"""Two nodes, with nothing in common but a PostgreSQL and an S3: one wakes the other's readers, work is done once."""

import asyncio
import json
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from imapclient import IMAPClient

from gateway.main.work import UPKEEP_S
from tests.gateway.outbound.sink import Sink, sink
from tests.support.gateway import CONFIG, PASSWORD, Gateway, serving
from tests.support.letters import letter
from tests.support.postgres import Server as PostgresServer
from tests.support.s3 import S3Server

MORE = """
[domain."relayed.example"]
deliver = "smtp:127.0.0.1:{port}"

[store]
url = "{url}"
{blobs}
"""
LETTERS = 12


@dataclass(frozen=True, slots=True)
class Nodes:
    one: Gateway
    two: Gateway
    next_host: Sink

    @property
    def both(self) -> tuple[Gateway, Gateway]:
        return self.one, self.two


@contextmanager
def _next_host() -> Iterator[Sink]:
    """A host to relay to, in a thread with a loop of its own."""
    ready: list[Sink] = []
    started, stopping = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def run() -> None:
        loops.append(asyncio.get_running_loop())
        async with sink() as host:
            ready.append(host)
            started.set()
            await stopping.wait()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield ready[0]
    finally:
        loops[0].call_soon_threadsafe(stopping.set)
        thread.join(10)


@contextmanager
def two_nodes(folder: Path, dns: str, url: str, blobs: str = "") -> Iterator[Nodes]:
    """Two ``mailward serve`` with separate folders and ports on one store."""
    with ExitStack() as stack:
        host = stack.enter_context(_next_host())
        nodes = []
        for name in ("one", "two"):
            place = folder / name
            place.mkdir()
            more = MORE.format(port=host.port, url=url, blobs=blobs)
            (place / "mailward.toml").write_text(CONFIG.format(workers=1, dns=dns, limits="", more=more))
            nodes.append(stack.enter_context(serving(place, dns)))
            if name == "one":
                nodes[0].add_user("ana@example.com")
                nodes[0].add_user("admin@example.com", "--admin")
        yield Nodes(nodes[0], nodes[1], host)
        for node in nodes:
            assert node.failures() == []


@pytest.fixture(scope="module")
def nodes(
    tmp_path_factory: pytest.TempPathFactory, dns: str, postgres_server: PostgresServer, s3_server: S3Server
) -> Iterator[Nodes]:
    blobs = f'blobs = "{s3_server.url()}"\ns3_credentials = "{s3_server.credentials()}"'
    with two_nodes(tmp_path_factory.mktemp("nodes"), dns, postgres_server.new_database(), blobs) as running:
        yield running


def _send(node: Gateway, subject: str, to: str) -> None:
    with node.smtp() as client:
        assert client.sendmail("bob@partner.example", [to], letter(subject).as_bytes()) == {}


@contextmanager
def _idling(node: Gateway) -> Iterator[IMAPClient]:
    host, port = node.listen["imap"]
    with IMAPClient(host, port, ssl=False, timeout=60) as reader:
        reader.login("ana@example.com", PASSWORD)
        reader.select_folder("INBOX")
        reader.idle()
        yield reader
        reader.idle_done()


def test_a_mail_delivered_at_one_node_wakes_an_idle_reader_of_the_other(nodes: Nodes) -> None:
    """Without hints a reader looks for itself every 30 seconds."""
    waits = []
    with _idling(nodes.two) as reader:
        for number in range(LETTERS):
            _send(nodes.one, f"number {number}", "ana@example.com")
            answered = time.monotonic()
            assert reader.idle_check(timeout=60)
            waits.append(time.monotonic() - answered)
            while reader.idle_check(timeout=0.05):
                pass  # the rest of what one mail says
    print(f"from the 250 at one node to the IDLE of the other: median {statistics.median(waits) * 1000:.0f} ms, "
          f"longest {max(waits) * 1000:.0f} ms")  # fmt: skip
    assert statistics.median(waits) < 1.0
    assert max(waits) < 10.0


def test_a_large_mail_taken_by_one_node_is_read_at_the_other(nodes: Nodes) -> None:
    """Its octets are in the bucket, which both read."""
    octets = letter("the large one", "a line of a large mail\n" * 20_000).as_bytes()
    with nodes.one.smtp() as client:
        client.sendmail("bob@partner.example", ["ana@example.com"], octets)
    host, port = nodes.two.listen["imap"]
    with IMAPClient(host, port, ssl=False, timeout=60) as reader:
        reader.login("ana@example.com", PASSWORD)
        found = []
        for folder in ("INBOX", "Junk"):
            reader.select_folder(folder)
            found += [reader.fetch([uid], ["BODY.PEEK[TEXT]"])[uid] for uid in reader.search(["SUBJECT", "large one"])]
    assert [row[b"BODY[TEXT]"].count(b"a line of a large mail") for row in found] == [20_000]


def test_jobs_are_done_once_whichever_node_took_the_mail(nodes: Nodes) -> None:
    wanted = Counter(f"r{number}@relayed.example" for number in range(2 * LETTERS))
    for number, recipient in enumerate(wanted):
        _send(nodes.both[number % 2], f"number {number}", recipient)
    until = time.monotonic() + 60
    while len(nodes.next_host.mails) < len(wanted) and time.monotonic() < until:
        time.sleep(0.02)
    assert Counter(mail[1][0] for mail in nodes.next_host.mails) == wanted
    listed = [json.loads(line) for line in nodes.two.command("queue", "list", "--json").stdout.splitlines()]
    assert [row for row in listed if row["kind"] == "relay"] == []
    by = [Counter(row["rcpt"] for row in node.logged() if row["event"] == "relay.delivered") for node in nodes.both]
    assert by[0] + by[1] == wanted


def test_upkeep_is_one_job_for_all_nodes(nodes: Nodes) -> None:
    listed = [json.loads(line) for line in nodes.one.command("queue", "list", "--json").stdout.splitlines()]
    upkeep = Counter(row["id"] for row in listed if row["id"] == row["kind"])
    assert upkeep["sweep-expired"] == 1
    assert set(upkeep.values()) == {1}
    assert UPKEEP_S >= 60


def test_who_signed_in_at_one_node_is_known_at_the_other(nodes: Nodes) -> None:
    """As behind a balancer: the session is in the store, and so is the secret of its forms."""
    first, second = (f"http://{host}:{port}" for host, port in (node.listen["http"] for node in nodes.both))
    with httpx.Client(follow_redirects=True, timeout=60) as browser:
        page = browser.get(f"{first}/login").text
        token = page.split('name="csrf" value="')[1].split('"')[0]
        form = {"csrf": token, "login": "admin@example.com", "password": PASSWORD, "next": "/queue"}
        assert browser.post(f"{second}/login", data=form).url.path == "/queue"
        assert browser.get(f"{first}/queue").url.path == "/queue"


def test_the_store_of_both_is_sound(nodes: Nodes) -> None:
    assert "sound" in nodes.one.command("fsck").stdout
