"""Connections that end: by the client, at any moment, by us, and what becomes of a mail then.

``house`` fails a test in which the event loop had anything to complain of, such as an exception of a task
that nobody retrieved.
"""

import asyncio
import gc

import pytest

from gateway.envelope import Envelope
from gateway.reply import Reply, accepted
from tests.protocols.smtp.house import House, house

HELLO = "EHLO mx.shop.example"
MAIL = "MAIL FROM:<ana@shop.example>"
RCPT = "RCPT TO:<maria@example.com>"
WHOLE = f"{HELLO}\r\n{MAIL}\r\n{RCPT}\r\nDATA\r\nhi\r\n.\r\n"


class Gate:
    """Takes a mail only when the test opens it."""

    def __init__(self, home: House) -> None:
        self._home = home
        self._open = asyncio.Event()
        self.was_cancelled = False
        home.backend.receive = self.receive

    async def receive(self, envelope: Envelope, octets: bytes) -> Reply:
        try:
            await self._open.wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        self._home.backend.mails.append((envelope, octets))
        return accepted(envelope.id)

    def open(self) -> None:
        self._open.set()


async def test_a_client_that_stops_talking_after_the_dot_is_still_answered() -> None:
    """It closed only its own direction (as ``nc -N`` does): the mail is judged, kept, and answered."""
    async with house() as home:
        gate = Gate(home)
        client = await home.visit()
        await client.send(WHOLE)
        client.half_close()
        await home.backend.arrived.wait()
        await asyncio.sleep(0)
        gate.open()
        assert (await client.rest()).endswith(b"250 2.0.0 accepted id0\r\n")
        assert not gate.was_cancelled
        assert [octets for _, octets in home.backend.mails] == [b"hi\r\n"]


async def test_what_was_pipelined_before_the_end_is_all_answered() -> None:
    async with house() as home:
        client = await home.visit()
        await client.send(WHOLE + f"{MAIL}\r\n{RCPT}\r\nDATA\r\nho\r\n.\r\nQUIT\r\n")
        client.half_close()
        assert (await client.rest()).endswith(b"221 2.0.0 bye\r\n")
        assert [octets for _, octets in home.backend.mails] == [b"hi\r\n", b"ho\r\n"]


async def test_a_client_that_is_gone_stops_the_judging_of_its_mail() -> None:
    """Nobody is there to hear the 250, so the client will send the mail again."""
    async with house() as home:
        gate = Gate(home)
        client = await home.visit()
        await client.send(WHOLE)
        await home.backend.arrived.wait()
        client.reset()
        async with asyncio.timeout(10):
            await home.is_empty()
            while not gate.was_cancelled:
                await asyncio.sleep(0.001)
        assert home.backend.mails == []


MOMENTS = {
    "before a word": "",
    "within a command": "EHLO mx.sh",
    "after EHLO": f"{HELLO}\r\n",
    "before DATA": f"{HELLO}\r\n{MAIL}\r\n{RCPT}\r\n",
    "after DATA": f"{HELLO}\r\n{MAIL}\r\n{RCPT}\r\nDATA\r\n",
    "within the mail": f"{HELLO}\r\n{MAIL}\r\n{RCPT}\r\nDATA\r\nSubject: h",
    "within the end mark": f"{HELLO}\r\n{MAIL}\r\n{RCPT}\r\nDATA\r\nhi\r\n.\r",
    "within an endless line": "NOOP " + "x" * 100_000,
}


@pytest.mark.parametrize("how", ["half_close", "reset", "close"])
@pytest.mark.parametrize("sent", MOMENTS.values(), ids=MOMENTS)
async def test_a_client_may_leave_at_any_moment(sent: str, how: str) -> None:
    """Half a mail is no mail, the place is free again, and nothing is left to complain of."""
    async with house() as home:
        client = await home.visit()
        await client.send(sent)
        leave = getattr(client, how)()
        if leave is not None:
            await leave
        async with asyncio.timeout(10):
            await home.is_empty()
        assert home.backend.mails == []
        gc.collect()
        await asyncio.sleep(0)


async def test_a_client_that_leaves_before_the_greeting_costs_nothing() -> None:
    async with house() as home:
        for _ in range(20):
            (await home.connect()).reset()
        async with asyncio.timeout(10):
            await home.is_empty()
        gc.collect()
        await (await home.visit()).ask("QUIT")


async def test_the_end_comes_without_a_reply_that_nobody_asked_for() -> None:
    async with house() as home:
        client = await home.visit()
        await client.ask(HELLO)
        client.half_close()
        assert await client.rest() == b""


async def test_commands_behind_quit_are_not_heard() -> None:
    async with house() as home:
        client = await home.visit()
        await client.send("QUIT\r\n" + WHOLE)
        assert await client.rest() == b"221 2.0.0 bye\r\n"
        assert not home.backend.arrived.is_set()


async def test_closing_lets_a_mail_in_flight_finish() -> None:
    async with house() as home:
        gate = Gate(home)
        client = await home.visit()
        await client.send(WHOLE)
        await home.backend.arrived.wait()
        closing = asyncio.create_task(home.server.close(10.0))
        await asyncio.sleep(0)
        gate.open()
        await closing
        rest = await client.rest()
        assert rest.endswith(b"250 2.0.0 accepted id0\r\n421 4.3.2 shutting down, please try again later\r\n")
        with pytest.raises(ConnectionRefusedError):
            await home.connect()


async def test_closing_waits_no_longer_than_the_grace() -> None:
    async with house() as home:
        gate = Gate(home)
        client = await home.visit()
        await client.send(WHOLE)
        await home.backend.arrived.wait()
        await home.server.close(0.01)
        assert (await client.rest()).endswith(b"421 4.3.2 shutting down, please try again later\r\n")
        await home.is_empty()
        await asyncio.sleep(0)
        assert gate.was_cancelled
