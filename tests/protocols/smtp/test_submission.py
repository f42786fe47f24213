"""Signing in to send: what is asked, what is refused, and that nothing counts that was said before TLS."""

import asyncio
import base64
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_network

import pytest
import trustme

from gateway.envelope import Peer
from protocols.smtp.server import SmtpServer
from protocols.smtp.submission import Submission
from store.accounts.login import TooManyFailures
from store.kv.contract import StoreUnavailable
from tests.protocols.smtp.house import SETTINGS, Backend, Client

HELLO = "EHLO laptop.lan"


class Doorkeeper:
    """Knows Ana, and breaks down on demand."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.fails: Exception | None = None

    async def __call__(self, login: str, password: str, peer: Peer) -> str | None:
        self.asked.append((login, password, str(peer.ip)))
        if self.fails is not None:
            raise self.fails
        return "ana@example.com" if (login.lower(), password) == ("ana@example.com", "geheim ü") else None


@asynccontextmanager
async def listening(
    doorkeeper: Doorkeeper, backend: Backend, tls: ssl.SSLContext | None = None, *, plain: bool, implicit: bool = False
) -> AsyncIterator[int]:
    settings = replace(SETTINGS, xclient_from=(ip_network("127.0.0.1"),))
    server = SmtpServer(backend.edge(), settings, tls, Submission(doorkeeper, plain).session())
    sock = socket.create_server(("127.0.0.1", 0))
    await server.start(sock, implicit_tls=implicit)
    try:
        yield sock.getsockname()[1]
    finally:
        await server.close(2.0)


@pytest.fixture
def doorkeeper() -> Doorkeeper:
    return Doorkeeper()


@pytest.fixture
def backend() -> Backend:
    return Backend()


@pytest.fixture
async def port(doorkeeper: Doorkeeper, backend: Backend) -> AsyncIterator[int]:
    async with listening(doorkeeper, backend, plain=True) as port:
        yield port


@asynccontextmanager
async def visiting(port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[Client]:
    client = Client(*await asyncio.open_connection("127.0.0.1", port, ssl=tls))
    assert (await client.reply()).startswith("220")
    try:
        yield client
    finally:
        await client.close()


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


GOOD = f"AUTH PLAIN {b64(chr(0) + 'ana@example.com' + chr(0) + 'geheim ü')}"
SEND = ("MAIL FROM:<ana@example.com> AUTH=<> SIZE=10", "RCPT TO:<maria@example.com>")


async def test_a_mail_carries_who_sent_it(port: int, backend: Backend) -> None:
    async with visiting(port) as client:
        assert await client.codes(HELLO, GOOD, *SEND, "DATA", "Hi\r\n.", "RSET", SEND[0]) == (
            ["250", "235", "250", "250", "354", "250", "250", "250"]
        )
    ((envelope, _),) = backend.mails
    assert envelope.peer.user == "ana@example.com"


@pytest.mark.parametrize(
    ("dialogue", "codes"),
    [
        pytest.param([GOOD], ["503"], id="before-ehlo"),
        pytest.param(["HELO x", GOOD], ["250", "503"], id="after-helo"),
        pytest.param([HELLO, "AUTH"], ["250", "501"], id="no-mechanism"),
        pytest.param([HELLO, "AUTH CRAM-MD5"], ["250", "504"], id="other-mechanism"),
        pytest.param([HELLO, GOOD.lower().replace(GOOD[11:].lower(), GOOD[11:])], ["250", "235"], id="small-letters"),
        pytest.param([HELLO, "AUTH PLAIN", GOOD[11:]], ["250", "334", "235"], id="plain-asked"),
        pytest.param([HELLO, "AUTH PLAIN", "*", GOOD], ["250", "334", "501", "235"], id="cancelled"),
        pytest.param([HELLO, "AUTH PLAIN ="], ["250", "501"], id="empty"),
        pytest.param([HELLO, "AUTH PLAIN !!!"], ["250", "501"], id="no-base64"),
        pytest.param([HELLO, f"AUTH PLAIN {b64('a')}"], ["250", "501"], id="too-few-fields"),
        pytest.param(
            [HELLO, f"AUTH PLAIN {base64.b64encode(bytes([0, 255, 0])).decode()}"], ["250", "501"], id="no-utf8"
        ),
        pytest.param(
            [HELLO, f"AUTH PLAIN {b64('ben' + chr(0) + 'ana@example.com' + chr(0) + 'geheim ü')}"],
            ["250", "535"],
            id="acting-for-another",
        ),
        pytest.param(
            [HELLO, "AUTH LOGIN", b64("ana@example.com"), b64("geheim ü")], ["250", "334", "334", "235"], id="login"
        ),
        pytest.param(
            [HELLO, f"AUTH LOGIN {b64('ana@example.com')}", b64("geheim ü")], ["250", "334", "235"], id="login-initial"
        ),
        pytest.param([HELLO, f"AUTH LOGIN {b64('ana')}", "*"], ["250", "334", "501"], id="login-cancelled"),
        pytest.param([HELLO, GOOD, GOOD], ["250", "235", "503"], id="twice"),
        pytest.param([HELLO, GOOD, SEND[0], GOOD], ["250", "235", "250", "503"], id="within-a-mail"),
        pytest.param([HELLO, SEND[0]], ["250", "530"], id="mail-without-login"),
        pytest.param([SEND[0]], ["503"], id="mail-without-anything"),
        pytest.param([HELLO, f"AUTH PLAIN {'A' * 13_000}"], ["250", "500"], id="too-long"),
        pytest.param([HELLO, "AUTH PLAIN", "A" * 13_000], ["250", "334", "500"], id="answer-too-long"),
        pytest.param(
            [HELLO, f"AUTH PLAIN {b64(chr(0) + 'a' * 2_000 + chr(0) + 'b')}"], ["250", "535"], id="login-too-long"
        ),
    ],
)
async def test_the_dialogue(port: int, dialogue: list[str], codes: list[str]) -> None:
    async with visiting(port) as client:
        assert await client.codes(*dialogue) == codes


async def test_three_wrong_passwords_end_the_connection(port: int, doorkeeper: Doorkeeper) -> None:
    wrong = f"AUTH PLAIN {b64(chr(0) + 'ana@example.com' + chr(0) + 'x')}"
    async with visiting(port) as client:
        assert await client.codes(HELLO, wrong, wrong, wrong) == ["250", "535", "535", "535"]
        assert (await client.reply()).startswith("421 4.7.0 too many failed logins")
        assert await client.rest() == b""
    assert len(doorkeeper.asked) == 3


@pytest.mark.parametrize("error", [TooManyFailures(), StoreUnavailable("down")], ids=["guesser", "store"])
async def test_what_is_temporary_says_so(port: int, doorkeeper: Doorkeeper, error: Exception) -> None:
    doorkeeper.fails = error
    async with visiting(port) as client:
        assert await client.codes(HELLO, GOOD, SEND[0]) == ["250", "454", "530"]
        doorkeeper.fails = None
        assert await client.codes(GOOD) == ["235"]


async def test_without_tls_no_password_is_asked_for(doorkeeper: Doorkeeper, backend: Backend) -> None:
    async with listening(doorkeeper, backend, plain=False) as port, visiting(port) as client:
        assert "AUTH" not in (await client.ask(HELLO))[0]
        assert await client.codes(GOOD) == ["538"]
    assert doorkeeper.asked == []


async def test_a_client_elsewhere_needs_tls_whatever_the_proxy_is(port: int, doorkeeper: Doorkeeper) -> None:
    async with visiting(port) as client:
        assert await client.codes(HELLO, GOOD, "XCLIENT ADDR=198.51.100.9 HELO=x", HELLO) == [
            "250",
            "235",
            "220",
            "250",
        ]
        assert await client.codes(SEND[0], GOOD) == ["530", "538"]


async def test_what_was_said_before_tls_does_not_count(doorkeeper: Doorkeeper, backend: Backend) -> None:
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    context, trust = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("mx.example.com").configure_cert(context)
    authority.configure_trust(trust)
    async with listening(doorkeeper, backend, context, plain=True) as port, visiting(port) as client:
        assert await client.codes(HELLO, GOOD, "STARTTLS") == ["250", "235", "220"]
        await client.start_tls(trust)
        assert await client.codes(HELLO, SEND[0], GOOD, *SEND, "DATA", "Hi\r\n.") == (
            ["250", "530", "235", "250", "250", "354", "250"]
        )
    assert backend.mails[0][0].peer.tls.startswith("TLSv1.")


async def test_tls_from_the_first_octet(doorkeeper: Doorkeeper, backend: Backend) -> None:
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    context, trust = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(trust)
    here = listening(doorkeeper, backend, context, plain=False, implicit=True)
    async with here as port, visiting(port, trust) as client:
        greeting = (await client.ask(HELLO))[0]
        assert "STARTTLS" not in greeting and "AUTH PLAIN LOGIN" in greeting
        assert await client.codes("STARTTLS", GOOD, *SEND, "DATA", "Hi\r\n.", "QUIT") == (
            ["503", "235", "250", "250", "354", "250", "221"]
        )
    assert backend.mails[0][0].peer.tls.startswith("TLSv1.")


async def test_implicit_tls_needs_a_certificate(backend: Backend) -> None:
    server = SmtpServer(backend.edge(), SETTINGS)
    with socket.create_server(("127.0.0.1", 0)) as sock, pytest.raises(ValueError, match="certificate"):
        await server.start(sock, implicit_tls=True)
