"""A worker killed in the middle of 2,000 deliveries: what was answered 250 is there exactly once, and fsck is clean."""

import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path

from imapclient import IMAPClient

from tests.support.gateway import PASSWORD, serving
from tests.support.letters import letter
from tests.support.sending import send_once

MAILS = 2_000
SENDERS = 8


def deliver(address: tuple[str, int], numbers: list[int], acknowledged: set[str], lock: threading.Lock) -> None:
    """Send each mail until it is acknowledged, over a new connection after each failure, as a real MTA would."""
    for number in numbers:
        octets = letter(f"number {number}").as_bytes()
        for _ in range(40):
            try:
                reception = send_once(address, octets)
            except OSError:
                time.sleep(0.05)
                continue
            with lock:
                acknowledged.add(reception)
            break
        else:
            raise AssertionError(f"mail {number} was never taken")


def test_a_killed_worker_loses_no_acknowledged_mail_and_delivers_none_twice(tmp_path: Path, dns: str) -> None:
    with serving(tmp_path, dns, workers=2) as gateway:
        gateway.add_user("ana@example.com")
        acknowledged: set[str] = set()
        lock = threading.Lock()
        shares = [list(range(start, MAILS, SENDERS)) for start in range(SENDERS)]
        senders = [
            threading.Thread(target=deliver, args=(gateway.listen["smtp"], share, acknowledged, lock))
            for share in shares
        ]
        for sender in senders:
            sender.start()
        killed = 0
        for mark in (MAILS // 4, MAILS // 2, MAILS * 3 // 4):
            while len(acknowledged) < mark and any(sender.is_alive() for sender in senders):
                time.sleep(0.01)
            os.kill(gateway.worker_pids()[killed % 2], signal.SIGKILL)
            killed += 1
        for sender in senders:
            sender.join(90)
            assert not sender.is_alive()
        host, port = gateway.listen["imap"]
        with IMAPClient(host, port, ssl=False, timeout=60) as client:
            client.login("ana@example.com", PASSWORD)
            found: Counter[str] = Counter()
            for folder in ("INBOX", "Junk"):
                client.select_folder(folder)
                uids = client.search("ALL")
                for row in client.fetch(uids, ["BODY.PEEK[HEADER.FIELDS (X-Mailward-Id)]"]).values() if uids else ():
                    found[row[b"BODY[HEADER.FIELDS (X-MAILWARD-ID)]"].decode().split(":")[1].strip()] += 1
        missing = acknowledged - found.keys()
        twice = [reception for reception, count in found.items() if count > 1]
        print(f"{killed} workers killed, {len(acknowledged)} acknowledged, {len(found)} found,")
        print(f"{len(missing)} missing, {len(twice)} twice")
        assert len(acknowledged) == MAILS and killed == 3
        assert missing == set() and twice == []
        assert "sound" in gateway.command("fsck").stdout


def test_workers_stop_when_their_supervisor_is_killed_and_the_store_can_be_served_again(
    tmp_path: Path, dns: str
) -> None:
    with serving(tmp_path, dns, workers=2) as gateway:
        gateway.add_user("ana@example.com")
        workers = gateway.worker_pids()
        assert len(workers) == 2
        gateway.process.kill()
        gateway.process.wait(10)
        deadline = time.monotonic() + 30
        while any(is_running(pid) for pid in workers):
            assert time.monotonic() < deadline, "a worker outlived its supervisor"
            time.sleep(0.05)
    with serving(tmp_path, dns) as gateway:
        send_once(gateway.listen["smtp"], letter("after the fall").as_bytes())


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
