"""A real server among servers that lie, refuse, hang or talk nonsense: nothing of it is read as a listing or a failure,
and nothing of it holds a mail up for long.
"""

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from tests.e2e.test_one_message import send
from tests.support import dns_servers
from tests.support.dns_servers import FixtureZone
from tests.support.gateway import Gateway, serving
from tests.support.letters import letter

SIGNATURE = (
    "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s=sel; h=from:to:subject;\r\n"
    " bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n b=" + "QUJD" * 86 + "\r\n"
)


def told(gateway: Gateway, reception: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gateway.command("explain", reception, "--json").stdout)
    return found


def signals(of: dict[str, Any]) -> set[str]:
    return {reason["signal"] for reason in of["reasons"]}


@contextmanager
def datagram_server(answer: Callable[[bytes], list[bytes]]) -> Iterator[str]:
    """A UDP server that answers each datagram with what ``answer`` gives; "host:port"."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                try:
                    octets, client = sock.recvfrom(65_535)
                except OSError:
                    return
                if not octets:
                    return
                for reply in answer(octets):
                    sock.sendto(reply, client)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        address = sock.getsockname()
        yield f"{address[0]}:{address[1]}"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", address)
        thread.join(5)


def lie(octets: bytes) -> list[bytes]:
    """What a DNS server answers depends on the domain that it is asked about."""
    query = dns.message.from_wire(octets)
    name = query.question[0].name
    labels = name.to_text(omit_final_dot=True).split(".")
    reply = dns.message.make_response(query)
    reply.flags |= dns.flags.RA
    kind = labels[-2] if len(labels) > 1 else ""
    record = dns.rrset.from_text(name, 300, "IN", "TXT", '"v=spf1 -all"')
    match kind:
        case "broken":
            reply.set_rcode(dns.rcode.SERVFAIL)
        case "refusing":
            reply.set_rcode(dns.rcode.REFUSED)
        case "garbage":
            return [octets[:2] + b"\xff" * 40]
        case "empty":
            return [octets[:2]]
        case "forger":  # an answer that somebody else sends, to another question
            reply.id ^= 1
            reply.answer.append(record)
        case "stranger":  # an answer about another name
            other = dns.message.make_response(dns.message.make_query("victim.test.", "TXT"))
            other.id = query.id
            other.answer.append(dns.rrset.from_text("victim.test.", 300, "IN", "TXT", '"v=spf1 -all"'))
            return [other.to_wire()]
        case "cut":  # and nobody answers by TCP
            reply.flags |= dns.flags.TC
        case "silent":
            return []
        case _:
            reply.set_rcode(dns.rcode.NXDOMAIN)
    return [reply.to_wire()]


@pytest.fixture(scope="module")
def lied_to(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with datagram_server(lie) as server:
        more = "queries_per_mail = 40\nseconds_per_mail = 4.0"
        with serving(tmp_path_factory.mktemp("lies"), server, more=more) as running:
            running.add_user("ana@example.com")
            yield running
            assert running.failures() == []


@pytest.mark.parametrize("kind", ["broken", "refusing", "garbage", "empty", "forger", "stranger", "cut", "silent"])
def test_a_dns_server_that_does_not_say_is_never_a_failure_of_the_sender(lied_to: Gateway, kind: str) -> None:
    domain = f"{kind}.test"
    mail = letter(f"The notes of {kind}", sender=f"Bob <bob@{domain}>").as_bytes()
    started = time.monotonic()
    reception = send(lied_to, SIGNATURE.format(domain=domain).encode() + mail, sender=f"bob@{domain}")
    found = told(lied_to, reception)
    assert time.monotonic() - started < 20
    auth = found["auth"]
    assert auth["spf_mailfrom"]["result"] == "temperror"
    assert [one["result"] for one in auth["dkim"]] == ["temperror"]
    assert auth["dmarc"]["result"] == "temperror" and not auth["dmarc"]["disposition"]
    assert found["action"] in ("accept", "junk")
    assert not [name for name in signals(found) if name.endswith((".fail", ".softfail", ".permerror"))]


LISTS = """
[dnslists]
use = ["mine", "mute"]
seconds_per_mail = 1.0

