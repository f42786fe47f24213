"""Every kind of malformed mail gets a 2xx and a verdict, or a clean 5xx, and nothing reaches the log as an error."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gateway import Gateway, serving
from tests.support.malformed import kinds

KINDS = dict(kinds())


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, dns: str) -> Iterator[Gateway]:
    folder: Path = tmp_path_factory.mktemp("malformed")
    with serving(folder, dns) as running:
        running.add_user("ana@example.com")
        yield running


def stuffed(octets: bytes) -> bytes:
    lines = octets.replace(b"\r\n.", b"\r\n..")
    return (
        (b"." if lines.startswith(b".") else b"") + lines + (b"" if not octets or octets.endswith(b"\r\n") else b"\r\n")
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_malformed_mail_gets_an_answer_and_no_exception_reaches_the_log(gateway: Gateway, kind: str) -> None:
    with gateway.smtp() as client:
        client.ehlo("mx.partner.example")
        client.mail("bob@partner.example")
        client.rcpt("ana@example.com")
        client.docmd("DATA")
        client.send(stuffed(KINDS[kind]) + b".\r\n")
        code, text = client.getreply()
        assert client.noop()[0] == 250, "the connection must go on after it"
    assert code // 100 in (2, 5), text
    if code // 100 == 2:
        reception = text.decode().rpartition(" ")[2]
        told = json.loads(gateway.command("explain", reception, "--json").stdout)
        assert told["action"] in {"accept", "junk", "quarantine"}
    assert gateway.failures() == []


def test_bare_line_ends_are_refused(gateway: Gateway) -> None:
    for kind in ("lone-cr", "lone-lf", "smuggle-lf-dot"):
        with gateway.smtp() as client:
            client.ehlo("mx.partner.example")
            client.mail("bob@partner.example")
            client.rcpt("ana@example.com")
            client.docmd("DATA")
            client.send(stuffed(KINDS[kind]) + b".\r\n")
            assert client.getreply()[0] == 554


def test_the_store_is_sound_after_all_of_them(gateway: Gateway) -> None:
    assert "sound" in gateway.command("fsck").stdout
