"""Sockets: TLS, deadlines, limits, large mails, closing."""

import asyncio
import ssl

import pytest
import trustme

from protocols.imap.settings import ImapSettings
from store.changes.engine import Store
from store.kv.contract import StoreUnavailable
from tests.protocols.imap.client import WAIT_S, connect
from tests.protocols.imap.house import House, open_house


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("mail.example.test").configure_cert(context)
    return context


@pytest.fixture
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_login_needs_tls_and_starttls_gives_it(
    store: Store, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async with open_house(store, ImapSettings(), server_tls) as house:
        client, greeting = await connect(house)
        assert b"STARTTLS LOGINDISABLED" in greeting and b"AUTH=PLAIN" not in greeting
        assert b"NO [PRIVACYREQUIRED]" in (await client.command(b"LOGIN a b"))[-1]
        assert b"NO [PRIVACYREQUIRED]" in (await client.command(b"AUTHENTICATE PLAIN AGEAYg=="))[-1]
        assert b" OK " in (await client.command(b"STARTTLS"))[-1]
        await client.writer.start_tls(client_tls, server_hostname="mail.example.test")
        capability = (await client.command(b"CAPABILITY"))[0]
        assert b"AUTH=PLAIN" in capability and b"STARTTLS" not in capability
        await client.login()
        assert b" BAD " in (await client.command(b"STARTTLS"))[-1]


async def test_commands_slipped_in_before_tls_are_not_run(
    store: Store, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    """RFC 2595 §9: what an attacker put behind STARTTLS must not be answered inside TLS."""
    async with open_house(store, ImapSettings(), server_tls) as house:
        client, _ = await connect(house)
        client.writer.write(b"a STARTTLS\r\nx CAPABILITY\r\n")
        assert (await client.line()).startswith(b"a OK")
        await client.writer.start_tls(client_tls, server_hostname="mail.example.test")
        lines = await client.command(b"NOOP")
        assert lines == [b"t1 OK NOOP completed\r\n"]


async def test_implicit_tls(store: Store, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    async with open_house(store, ImapSettings(), server_tls, implicit_tls=True) as house:
        client, greeting = await connect(house, client_tls)
        assert b"AUTH=PLAIN" in greeting
        await client.login()


async def test_a_broken_handshake_ends_the_connection(store: Store, server_tls: ssl.SSLContext) -> None:
    async with open_house(store, ImapSettings(), server_tls) as house:
        client, _ = await connect(house)
        await client.command(b"STARTTLS")
        client.writer.write(b"this is no handshake\r\n" * 10)
        async with asyncio.timeout(WAIT_S):
            await client.reader.read()


async def test_implicit_tls_without_a_certificate_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="certificate"):
        async with open_house(store, ImapSettings(), None, implicit_tls=True):
            pass


async def test_login_has_a_deadline(store: Store) -> None:
    async with open_house(store, ImapSettings(preauth_s=0.05)) as house:
        client, _ = await connect(house)
        assert await client.line() == b"* BYE login took too long\r\n"
        assert await client.line() == b""


async def test_silence_ends_in_autologout_idle_included(store: Store) -> None:
    settings = ImapSettings(allow_plaintext_login=True, autologout_s=0.3, poll_s=0.05)
    async with open_house(store, settings) as house:
        client, _ = await connect(house)
        await client.login()
        client.writer.write(b"i IDLE\r\n")
        assert await client.line() == b"+ idling\r\n"
        assert await client.line() == b"* BYE autologout\r\n"
        assert await client.line() == b""


async def test_too_many_connections_from_one_address(store: Store) -> None:
    async with open_house(store, ImapSettings(connections_per_address=2)) as house:
        first, _ = await connect(house)
        await connect(house)
        _, refused = await connect(house)
        assert refused == b"* BYE [UNAVAILABLE] too many connections\r\n"
        await first.command(b"LOGOUT")
        assert await first.line() == b""
        _, greeting = await connect(house)
        assert greeting.startswith(b"* OK")


async def test_too_many_bad_commands(store: Store) -> None:
    async with open_house(store, ImapSettings(bad_commands=3)) as house:
        client, _ = await connect(house)
        for _ in range(3):
            await client.command(b"NONSENSE")
        assert await client.line() == b"* BYE too many bad commands\r\n"


async def test_closing_says_bye_to_who_waits_and_who_idles(house: House) -> None:
    waiting, _ = await connect(house)
    idling, _ = await connect(house)
    await idling.login()
    idling.writer.write(b"i IDLE\r\n")
    assert await idling.line() == b"+ idling\r\n"
    await house.server.close(5.0)
    assert await waiting.line() == b"* BYE the server is shutting down\r\n"
    assert await idling.line() == b"* BYE the server is shutting down\r\n"
    assert house.server.connections == 0


async def test_a_large_mail_comes_back_octet_by_octet(house: House) -> None:
    mail = b"Subject: large\r\n\r\n" + b"".join(b"line %07d of a large mail\r\n" % n for n in range(60_000))
    client, _ = await connect(house)
    await client.login()
    assert b"APPENDUID" in (await client.command(b"APPEND INBOX {%d+}\r\n%b" % (len(mail), mail)))[-1]
    await client.command(b"SELECT INBOX")
    whole = b"".join(await client.command(b"FETCH 1 (UID BODY.PEEK[] BODY.PEEK[TEXT]<18.5>)"))
    assert b"* 1 FETCH (UID 1 BODY[] {%d}\r\n%b BODY[TEXT]<18> {5}\r\nlarge)\r\n" % (len(mail), mail) in whole
    part = b"".join(await client.command(b"FETCH 1 BODY.PEEK[]<100.1000000>"))
    assert b"BODY[]<100> {1000000}\r\n%b)\r\n" % mail[100:1_000_100] in part
    beyond = b"".join(await client.command(b"FETCH 1 BODY.PEEK[]<9999999.10>"))
    assert b"BODY[]<9999999> {0}\r\n)" in beyond


async def test_a_mail_over_the_limit_is_refused_and_skipped(store: Store) -> None:
    settings = ImapSettings(allow_plaintext_login=True, append_octets=100_000)
    async with open_house(store, settings) as house:
        client, _ = await connect(house)
        await client.login()
        lines = await client.command(b"APPEND INBOX {100001+}\r\n" + b"x" * 100_001)
        assert lines == [b"t2 NO [TOOBIG] literal too big\r\n"]
        assert (await client.command(b"APPEND INBOX {100001}"))[-1] == b"t3 NO [TOOBIG] literal too big\r\n"
        assert b"OK" in (await client.command(b"NOOP"))[-1]


async def test_structures_too_large_to_keep_are_rendered_again(house: House) -> None:
    mail = (
        b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        + b"".join(b"--b\r\nContent-Type: text/plain; name=%d\r\n\r\npart %d\r\n" % (n, n) for n in range(1, 1_900))
        + b"--b--\r\n"
    )
    client, _ = await connect(house)
    await client.login()
    await client.command(b"APPEND INBOX {%d+}\r\n%b" % (len(mail), mail))
    await client.command(b"SELECT INBOX")
    assert b'("name" "1899")' in (await client.command(b"FETCH 1 BODYSTRUCTURE"))[0]
    assert await client.command(b"FETCH 1 BODY.PEEK[1234]") == [
        b"* 1 FETCH (BODY[1234] {9}\r\n",
        b"part 1234)\r\n",
        b"t5 OK FETCH completed\r\n",
    ]
    assert (await client.command(b'SEARCH BODY "part 1899"'))[0] == b"* SEARCH 1\r\n"


async def test_a_client_that_reads_nothing_is_cut_off(store: Store) -> None:
    settings = ImapSettings(allow_plaintext_login=True, write_stall_s=0.1)
    async with open_house(store, settings) as house:
        await house.deliver(b"Subject: big\r\n\r\n" + b"x" * 8_000_000)
        client, _ = await connect(house)
        await client.login()
        await client.command(b"SELECT INBOX")
        client.writer.write(b"".join(b"f%d FETCH 1 BODY.PEEK[]\r\n" % n for n in range(20)))
        async with asyncio.timeout(WAIT_S):
            while house.server.connections:
                await asyncio.sleep(0.02)


async def test_pipelined_commands_are_answered_in_order_after_a_half_close(house: House) -> None:
    client, _ = await connect(house)
    client.writer.write(b"a NOOP\r\nb CAPABILITY\r\nc NOOP\r\n")
    client.writer.write_eof()
    async with asyncio.timeout(WAIT_S):
        answers = await client.reader.read()
    assert [line.split()[0] for line in answers.splitlines()] == [b"a", b"*", b"b", b"c"]


async def test_our_faults_are_no_not_bad(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    client, _ = await connect(house)
    await client.login()

    async def unavailable(*_: object) -> None:
        raise StoreUnavailable("disk full at /secret/path")

    async def broken(*_: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(house.store, "write", unavailable)
    assert (await client.command(b"CREATE x"))[-1].startswith(b"t2 NO [UNAVAILABLE] ")
    monkeypatch.setattr(house.store, "write", broken)
    answer = (await client.command(b"CREATE x"))[-1]
    assert answer.startswith(b"t3 NO [SERVERBUG] ") and b"secret" not in answer


async def test_moves_are_told_to_whoever_learns(house: House) -> None:
    client, _ = await connect(house)
    await client.login()
    await house.deliver(b"Subject: one\r\n\r\n")
    await client.command(b"SELECT INBOX")
    await client.command(b"MOVE 1 Junk")
    assert [(moved.source_role, moved.target_role, len(moved.emails)) for moved in house.moved] == [
        ("inbox", "junk", 1)
    ]
    await client.command(b"MOVE 1 Junk")
    assert len(house.moved) == 1


async def test_junk_keywords_are_told_as_moves_are(house: House) -> None:
    client, _ = await connect(house)
    await client.login()
    await house.deliver(b"Subject: one\r\n\r\n")
    await client.command(b"SELECT INBOX")
    for flags in (b"+FLAGS ($Junk)", b"+FLAGS ($Junk)", b"-FLAGS ($Junk)", b"+FLAGS (\\Seen)", b"FLAGS (NonJunk)"):
        await client.command(b"STORE 1 " + flags)
    assert [(moved.source_role, moved.target_role, moved.how) for moved in house.moved] == [
        ("", "junk", "keyword"),
        ("junk", "", "keyword"),
    ]


async def test_many_mails_are_fetched_in_batches(store: Store) -> None:
    settings = ImapSettings(allow_plaintext_login=True, rows_per_read=3)
    async with open_house(store, settings) as house:
        for number in range(10):
            await house.deliver(b"Subject: %d\r\n\r\nbody %d\r\n" % (number, number))
        client, _ = await connect(house)
        await client.login()
        await client.command(b"SELECT INBOX")
        assert len(await client.command(b"FETCH 1:* (UID FLAGS)")) == 11
        assert (await client.command(b"STORE 2:9 +FLAGS.SILENT (\\Deleted)"))[-1] == b"t4 OK STORE completed\r\n"
        expunged = await client.command(b"EXPUNGE")
        assert expunged[:-1] == [b"* %d EXPUNGE\r\n" % number for number in range(9, 1, -1)]
        assert (await client.command(b"UID SEARCH ALL"))[0] == b"* SEARCH 1 10\r\n"


async def test_a_hundred_expunges_at_once(house: House) -> None:
    for number in range(120):
        await house.deliver(b"Subject: %d\r\n\r\n" % number)
    client, _ = await connect(house)
    await client.login()
    await client.command(b"SELECT INBOX")
    await client.command(b"STORE 1:110 +FLAGS.SILENT (\\Deleted)")
    assert len(await client.command(b"EXPUNGE")) == 111
    assert (await client.command(b"UID SEARCH ALL"))[0] == b"* SEARCH " + b" ".join(
        b"%d" % uid for uid in range(111, 121)
    ) + b"\r\n"


async def test_a_search_of_mail_that_is_not_indexed_ends_at_its_budget_and_says_so(store: Store) -> None:
    async with open_house(store, ImapSettings(allow_plaintext_login=True, search_octets=50)) as house:
        await house.deliver(b"Subject: lunch\r\n\r\npizza, as every day, at noon and in the evening\r\n")
        client, _ = await connect(house)
        await client.login()
        await client.command(b"SELECT INBOX")
        assert b"NO [LIMIT] this would read too much mail" in (await client.command(b'SEARCH BODY "pizza"'))[-1]
        assert (await client.command(b"SEARCH ALL"))[0] == b"* SEARCH 1\r\n"