[dnslists.own.mine]
zone = "bl.test"
asks = ["client"]
answers = { "127.0.0.2" = "client-spam", "127.0.0.4" = "client-compromised" }
refused = ["127.0.0.1"]

[dnslists.own.mute]
zone = "mute.test"
asks = ["client"]
answers = { "127.0.0.2" = "client-spam" }
"""
ANSWERS = {
    "198.51.100.1": ({"dnslist.client-spam"}, "A 127.0.0.2"),
    "198.51.100.2": ({"dnslist.client-spam", "dnslist.client-compromised"}, "A 127.0.0.2", "A 127.0.0.4"),
    "198.51.100.3": (set(), "A 127.0.0.99"),
    "198.51.100.4": (set(),),
    "198.51.100.5": ({"dnslist.refused"}, "A 127.255.255.254"),
    "198.51.100.6": ({"dnslist.refused"}, "A 127.255.255.252", "A 127.0.0.2"),
    "198.51.100.7": ({"dnslist.refused"}, "A 127.0.0.1"),
    "198.51.100.8": ({"dnslist.refused"}, "A 203.0.113.80"),
}


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Knot serves a block list, Unbound is asked for it; the other list's servers are silent."""
    if (reason := dns_servers.missing()) is not None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    records = "".join(
        f"{'.'.join(reversed(ip.split('.')))} {record}\n" for ip, (_, *some) in ANSWERS.items() for record in some
    )
    zones = {"bl.test": FixtureZone(records), "friend.test": FixtureZone('@ TXT "v=spf1 -all"\n')}

    def folder(name: str) -> Path:
        return tmp_path_factory.mktemp(name)

    with (
        dns_servers.silent_server() as silent,
        dns_servers.authority(zones, folder("knot")) as knot,
        dns_servers.resolver(
            zones, knot, folder("unbound"), validates=False, elsewhere={"mute.test": silent}
        ) as unbound,
        serving(folder("lists"), f"{unbound.host}:{unbound.port}", more="queries_per_mail = 20\n" + LISTS) as running,
    ):
        running.add_user("ana@example.com")
        yield running
        assert running.failures() == []


@pytest.mark.parametrize("ip", ANSWERS)
def test_what_a_block_list_answers_is_read_as_it_is_meant(listed: Gateway, ip: str) -> None:
    found = told(listed, send(listed, letter(f"From {ip}").as_bytes(), ip=ip))
    seen = {name for name in signals(found) if name.startswith("dnslist.")}
    assert seen == {"dnslist.unreachable", *ANSWERS[ip][0]}, "the mute list must only be called unreachable"
    weights = {reason["signal"]: reason["nats"] for reason in found["reasons"]}
    assert weights["dnslist.unreachable"] == 0.0 and weights.get("dnslist.refused", 0.0) == 0.0
    assert found["ms"]["sources"] < 5_000


class Nonsense:
    """A Pyzor server's answers, by turns, in the thread of each question, so that they are not dropped unread."""

    def __init__(self) -> None:
        self.turn = 0

    def __call__(self, octets: bytes) -> list[bytes]:
        thread = next((line for line in octets.split(b"\n") if line.startswith(b"Thread:")), b"Thread: 1")
        ok = b"Code: 200\nDiag: OK\nPV: 2.1\n" + thread + b"\n"
        answers = [
            b"\xff\xfe\0garbage",
            ok + b"Count: " + b"9" * 5_000 + b"\nWL-Count: 0\n\n",
            ok + b"Count: many\nWL-Count: some\n\n",
            b"Code: 400\nDiag: Go away\nPV: 2.1\n" + thread + b"\n\n",
            ok + b"\n",
            b"",
        ]
        answer = answers[self.turn % len(answers)]
        self.turn += 1
        return [answer] if answer else []


