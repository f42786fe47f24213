"""The dialogue, command by command, over a live connection."""

from collections.abc import AsyncIterator

import pytest

from gateway.envelope import Recipient
from gateway.reply import Reply
from store.kv.contract import StoreUnavailable
from tests.protocols.smtp.house import Client, House, house

HELLO = "EHLO mx.shop.example"
MAIL = "MAIL FROM:<ana@shop.example>"
RCPT = "RCPT TO:<maria@example.com>"


@pytest.fixture
async def home() -> AsyncIterator[House]:
    async with house() as built:
        yield built


@pytest.fixture
async def client(home: House) -> Client:
    return await home.visit()


async def test_ehlo_tells_what_we_can_do(client: Client) -> None:
    assert await client.ask(HELLO) == [
        "250-mx.example.com|250-PIPELINING|250-SIZE 52428800|250-8BITMIME|250-SMTPUTF8|250 ENHANCEDSTATUSCODES"
    ]


async def test_helo_answers_in_one_line(client: Client) -> None:
    assert await client.ask("HELO mx.shop.example") == ["250 mx.example.com"]


async def test_a_mail_arrives_with_its_envelope(client: Client, home: House) -> None:
    await client.begin("maria@example.com", "Jo@EXAMPLE.com")
    await client.send("Subject: hi\r\n\r\n..dot\r\n.\r\n")
    assert await client.reply() == "250 2.0.0 accepted id0"
    [(envelope, octets)] = home.backend.mails
    assert octets == b"Subject: hi\r\n\r\n.dot\r\n"
    assert envelope.mail_from == "ana@shop.example"
    assert envelope.rcpt_to == (Recipient("maria@example.com", 1), Recipient("Jo@example.com", 1))
    assert (str(envelope.peer.ip), envelope.peer.helo, envelope.peer.tls) == ("127.0.0.1", "mx.shop.example", "")
    assert not envelope.smtputf8


async def test_an_empty_mail_is_a_mail(client: Client, home: House) -> None:
    await client.begin()
    assert await client.codes(".") == ["250"]
    assert home.backend.mails[0][1] == b""


async def test_the_null_sender_is_none(client: Client, home: House) -> None:
    assert await client.codes(HELLO, "MAIL FROM:<>", RCPT, "DATA", ".") == ["250", "250", "250", "354", "250"]
    assert home.backend.mails[0][0].mail_from is None


async def test_commands_may_be_pipelined_even_behind_the_last_dot(client: Client, home: House) -> None:
    one = f"{MAIL}\r\n{RCPT}\r\nDATA\r\n"
    await client.send(f"{HELLO}\r\n{one}first\r\n.\r\n{one}second\r\n.\r\nRSET\r\nNOOP\r\nQUIT\r\n")
    replies = [await client.reply() for _ in range(12)]
    codes = [reply[:3] for reply in replies]
    assert codes == ["250", *["250", "250", "354", "250"] * 2, "250", "250", "221"]
    assert await client.rest() == b""
    assert [octets for _, octets in home.backend.mails] == [b"first\r\n", b"second\r\n"]


async def test_octets_that_come_one_by_one_make_the_same_mail(client: Client, home: House) -> None:
    wire = f"{HELLO}\r\n{MAIL}\r\n{RCPT}\r\nDATA\r\n..a\r\n.\r\nQUIT\r\n"
    for octet in wire.encode():
        await client.send(bytes([octet]))
    assert [(await client.reply())[:3] for _ in range(6)] == ["250", "250", "250", "354", "250", "221"]
    assert home.backend.mails[0][1] == b".a\r\n"


