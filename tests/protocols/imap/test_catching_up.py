"""A session that missed very much, more than the log remembers included, is told all of it in bounded steps."""

import re

import pytest

from protocols.imap import session as sessions
from protocols.imap import view as views
from protocols.imap.settings import ImapSettings
from store.changes import history
from store.mail import mailboxes, quota, reading
from store.upkeep.accounts import look_after
from tests.protocols.imap.client import Client, connect
from tests.protocols.imap.house import House
from tests.protocols.imap.script import PLAIN

MAILS = 25


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "MOST_CHANGES", 4)
    monkeypatch.setattr(sessions, "MOST_CHANGES", 4)
    monkeypatch.setattr(history, "BATCH", 3)


@pytest.fixture
def settings() -> ImapSettings:
    return ImapSettings(allow_plaintext_login=True, rows_per_read=2)


async def signed_in(house: House) -> Client:
    client, _ = await connect(house)
    await client.login()
    return client


async def two_clients(house: House) -> tuple[Client, Client]:
    """Both have INBOX open and know its mails."""
    for _ in range(MAILS):
        await house.deliver(PLAIN)
    clients = await signed_in(house), await signed_in(house)
    for client in clients:
        await client.command(b"SELECT INBOX")
    return clients


async def much_happens(client: Client) -> None:
    """Every mail is flagged, then every odd one goes and two come."""
    await client.command(b"UID STORE 1:* +FLAGS.SILENT (\\Flagged)")
    odd = b",".join(b"%d" % uid for uid in range(1, MAILS + 1, 2))
    await client.command(b"UID STORE " + odd + b" +FLAGS.SILENT (\\Deleted)")
    await client.command(b"UID EXPUNGE " + odd)
    for _ in range(2):
        await client.command(b"APPEND INBOX {%d+}\r\n%b" % (len(PLAIN), PLAIN))


@pytest.mark.parametrize("is_forgotten", [False, True], ids=["by the log", "by the mailbox"])
async def test_an_open_session_learns_everything(house: House, is_forgotten: bool) -> None:
    watching, acting = await two_clients(house)
    await much_happens(acting)
    if is_forgotten:
        await look_after(house.store, 1)
    lines = await watching.command(b"NOOP")
    expunged = [int(found[1]) for line in lines if (found := re.match(rb"\* (\d+) EXPUNGE", line))]
    assert expunged == list(range(MAILS, 0, -2)), "highest first, so that the numbers below stay"
    flagged = {int(found[1]) for line in lines if (found := re.search(rb"UID (\d+) FLAGS \(.*Flagged", line))}
    assert flagged >= set(range(2, MAILS + 1, 2))
    assert b"* %d EXISTS\r\n" % (MAILS + 2) in lines
    after = await watching.command(b"UID SEARCH ALL")
    uids = [*range(2, MAILS + 1, 2), MAILS + 1, MAILS + 2]
    assert after[0].split()[2:] == [b"%d" % uid for uid in uids]
    assert await watching.command(b"NOOP") == [b"t%d OK NOOP completed\r\n" % watching.count]


@pytest.mark.parametrize("vanishes", [False, True], ids=["flags", "flags and one left"])
async def test_a_session_that_has_not_read_its_oldest_mails_learns_what_the_log_forgot(
    house: House, monkeypatch: pytest.MonkeyPatch, vanishes: bool
) -> None:
    """It has announced 25 mails and read the UIDs of the newest three; who left is remembered longer than flags."""
    monkeypatch.setattr(views, "TAIL", 3)
    watching, acting = await two_clients(house)
    if vanishes:
        await acting.command(b"UID STORE 2 +FLAGS.SILENT (\\Deleted)")
        await acting.command(b"UID EXPUNGE 2")
    await acting.command(b"UID STORE 1:* +FLAGS.SILENT (\\Flagged)")
    await look_after(house.store, 1)
    lines = await watching.command(b"NOOP")
    flagged = {int(found[1]) for line in lines if (found := re.search(rb"UID (\d+) FLAGS \(.*Flagged", line))}
    assert flagged == set(range(1, MAILS + 1)) - ({2} if vanishes else set())
    assert [line for line in lines if b"EXPUNGE" in line] == ([b"* 2 EXPUNGE\r\n"] if vanishes else [])
    assert lines[-1] == b"t%d OK NOOP completed\r\n" % watching.count


@pytest.mark.parametrize("count", [0, 1, 4, 8], ids=["empty", "one", "one step", "two steps"])
async def test_looking_again_ends_where_the_mailbox_ends(house: House, count: int) -> None:
    for _ in range(count):
        await house.deliver(PLAIN)
    client = await signed_in(house)
    await client.command(b"SELECT INBOX")
    for _ in range(3):
        await house.deliver(PLAIN)
    await look_after(house.store, 1)
    assert await client.command(b"NOOP") == [
        b"* %d EXISTS\r\n" % (count + 3),
        b"t%d OK NOOP completed\r\n" % client.count,
    ]


async def limit(house: House, mails: int) -> None:
    await house.store.write(lambda txn: quota.limit(txn.account(house.account), most_mails=mails))


async def in_mailbox(house: House, role: str) -> int:
    def body(view):  # type: ignore[no-untyped-def]
        account = view.account(house.account)
        found = mailboxes.with_role(account, role)
        assert found is not None
        return len(list(reading.placements(account, found.id)))

    return await house.store.read(body)


async def test_a_copy_that_does_not_fit_leaves_no_copies(house: House) -> None:
    for _ in range(5):
        await house.deliver(PLAIN)
    client = await signed_in(house)
    await client.command(b"SELECT INBOX")
    await limit(house, 8)
    assert b" NO [OVERQUOTA] " in (await client.command(b"COPY 1:* Archive"))[-1]
    assert await in_mailbox(house, "archive") == 0
    assert b" OK [COPYUID " in (await client.command(b"COPY 1:3 Archive"))[-1]
    assert b" NO [OVERQUOTA] " in (await client.command(b"APPEND INBOX {%d+}\r\n%b" % (len(PLAIN), PLAIN)))[-1]
    assert b" OK" in (await client.command(b"MOVE 1:* Archive"))[-1], "a move takes no room"


async def test_quota_is_told(house: House) -> None:
    await house.deliver(PLAIN)
    client = await signed_in(house)
    assert await client.command(b'GETQUOTA ""') == [b'* QUOTA "" ()\r\n', b"t2 OK GETQUOTA completed\r\n"]
    await house.store.write(
        lambda txn: quota.limit(txn.account(house.account), most_mails=10, most_octets=5 * 1_048_576)
    )
    expected = b'* QUOTA "" (STORAGE 1 5120 MESSAGE 1 10)\r\n'
    assert (await client.command(b'GETQUOTA ""'))[0] == expected
    assert (await client.command(b"GETQUOTAROOT inbox"))[:2] == [b'* QUOTAROOT "INBOX" ""\r\n', expected]
    assert b" NO [NONEXISTENT] " in (await client.command(b"GETQUOTA other"))[-1]
    assert b" NO [NONEXISTENT] " in (await client.command(b"GETQUOTAROOT other"))[-1]
    assert b"QUOTA=RES-STORAGE" in (await client.command(b"CAPABILITY"))[0]
