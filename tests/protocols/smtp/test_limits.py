"""What one client may take: time, connections, mails, recipients, octets; and who may speak for others."""

import asyncio
from ipaddress import ip_network

import pytest

from gateway.envelope import Envelope
from gateway.reply import Reply, accepted
from protocols.smtp.peers import parse_xclient
from tests.protocols.smtp.house import SETTINGS, House, house

HELLO = "EHLO mx.shop.example"
MAIL = "MAIL FROM:<ana@shop.example>"
RCPT = "RCPT TO:<maria@example.com>"
LOOPBACK = (ip_network("127.0.0.1"),)


async def one_mail(home: House) -> Envelope:
    return home.backend.mails[-1][0]


async def test_one_recipient_too_many_is_told_to_come_again() -> None:
    async with house(recipients=2) as home:
        client = await home.visit()
        to = [f"RCPT TO:<r{n}@example.com>" for n in range(3)]
        assert (await client.ask(HELLO, MAIL, *to))[-1] == "452 4.5.3 too many recipients"
        assert await client.codes("DATA", ".") == ["354", "250"]
        assert len((await one_mail(home)).rcpt_to) == 2


async def test_one_mail_too_many_ends_the_connection() -> None:
    async with house(messages_per_connection=1) as home:
        client = await home.visit()
        await client.begin()
        await client.ask(".")
        await client.send(f"{MAIL}\r\n{RCPT}\r\nDATA\r\nx\r\n.\r\n")
        assert await client.rest() == b"421 4.7.0 too many messages on this connection\r\n"
        assert len(home.backend.mails) == 1


async def test_one_command_too_many_ends_the_connection() -> None:
    async with house(commands_per_connection=3) as home:
        client = await home.visit()
        assert await client.codes(*["NOOP"] * 3) == ["250"] * 3
        await client.send("NOOP\r\nNOOP\r\n")
        assert await client.rest() == b"421 4.7.0 NOOP sent too many times\r\n"


async def test_guessing_at_commands_ends_the_connection() -> None:
    async with house() as home:
        client = await home.visit()
        for _ in range(50):
            await client.send("XYZZY\r\n")
            if (reply := await client.reply()).startswith("502"):
                break
        assert "goodbye" in reply
        assert await client.rest() == b""


async def test_one_connection_too_many_from_an_address_is_told_to_come_again() -> None:
    async with house(connections_per_address=2) as home:
        first, _ = await home.visit(), await home.visit()
        third = await home.connect()
        assert await third.rest() == b"421 4.3.2 too many connections, please try again later\r\n"
        await first.ask("QUIT")
        await first.rest()
        while home.server.connected > 1:
            await asyncio.sleep(0.001)
        await home.visit()


async def test_one_connection_too_many_in_all_is_told_to_come_again() -> None:
    async with house(connections=1, xclient_from=LOOPBACK) as home:
        await home.visit()
        assert (await (await home.connect()).reply())[:3] == "421"


async def test_a_proxy_may_connect_for_many_clients() -> None:
    async with house(connections_per_address=1, xclient_from=LOOPBACK) as home:
        clients = [await home.visit() for _ in range(4)]
        assert [await client.codes("NOOP") for client in clients] == [["250"]] * 4


async def test_a_mail_over_the_limit_is_refused_and_the_next_one_taken() -> None:
    async with house(message_octets=1_000) as home:
        client = await home.visit()
        await client.begin()
        await client.send(b"x" * 200_000 + b"\r\n.\r\n")
        assert await client.reply() == "552 5.3.4 message too big"
        assert home.backend.mails == []
        assert await client.codes(MAIL, RCPT, "DATA", ".") == ["250", "250", "354", "250"]


async def test_a_mail_of_exactly_the_limit_is_taken() -> None:
    async with house(message_octets=1_000) as home:
        client = await home.visit()
        await client.begin()
        await client.send(b"x" * 998 + b"\r\n.\r\n")
        assert (await client.reply())[:3] == "250"
        assert len(home.backend.mails[0][1]) == 1_000


@pytest.mark.parametrize(("hops", "code"), [(3, "250"), (4, "554")])
async def test_a_mail_that_goes_in_circles_is_refused(hops: int, code: str) -> None:
    async with house(hops=3) as home:
        client = await home.visit()
        await client.begin()
        await client.send("Received: from a by b; now\r\n" * hops + "Subject: x\r\n\r\nReceived: not one\r\n.\r\n")
        reply = await client.reply()
        assert reply[:3] == code
        assert (reply == "554 5.4.6 too many hops, this mail is going in circles") == (code == "554")
        assert len(home.backend.mails) == (code == "250")
        assert await client.codes(MAIL, RCPT, "DATA", ".") == ["250", "250", "354", "250"]


async def test_the_limit_of_hops_is_fifty() -> None:
    assert (SETTINGS.hops, SETTINGS.data_octets_at_once) == (50, 512 * 1024 * 1024)


async def test_mails_that_are_too_much_together_are_put_off_one_by_one() -> None:
    """The first holds its octets while it is judged; the second finds no room, and later it does."""
    async with house(data_octets_at_once=150_000) as home:
        judged = asyncio.Event()

        async def slow(envelope: Envelope, octets: bytes) -> Reply:
            await judged.wait()
            return accepted(envelope.id)

        home.backend.receive = slow
        first, second = await home.visit(), await home.visit()
        big = b"x" * 100_000 + b"\r\n.\r\n"
        await first.begin()
        await first.send(big)
        await home.backend.arrived.wait()
        await second.begin()
        await second.send(big)
        assert await second.reply() == "452 4.3.1 too much mail is being received, please try again later"
        judged.set()
        assert (await first.reply())[:3] == "250"
        assert home.server.allowance.held_octets == 0
        await second.send(f"{MAIL}\r\n{RCPT}\r\nDATA\r\n".encode() + big)
        assert [(await second.reply())[:3] for _ in range(4)] == ["250", "250", "354", "250"]