ORDERS = {
    "MAIL before EHLO": ([MAIL], "503 5.5.1 send EHLO first"),
    "RCPT before EHLO": ([RCPT], "503 5.5.1 send EHLO first"),
    "DATA before EHLO": (["DATA"], "503 5.5.1 send EHLO first"),
    "RCPT before MAIL": ([HELLO, RCPT], "503 5.5.1 send MAIL first"),
    "DATA before MAIL": ([HELLO, "DATA"], "503 5.5.1 send MAIL first"),
    "DATA before RCPT": ([HELLO, MAIL, "DATA"], "503 5.5.1 send RCPT first"),
    "DATA when every RCPT was refused": (
        [HELLO, MAIL, "RCPT TO:<nobody@example.com>", "DATA"],
        "503 5.5.1 send RCPT first",
    ),
    "nested MAIL": ([HELLO, MAIL, MAIL], "503 5.5.1 a mail is already begun; RSET starts over"),
    "MAIL after RSET": ([HELLO, MAIL, "RSET", MAIL], "250 2.1.0 sender ok"),
    "RSET forgets the recipients": ([HELLO, MAIL, RCPT, "RSET", MAIL, "DATA"], "503 5.5.1 send RCPT first"),
    "EHLO starts over": ([HELLO, MAIL, RCPT, HELLO, RCPT], "503 5.5.1 send MAIL first"),
    "DATA with an argument": ([HELLO, MAIL, RCPT, "DATA now"], "501 5.5.4 syntax: DATA"),
    "EHLO without a name": (["EHLO"], "501 5.5.4 syntax: EHLO hostname"),
    "HELO without a name": (["HELO"], "501 5.5.4 syntax: HELO hostname"),
    "unknown recipient": ([HELLO, MAIL, "RCPT TO:<nobody@example.com>"], "550 5.1.1 no such user here"),
    "foreign domain": ([HELLO, MAIL, "RCPT TO:<a@other.example>"], "550 5.7.1 we do not relay for that domain"),
    "RCPT to nobody": ([HELLO, MAIL, "RCPT TO:<>"], "501 5.1.3 a recipient is needed"),
    "malformed sender": ([HELLO, "MAIL FROM:ana@shop.example"], "501 5.1.7 malformed address"),
    "malformed recipient": ([HELLO, MAIL, "RCPT TO:<maria>"], "501 5.1.3 malformed address"),
    "RCPT with a parameter": ([HELLO, MAIL, f"{RCPT} NOTIFY=NEVER"], "555 5.5.4 parameter not recognised"),
    "unknown MAIL parameter": ([HELLO, f"{MAIL} RET=FULL"], "555 5.5.4 parameter not recognised"),
    "declared size within": ([HELLO, f"{MAIL} SIZE=52428800"], "250 2.1.0 sender ok"),
    "declared size beyond": ([HELLO, f"{MAIL} SIZE=52428801"], "552 5.3.4 message too big"),
    "declared size absurd": ([HELLO, f"{MAIL} SIZE={'9' * 300}"], "552 5.3.4 message too big"),
    "declared size not a number": ([HELLO, f"{MAIL} SIZE=x"], "501 5.5.4 malformed parameter"),
    "BODY=8BITMIME": ([HELLO, f"{MAIL} BODY=8bitmime"], "250 2.1.0 sender ok"),
    "BODY=BINARYMIME": ([HELLO, f"{MAIL} BODY=BINARYMIME"], "501 5.5.4 malformed parameter"),
    "SMTPUTF8 with a value": ([HELLO, f"{MAIL} SMTPUTF8=1"], "501 5.5.4 malformed parameter"),
    "UTF-8 sender without SMTPUTF8": (
        [HELLO, "MAIL FROM:<añá@shop.example>"],
        "553 5.6.7 non-ASCII addresses need SMTPUTF8",
    ),
    "UTF-8 recipient without SMTPUTF8": (
        [HELLO, MAIL, "RCPT TO:<ana@bücher.example>"],
        "553 5.6.7 non-ASCII addresses need SMTPUTF8",
    ),
    "UTF-8 with SMTPUTF8": (
        [HELLO, "MAIL FROM:<añá@shop.example> SMTPUTF8", "RCPT TO:<ana@bücher.example>"],
        "250 2.1.5 recipient ok",
    ),
    "VRFY": (["VRFY maria"], "252 2.5.0 will not verify, but will take mail for it and try"),
    "EXPN": (["EXPN all"], "502 5.5.1 not implemented"),
    "HELP": (["HELP"], "214 2.0.0 see RFC 5321"),
    "NOOP": (["NOOP"], "250 2.0.0 ok"),
    "AUTH": ([HELLO, "AUTH PLAIN AGEAYg=="], "502 5.5.1 this is a receiving server; there is no AUTH"),
    "STARTTLS without a certificate": ([HELLO, "STARTTLS"], "502 5.5.1 TLS is not available"),
    "commands in lower case": (["ehlo x", "mail from:<a@b.example>"], "250 2.1.0 sender ok"),
    "an unknown command": (["XYZZY"], '500 Error: command "XYZZY" not recognized'),
}


