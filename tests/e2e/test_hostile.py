"""A real server with one worker takes hostile mails one after another, and everybody else is served meanwhile."""

import threading
import time
from pathlib import Path

import pytest

from tests.e2e.test_malformed import stuffed
from tests.hostile.cases import GROUPS
from tests.support.gateway import Gateway, serving
from tests.support.letters import letter

HOSTILE = (
    *("50 ARC sets, 25 MB body", "a From of dots", "100,000 header lines", "3,000 MIME levels", "100,000 attachments"),
    *("25 MB of base64", "10 MB of uuencode", "1 MB of combining marks", "1 MB of U+FDFA", "5 MB of nested <div>"),
    *("digits of an entity", "<![foo bar", "twenty large pages", "forty zips of 9,000 zips", "a zip bomb of 1 GB"),
    *("a PDF of 8 MB of /URI (", "an attached page of base64", "four RGBA PNGs of 16 megapixels"),
    "four PNGs full of finder patterns",
)
#: Seconds by the clock, on a machine that runs other tests beside this one.
ANSWERED_S = 10.0
GREETED_S = 3.0
MEMORY_MB = 300


def peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def post(gateway: Gateway, octets: bytes) -> tuple[float, float, int]:
    """Send one mail; seconds to the greeting and from the last dot to the reply, and its code."""
    started = time.monotonic()
    with gateway.smtp() as client:
        client.ehlo("mx.partner.example")
        greeted = time.monotonic() - started
        client.mail("bob@partner.example")
        assert client.rcpt("ana@example.com")[0] == 250
        assert client.docmd("DATA")[0] == 354
        client.send(stuffed(octets))
        started = time.monotonic()
        client.send(b".\r\n")
        code, _ = client.getreply()
        return greeted, time.monotonic() - started, code


@pytest.mark.timeout(400)
def test_others_are_served_while_hostile_mail_is_judged(tmp_path: Path, dns: str) -> None:
    mails = {name: make() for group in GROUPS.values() for name, make in group.items() if name in HOSTILE}
    assert set(mails) == set(HOSTILE)
    codes: dict[str, int] = {}
    with serving(tmp_path, dns, more="[model]\nlanguage_share = 1.0\ndoubt = [0.0, 1.0]") as gateway:
        gateway.add_user("ana@example.com")
        post(gateway, letter("The first one").as_bytes())
        (worker,) = gateway.worker_pids()
        before = peak_mb(worker)

        def attack() -> None:
            for name, octets in mails.items():
                codes[name] = post(gateway, octets)[2]

        attacker = threading.Thread(target=attack)
        attacker.start()
        others = []
        while attacker.is_alive():
            others.append(post(gateway, letter(f"Minutes {len(others)}").as_bytes()))
        attacker.join()
        grown = peak_mb(worker) - before
        greeted, answered = max(one[0] for one in others), max(one[1] for one in others)
        print(f"{len(others)} mails beside: greeted {greeted:.2f} s, answered {answered:.2f} s; {grown:.0f} MB")
        assert codes == dict.fromkeys(mails, 250)
        assert {one[2] for one in others} == {250} and len(others) >= 5
        assert greeted < GREETED_S and answered < ANSWERED_S and grown < MEMORY_MB
        assert (worker,) == tuple(gateway.worker_pids())
        assert gateway.failures() == []
