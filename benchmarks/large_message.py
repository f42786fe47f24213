"""The memory that a mail of 50 MB takes in a worker: in by SMTP, out by IMAP; one JSON object.

    python -m benchmarks.large_message [--megabytes 50] [--rounds 3]

The worker of a real ``mailward serve`` with one worker. The figures are its resident set in MB: before, at its highest
(the kernel's own mark, so no peak is missed), and afterwards. Up to 256 MB of the store's file are mapped and count as
resident as long as the machine has room; ``own`` is without them (RssAnon, looked at every 5 ms), ``own_settled`` some
quiet seconds later, when the worker has given back what it could. The store alone is measured by
``benchmarks.blob_memory``.
"""

import argparse
import json
import os
import tempfile
import threading
import time
from pathlib import Path

from imapclient import IMAPClient  # type: ignore[import-untyped]

from benchmarks.kill_workers import USER, ZONE, signed_in
from gateway.main.memory import QUIET_S
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

    def own(self) -> int:
        return self._read("RssAnon")

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
    time.sleep(QUIET_S + 3.0)
    found["smtp_in"] |= {"own_settled": meter.own()}
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
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, dns_server(ZONE) as dns, serving(Path(folder), dns) as gateway:
        found = through_gateway(gateway, given.megabytes, given.rounds)
    print(json.dumps({"megabytes": given.megabytes, "rounds": given.rounds, **found}))


if __name__ == "__main__":
    main()