def test_pyzor_servers_that_talk_nonsense_or_nothing_list_nobody(tmp_path: Path, dns: str) -> None:
    nonsense = Nonsense()
    with datagram_server(nonsense) as server:
        more = f'[pyzor]\nservers = ["{server}"]\ntimeout_s = 0.5'
        with serving(tmp_path, dns, more=more) as gateway:
            gateway.add_user("ana@example.com")
            for number in range(6):
                body = f"A long text number {number} about the garden, the river and the plan. " * 8
                found = told(gateway, send(gateway, letter(f"Garden {number}", body).as_bytes()))
                assert "pyzor.listed" not in signals(found) and "pyzor.whitelisted" not in signals(found)
                assert "pyzor.unreachable" in signals(found), f"answer {number}"
                assert found["action"] == "accept"
            assert nonsense.turn == 6
            assert gateway.failures() == []


def attempt(gateway: Gateway, sender: str, octets: bytes, to: str = "ana@example.com", ip: str = "203.0.113.9") -> int:
    """The code of the first reply that is not 2xx, or of the last one."""
    with gateway.smtp() as client:
        client.ehlo("proxy.example")
        client.docmd("XCLIENT", f"ADDR={ip} HELO=mx.stranger.test")
        client.ehlo("mx.stranger.test")
        for step in (lambda: client.mail(sender), lambda: client.rcpt(to)):
            if (code := step()[0]) != 250:
                return code
        return client.data(octets)[0]


def test_a_stranger_is_asked_to_come_again_and_is_known_afterwards(tmp_path: Path, dns: str) -> None:
    more = "[greylist]\nenabled = true\nfrom_probability = 0.001\nwait_s = 1"
    with serving(tmp_path, dns, more=more, workers=2) as gateway:
        gateway.add_user("ana@example.com")
        mail = letter("The garden", sender="Eve <eve@stranger.test>").as_bytes()
        started = time.monotonic()
        assert attempt(gateway, "eve@stranger.test", mail) == 451
        assert attempt(gateway, "mallory@stranger.test", mail) == 451, "another sender has not come before"
        tries = 1
        while (code := attempt(gateway, "eve@stranger.test", mail)) == 451 and time.monotonic() - started < 30:
            tries += 1
        assert code == 250 and time.monotonic() - started >= 1.0
        second = letter("The river", sender="Eve <eve@stranger.test>").as_bytes()
        assert attempt(gateway, "eve@stranger.test", second) == 250, "who came back is not asked again"
        assert attempt(gateway, "eve@stranger.test", second, ip="192.0.2.99") == 451, "another network is"
        lines = [json.loads(line) for line in gateway.command("audit", "list", "--json").stdout.splitlines()]
        assert lines and gateway.failures() == []


def test_limits_an_hour_hold_over_all_workers(tmp_path: Path, dns: str) -> None:
    more = "[rates]\nnetwork = 8\nsender = 3\nrecipient = 5"
    with serving(tmp_path, dns, more=more, workers=2) as gateway:
        for name in ("ana", "ben"):
            gateway.add_user(f"{name}@example.com")

        def post(sender: str, to: str = "ana@example.com", ip: str = "203.0.113.9") -> int:
            return attempt(gateway, sender, letter(f"For {to}", sender=sender).as_bytes(), to, ip)

        assert [post("eve@a.test") for _ in range(4)] == [250, 250, 250, 451], "a sender"
        assert [post("eve@b.test") for _ in range(3)] == [250, 250, 452], "a recipient"
        assert [post("eve@c.test", "ben@example.com") for _ in range(3)] == [250] * 3
        assert post("eve@d.test", "ben@example.com") == 451, "a network"
        assert post("eve@d.test", "ben@example.com", "198.51.100.7") == 250, "another network is not concerned"
        assert gateway.failures() == []
