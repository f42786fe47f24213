"""A running gateway hands mail on, and the next host finds a seal that holds: relayed domains, aliases leading out."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import dkim
import pytest

from tests.e2e.test_one_message import send
from tests.gateway.mailauth.mailroom import MAIL, arc_seal, rsa_key, sign
from tests.gateway.outbound.sink import sink
from tests.support.gateway import Gateway, serving

KEYS = {b"arc._domainkey.example.com.", b"sel._domainkey.one.test.", b"sel._domainkey.example.test."}
SETTINGS = """
[auth]
seal_key = "arc.pem"
seal_domain = "example.com"
seal_selector = "arc"

[outbound]
relay = "127.0.0.1:{port}"

[domain."relayed.example"]
deliver = "smtp:127.0.0.1:{port}"
"""


def _dns(name: bytes, timeout: float = 5) -> bytes:
    return rsa_key().record.encode() if name in KEYS else b""


def _hand_over(folder: Path, dns: str, port: int, mails: Sequence[tuple[bytes, str]]) -> Gateway:
    (folder / "arc.pem").write_bytes(rsa_key().private)
    with serving(folder, dns, more=SETTINGS.format(port=port)) as gateway:
        gateway.command("alias", "add", "out@example.com", "ann@elsewhere.example")
        for mail, to in mails:
            send(gateway, mail, to)
        _drain(gateway)
    return gateway


def _drain(gateway: Gateway) -> None:
    for _ in range(200):
        if not gateway.command("queue", "list").stdout.count("relay-"):
            return
    raise AssertionError("mail is still waiting")


async def test_relayed_mail_carries_a_seal_that_holds(tmp_path_factory: pytest.TempPathFactory, dns: str) -> None:
    mails = [
        (sign(), "bob@relayed.example"),
        (arc_seal(MAIL, "one.test", b"spf=pass"), "bob@relayed.example"),
        (MAIL, "out@example.com"),
    ]
    async with sink() as taken:
        gateway = await asyncio.to_thread(_hand_over, tmp_path_factory.mktemp("seal"), dns, taken.port, mails)
    assert gateway.failures() == []
    assert [to for _, to, _, _ in taken.mails] == [["bob@relayed.example"]] * 2 + [["ann@elsewhere.example"]]
    statuses = [dkim.arc_verify(octets, dnsfunc=_dns) for _, _, octets, _ in taken.mails]
    assert statuses[0][0] == statuses[2][0] == dkim.CV_Pass
    assert dkim.verify(taken.mails[0][2], dnsfunc=_dns)
    # the test zone does not hold one.test's key, so what the gateway could not believe it has marked as broken
    assert taken.mails[1][2].startswith(b"ARC-Seal: i=2; cv=fail;") and statuses[1][0] is None
