"""The memory that a mail of 50 MB takes on its way: through the store, in by SMTP, out by IMAP; one JSON object.

    python -m benchmarks.large_message [--megabytes 50] [--rounds 3]

``store``: a process streams such blobs in (``stage_stream``) and out (``open``) of SQLite. ``smtp_in`` and
``imap_out``: the worker of a real ``mailward serve``. The figures are the resident set in MB: before, at its highest
(the kernel's own mark, so no peak is missed), and afterwards. Up to 256 MB of the store's file are mapped and count as
resident as long as the machine has room; ``own`` is without them (RssAnon, looked at every 5 ms).
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator
from pathlib import Path

from imapclient import IMAPClient  # type: ignore[import-untyped]

from benchmarks.kill_workers import USER, ZONE, signed_in
from store.blob.view import Blobs
from store.changes.announce import Announcer
from store.changes.engine import Store, StoreTxn
from store.kv.opening import open_kv
from tests.support.gateway import Gateway, dns_server, serving
from tests.support.letters import letter
from tests.support.sending import send_once

_MEGABYTE = 1_000_000


class Meter:
    """Resident memory of a process from now on, in MB."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # the highest so far is what is now
        self._before, self._own_before = self._read("VmRSS"), self._read("RssAnon")
        self._own_highest = self._own_before
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(0.005):
            self._own_highest = max(self._own_highest, self._read("RssAnon"))

    def _read(self, name: str) -> int:
        line = next(line for line in self._status.read_text().splitlines() if line.startswith(name))
        return round(int(line.split()[1]) * 1024 / _MEGABYTE)

    def result(self) -> dict[str, int]:
        self._stop.set()
        self._thread.join()
        return {
            "before": self._before,
            "highest": self._read("VmHWM"),
            "after": self._read("VmRSS"),
            "own_before": self._own_before,
            "own_highest": self._own_highest,
            "own_after": self._read("RssAnon"),
        }


async def _pieces(seed: int, megabytes: int) -> AsyncIterator[bytes]:
    for number in range(megabytes):
        yield b"%d.%d\r\n" % (seed, number) + os.urandom(_MEGABYTE // 2) + bytes(_MEGABYTE // 2)


async def through_store(megabytes: int, rounds: int) -> dict[str, int]:
    """In and out of a store in this process, as a stream."""
    with tempfile.TemporaryDirectory() as folder:
        kv = await open_kv(f"sqlite:{folder}/store")
        store = Store(kv, Blobs(kv), Announcer())
        await store.write(lambda txn: txn.touch())
        meter = Meter(os.getpid())
        for seed in range(rounds):
            staged = await store.blobs.stage_stream(_pieces(seed, megabytes), 2 * megabytes * _MEGABYTE)

            def link(txn: StoreTxn, staged=staged) -> None:  # type: ignore[no-untyped-def]
                txn.link(txn.keep(staged), b"benchmark")

            await store.write(link)
            octets = 0
            async for piece in store.blobs.open(staged.id):
                octets += len(piece)
            assert octets == staged.size
        found = meter.result()
        await store.close()
    return found


def _letter(number: int, megabytes: int) -> bytes:
    message = letter(f"large {number}", "The plans are attached.\n")
    message.add_attachment(os.urandom(megabytes * _MEGABYTE * 72 // 100), maintype="application", subtype="zip")
    return message.as_bytes()


def through_gateway(gateway: Gateway, megabytes: int, rounds: int) -> dict[str, dict[str, int]]:
    """In by SMTP, out by IMAP, of a running server with one worker."""
    gateway.add_user(USER)
    address = gateway.listen["smtp"]
    send_once(address, letter("warm up").as_bytes())
    [worker] = gateway.worker_pids()
    meter = Meter(worker)
    for number in range(rounds):
        send_once(address, _letter(number, megabytes))
    found = {"smtp_in": meter.result()}
    with signed_in(gateway) as client:
        large = _largest(client)
        meter = Meter(worker)
        for _ in range(rounds):
            [row] = client.fetch([large], ["BODY.PEEK[]"]).values()
            assert len(row[b"BODY[]"]) > megabytes * _MEGABYTE * 9 // 10
        found["imap_out"] = meter.result()
    return found


def _largest(client: IMAPClient) -> int:
    for folder in ("INBOX", "Junk"):
        client.select_folder(folder)
        uids: list[int] = client.search(["LARGER", str(_MEGABYTE)])
        if uids:
            return uids[0]
    raise AssertionError("the large mails are nowhere")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the memory that large mail takes.")
    parser.add_argument("--megabytes", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps(asyncio.run(through_store(given.megabytes, given.rounds))))
        return
    options = ["--megabytes", str(given.megabytes), "--rounds", str(given.rounds), "--child"]
    child = [sys.executable, "-m", "benchmarks.large_message", *options]
    found = {"store": json.loads(subprocess.run(child, check=True, stdout=subprocess.PIPE).stdout.splitlines()[-1])}
    with tempfile.TemporaryDirectory() as folder, dns_server(ZONE) as dns, serving(Path(folder), dns) as gateway:
        found |= through_gateway(gateway, given.megabytes, given.rounds)
    print(json.dumps({"megabytes": given.megabytes, "rounds": given.rounds, **found}))


if __name__ == "__main__":
    main()