async def test_a_client_that_leaves_in_the_middle_holds_nothing() -> None:
    async with house() as home:
        client = await home.visit()
        await client.begin()
        await client.send(b"x" * 100_000)
        while home.server.allowance.held_octets < 100_000:
            await asyncio.sleep(0.001)
        client.reset()
        await home.is_empty()
        while home.server.allowance.held_octets:
            await asyncio.sleep(0.001)


async def test_a_mail_that_takes_too_long_ends_the_connection() -> None:
    async with house(data_s=0.05) as home:
        client = await home.visit()
        await client.begin()
        await client.send("half a mail\r\n")
        assert await client.rest() == b"421 4.4.2 timed out receiving the message\r\n"
        assert home.backend.mails == []


async def test_an_idle_client_is_hung_up_on() -> None:
    async with house(command_s=0.05) as home:
        client = await home.visit()
        assert await client.rest() == b""


async def test_judging_may_take_longer_than_a_command() -> None:
    async with house(command_s=0.03) as home:

        async def slow(envelope: Envelope, octets: bytes) -> Reply:
            await asyncio.sleep(0.09)
            return accepted(envelope.id)

        home.backend.receive = slow
        client = await home.visit()
        await client.send(f"{HELLO}\r\n{MAIL}\r\n{RCPT}\r\nDATA\r\nx\r\n.\r\n")
        assert [(await client.reply())[:3] for _ in range(5)] == ["250", "250", "250", "354", "250"]


async def test_what_breaks_inside_is_temporary_and_tells_nothing() -> None:
    async with house() as home:

        async def broken(envelope: Envelope, octets: bytes) -> Reply:
            raise ValueError("the secret is 42")

        home.backend.receive = broken
        client = await home.visit()
        await client.begin()
        assert await client.ask(".") == ["451 4.3.0 temporary failure, please try again later"]
        home.backend.receive = None
        assert await client.codes(MAIL, RCPT, "DATA", ".") == ["250", "250", "354", "250"]


XCLIENT = {
    "IPv4": ("ADDR=192.0.2.7 PORT=4711 HELO=mx.other.example", ("192.0.2.7", 4711, "mx.other.example")),
    "IPv6": ("ADDR=IPV6:2001:db8::7 PORT=25", ("2001:db8::7", 25, "")),
    "mapped IPv4": ("ADDR=IPV6:::ffff:192.0.2.7", ("192.0.2.7", 0, "")),
    "lower case": ("addr=ipv6:2001:DB8::7", ("2001:db8::7", 0, "")),
    "unknown values": ("ADDR=192.0.2.7 PORT=[UNAVAILABLE] HELO=[TEMPUNAVAIL]", ("192.0.2.7", 0, "")),
}


@pytest.mark.parametrize(("argument", "expected"), XCLIENT.values(), ids=XCLIENT)
def test_xclient_is_read(argument: str, expected: tuple[str, int, str]) -> None:
    peer = parse_xclient(argument)
    assert (str(peer.ip), peer.port, peer.helo) == expected


BAD_XCLIENT = ["", "PORT=1", "ADDR=", "ADDR=mx.example", "ADDR=[UNAVAILABLE]", "ADDR=192.0.2.7 PORT=x", "ADDR=1.2.3"]


@pytest.mark.parametrize("argument", [*BAD_XCLIENT, "ADDR=192.0.2.7 PORT=-1", "ADDR=192.0.2.7 PORT=65536"])
def test_an_xclient_that_says_nothing_is_refused(argument: str) -> None:
    with pytest.raises(ValueError):
        parse_xclient(argument)


async def test_a_trusted_proxy_says_who_the_client_is() -> None:
    async with house(xclient_from=LOOPBACK) as home:
        client = await home.visit()
        assert "XCLIENT ADDR PORT HELO" in (await client.ask(HELLO))[0]
        assert await client.codes("XCLIENT ADDR=IPV6:2001:db8::7 PORT=9", MAIL) == ["220", "503"]
        assert await client.codes("EHLO real.example", MAIL, RCPT, "DATA", ".") == ["250", "250", "250", "354", "250"]
        peer = (await one_mail(home)).peer
        assert (str(peer.ip), peer.port, peer.helo) == ("2001:db8::7", 9, "real.example")
        assert await client.ask("XCLIENT ADDR=nonsense") == [
            "501 5.5.4 syntax: XCLIENT ADDR=address [PORT=number] [HELO=name]"
        ]


async def test_the_name_a_proxy_passes_on_stands_for_the_clients_ehlo() -> None:
    async with house(xclient_from=LOOPBACK) as home:
        client = await home.visit()
        codes = await client.codes(HELLO, "XCLIENT ADDR=192.0.2.7 HELO=real.example", MAIL, RCPT, "DATA", ".")
        assert codes == ["250", "220", "250", "250", "354", "250"]
        assert (await one_mail(home)).peer.helo == "real.example"


async def test_nobody_else_may_say_so() -> None:
    async with house(xclient_from=(ip_network("192.0.2.0/24"),)) as home:
        client = await home.visit()
        assert "XCLIENT" not in (await client.ask(HELLO))[0]
        assert await client.ask("XCLIENT ADDR=192.0.2.7") == ["550 5.7.0 not allowed to say who the client is"]
