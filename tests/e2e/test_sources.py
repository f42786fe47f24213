"""The gateway asks a real pyzord, and relays to a real next host."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from pathlib import Path

from aiosmtpd.controller import Controller

from tests.e2e.test_one_message import send
from tests.support.gateway import serving
from tests.support.letters import letter
from tests.support.pyzord import pyzord, report


def test_a_mail_that_others_reported_to_pyzor_is_listed(tmp_path: Path, dns: str) -> None:
    mail = letter("Offer", "A very long offer that many people reported already. " * 8).as_bytes()
    with (
        pyzord(tmp_path / "pyzord") as server,
        serving(tmp_path, dns, more=f'[pyzor]\nservers = ["{server}"]') as gateway,
    ):
        gateway.add_user("ana@example.com")
        report(server, mail, times=12)
        told = json.loads(gateway.command("explain", send(gateway, mail), "--json").stdout)
        assert "pyzor.listed" in {reason["signal"] for reason in told["reasons"]}
        assert gateway.failures() == []


class Sink:
    """The next host: keeps what it is given."""

    def __init__(self) -> None:
        self.got: list[tuple[str, list[str], bytes]] = []
        self.arrived = threading.Event()

    async def handle_DATA(self, server: object, session: object, envelope: object) -> str:
        self.got.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))  # type: ignore[attr-defined]
        self.arrived.set()
        return "250 OK"


@contextmanager
def next_host() -> Iterator[tuple[Sink, int]]:
    sink = Sink()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]  # aiosmtpd's controller connects to itself, so it must know its port
    controller = Controller(sink, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield sink, port
    finally:
        controller.stop()


def test_mail_for_a_relayed_domain_is_judged_stamped_and_handed_on(tmp_path: Path, dns: str) -> None:
    with next_host() as (sink, port):
        more = f'[domain."relayed.example"]\ndeliver = "smtp:127.0.0.1:{port}"\nrecipients = ["carl"]'
        with serving(tmp_path, dns, more=more) as gateway:
            reception = send(gateway, letter("Onwards", to="carl@relayed.example").as_bytes(), "carl@relayed.example")
            assert sink.arrived.wait(20)
            sender, recipients, octets = sink.got[0]
            assert (sender, recipients) == ("bob@partner.example", ["carl@relayed.example"])
            mail = message_from_bytes(octets)
            assert mail["X-Mailward-Id"] == reception
            assert "spf=pass" in mail["Authentication-Results"]
            with gateway.smtp() as client:
                client.ehlo("mx.partner.example")
                client.mail("bob@partner.example")
                assert client.rcpt("nobody@relayed.example")[0] == 550
            assert gateway.failures() == []