@pytest.mark.parametrize(("commands", "last"), ORDERS.values(), ids=ORDERS)
async def test_commands_in_and_out_of_order(client: Client, commands: list[str], last: str) -> None:
    assert (await client.ask(*commands))[-1] == last


async def test_smtputf8_is_told_to_the_gateway(client: Client, home: House) -> None:
    await client.ask(HELLO, "MAIL FROM:<añá@shop.example> SMTPUTF8", RCPT, "DATA", ".")
    [(envelope, _)] = home.backend.mails
    assert (envelope.mail_from, envelope.smtputf8) == ("añá@shop.example", True)


async def test_an_address_named_twice_is_one_recipient(client: Client, home: House) -> None:
    await client.begin("maria@example.com", "maria@EXAMPLE.com")
    await client.ask(".")
    assert [r.address for r in home.backend.mails[0][0].rcpt_to] == ["maria@example.com"]


@pytest.mark.parametrize("command", [b"NOOP\n", b"NOOP\r\r\n", b"NO\rOP\r\n", b"\n"], ids=repr)
async def test_a_bare_line_end_in_a_command_is_refused(client: Client, command: bytes) -> None:
    await client.send(command + b"NOOP\r\n")
    assert await client.reply() == "500 5.5.2 command lines must end in CRLF"
    assert await client.reply() == "250 2.0.0 ok"


@pytest.mark.parametrize("length", [513, 3_000, 70_000, 300_000])
async def test_a_command_line_that_is_too_long_is_refused_and_the_next_one_heard(client: Client, length: int) -> None:
    await client.send("NOOP " + "x" * length + "\r\nNOOP\r\n")
    assert "ommand line too long" in await client.reply()
    assert await client.reply() == "250 2.0.0 ok"


async def test_a_long_line_behind_a_mail_is_refused_too(client: Client) -> None:
    await client.begin()
    await client.send("a\r\n.\r\nNOOP " + "x" * 200_000 + "\r\nNOOP\r\n")
    assert [(await client.reply())[:3] for _ in range(3)] == ["250", "500", "250"]


async def test_a_name_that_is_no_text_is_made_legible(client: Client, home: House) -> None:
    await client.send(b"EHLO mx\xff\x01.shop.example\r\n")
    await client.reply()
    await client.ask(MAIL, RCPT, "DATA", ".")
    assert home.backend.mails[0][0].peer.helo == "mx??.shop.example"


async def test_an_address_that_is_no_utf8_is_refused_for_good(client: Client) -> None:
    await client.ask(HELLO)
    await client.send(b"MAIL FROM:<a\xff@shop.example> SMTPUTF8\r\n")
    assert await client.reply() == "501 5.1.7 malformed address"


@pytest.mark.parametrize(
    "body",
    ["a\n.\nMAIL FROM:<evil@x.example>", "a\r\n.\nb", "a\n.\r\nMAIL", "a\r.\r\nMAIL", "a\r\n.\rMAIL"],
    ids=repr,
)
async def test_a_mail_that_would_smuggle_is_refused_whole(client: Client, home: House, body: str) -> None:
    await client.begin()
    await client.send(f"{body}\r\n.\r\n")
    assert await client.reply() == "554 5.6.0 bare CR or LF in the message; lines must end in CRLF"
    assert await client.codes(MAIL) == ["250"]
    assert home.backend.mails == []


async def test_a_sender_over_its_limit_is_told_at_mail_and_may_send_as_another(client: Client, home: House) -> None:
    home.backend.refuse_sender = {
        "ana@shop.example": Reply(451, "4.7.1", "too much"),
        "b@b.example": StoreUnavailable(),
    }
    assert (await client.ask(HELLO, MAIL))[-1] == "451 4.7.1 too much"
    assert await client.codes(RCPT, "MAIL FROM:<b@b.example>", "MAIL FROM:<c@c.example>", RCPT) == [
        "503",
        "451",
        "250",
        "250",
    ]


async def test_the_store_down_at_rcpt_is_a_temporary_refusal(client: Client, home: House) -> None:
    home.backend.is_store_down = True
    assert (await client.ask(HELLO, MAIL, RCPT))[-1] == "451 4.3.0 temporary failure, please try again later"
    home.backend.is_store_down = False
    assert await client.codes(RCPT) == ["250"]
