"""STARTTLS: what it protects, and what was said before it does not count. RFC 3207."""

import asyncio
import gc
import ssl
from collections.abc import AsyncIterator

import pytest
import trustme

from tests.protocols.smtp.house import House, house

HELLO = "EHLO mx.shop.example"
MAIL = "MAIL FROM:<ana@shop.example>"
RCPT = "RCPT TO:<maria@example.com>"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture
def trust(authority: trustme.CA) -> ssl.SSLContext:
    """The client's side."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
async def home(authority: trustme.CA) -> AsyncIterator[House]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("mx.example.com").configure_cert(context)
    async with house(tls=context) as built:
        yield built


async def test_a_mail_under_tls_says_so(home: House, trust: ssl.SSLContext) -> None:
    client = await home.visit()
    assert "STARTTLS" in (await client.ask(HELLO))[0]
    assert await client.codes("STARTTLS") == ["220"]
    await client.start_tls(trust)
    assert "STARTTLS" not in (await client.ask(HELLO))[0]
    assert await client.codes(MAIL, RCPT, "DATA", ".") == ["250", "250", "354", "250"]
    assert home.backend.mails[0][0].peer.tls == "TLSv1.3"
    await client.ask("QUIT")
    assert await client.rest() == b""


async def test_a_mail_without_tls_says_so(home: House) -> None:
    client = await home.visit()
    await client.begin()
    await client.ask(".")
    assert home.backend.mails[0][0].peer.tls == ""


async def test_what_was_said_before_is_forgotten(home: House, trust: ssl.SSLContext) -> None:
    client = await home.visit()
    assert await client.codes(HELLO, MAIL, RCPT, "STARTTLS") == ["250", "250", "250", "220"]
    await client.start_tls(trust)
    assert await client.codes(MAIL, HELLO, RCPT) == ["503", "250", "503"]


@pytest.mark.parametrize("injected", ["RSET\r\n", f"{HELLO}\r\n{MAIL}\r\n{RCPT}\r\nDATA\r\n", "NOO"], ids=repr)
async def test_commands_injected_before_tls_do_not_count_after_it(
    home: House, trust: ssl.SSLContext, injected: str
) -> None:
    client = await home.visit()
    await client.ask(HELLO)
    await client.send(f"STARTTLS\r\n{injected}")
    assert (await client.reply())[:3] == "220"
    await client.start_tls(trust)
    assert await client.codes(MAIL, HELLO) == ["503", "250"]
    assert not home.backend.arrived.is_set()


async def test_commands_injected_behind_a_mail_do_not_count_either(home: House, trust: ssl.SSLContext) -> None:
    """Octets that were pushed back behind the last dot are in another buffer than the stream's."""
    client = await home.visit()
    await client.begin()
    await client.send(f"x\r\n.\r\nSTARTTLS\r\n{HELLO}\r\n{MAIL}\r\n")
    assert [(await client.reply())[:3] for _ in range(2)] == ["250", "220"]
    await client.start_tls(trust)
    assert await client.codes(MAIL) == ["503"]


async def test_tls_within_tls_is_refused(home: House, trust: ssl.SSLContext) -> None:
    client = await home.visit()
    await client.ask("STARTTLS")
    await client.start_tls(trust)
    assert await client.ask("STARTTLS") == ["503 5.5.1 TLS is already in use"]


async def test_an_argument_is_refused(home: House) -> None:
    client = await home.visit()
    assert (await client.codes("STARTTLS now")) == ["501"]


async def test_a_handshake_that_fails_ends_the_connection(home: House) -> None:
    client = await home.visit()
    await client.ask("STARTTLS")
    await client.send(b"this is no ClientHello\r\n" * 20)
    await client.rest()
    async with asyncio.timeout(10):
        await home.is_empty()
    gc.collect()


@pytest.mark.parametrize("how", ["reset", "close"])
async def test_a_client_may_leave_at_any_moment_of_tls(home: House, trust: ssl.SSLContext, how: str) -> None:
    for moment in range(3):
        client = await home.visit()
        await client.ask("STARTTLS")
        if moment:
            await client.start_tls(trust)
        if moment == 2:
            await client.begin()
            await client.send("half a mail")
        leave = getattr(client, how)()
        if leave is not None:
            await leave
    async with asyncio.timeout(10):
        await home.is_empty()
    gc.collect()
    assert home.backend.mails == []


async def test_commands_behind_quit_are_not_heard_under_tls(home: House, trust: ssl.SSLContext) -> None:
    client = await home.visit()
    await client.ask("STARTTLS")
    await client.start_tls(trust)
    await client.send(f"QUIT\r\n{HELLO}\r\n{MAIL}\r\n{RCPT}\r\nDATA\r\nx\r\n.\r\n")
    assert await client.rest() == b"221 2.0.0 bye\r\n"
    assert not home.backend.arrived.is_set()
