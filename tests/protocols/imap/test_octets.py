"""Octets of mails, wherever they are: small and large side by side, and one that went between row and octets."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from store.blob.contract import BlobId
from store.blob.folder import FolderObjects
from store.blob.sealing import Keyring
from store.blob.view import Blobs
from store.changes.announce import Announcer
from store.changes.engine import Store
from store.kv.memory import MemoryKeyValueStore
from tests.protocols.imap.client import Client, connect
from tests.protocols.imap.house import House

BODY = b"Line by line, the notes.\r\n"
MAILS = {
    b"first": b"Subject: first\r\n\r\n" + BODY,
    b"second": b"Subject: second\r\n\r\n" + BODY * 4_000,  # a section that is read at once
    b"third": b"Subject: third\r\n\r\n" + BODY * 40_000,  # one that is streamed
}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """Large mails are files, all of them encrypted."""
    kv = MemoryKeyValueStore()
    blobs = Blobs(kv, objects=FolderObjects(tmp_path / "blobs"), keyring=Keyring([bytes(32)]))
    opened = Store(kv, blobs, Announcer())
    yield opened
    await opened.close()


@pytest.fixture
async def client(house: House) -> Client:
    for octets in MAILS.values():
        await house.deliver(octets)
    client, _ = await connect(house)
    await client.login()
    await client.command(b"SELECT INBOX")
    return client


async def blob_of(house: House, size: int) -> BlobId:
    for blob in await house.store.blobs.list_ids():
        if await house.store.blobs.size(blob) == size:
            return blob
    raise AssertionError(size)


async def test_whole_mails_are_fetched_as_they_were_delivered(client: Client) -> None:
    said = b"".join(await client.command(b"FETCH 1:3 (BODY.PEEK[])"))
    for number, octets in enumerate(MAILS.values(), 1):
        assert b"* %d FETCH (BODY[] {%d}\r\n%b)\r\n" % (number, len(octets), octets) in said


async def test_a_part_of_a_large_mail_is_fetched(client: Client) -> None:
    said = b"".join(await client.command(b"FETCH 3 (BODY.PEEK[]<300000.1000>)"))
    assert MAILS[b"third"][300_000:301_000] in said


@pytest.mark.parametrize("name", list(MAILS))
async def test_a_mail_whose_octets_went_is_left_out_and_the_others_are_not(
    house: House, client: Client, name: bytes
) -> None:
    await house.store.blobs.remove(await blob_of(house, len(MAILS[name])))
    lines = await client.command(b"FETCH 1:3 (BODY.PEEK[])")
    shown = [line for line in lines if line.startswith(b"* ") and b" FETCH " in line]
    assert len(shown) == 2
    assert b"EXPUNGEISSUED" in lines[-1]
    assert b" OK " in lines[-1]


@pytest.mark.parametrize(
    ("key", "found"),
    [
        (b"TEXT notes", b"1 2 3"),
        (b"HEADER Subject second", b"2"),
        (b"NOT HEADER Subject second", b"1 3"),
        (b"OR SUBJECT first TEXT third", b"1 3"),
        (b"SUBJECT first NOT BODY notes", b""),
        (b"SMALLER 1000 BODY notes", b"1"),
        (b"LARGER 1000 NOT (OR HEADER Subject second BODY nothing)", b"3"),
    ],
    ids=["text", "header", "not", "or", "not body", "size first", "nested"],
)
async def test_searches_read_octets_only_where_rows_do_not_say(client: Client, key: bytes, found: bytes) -> None:
    lines = await client.command(b"SEARCH " + key)
    assert lines[0].rstrip() == (b"* SEARCH " + found).rstrip()


async def test_a_mail_whose_octets_went_is_no_hit(house: House, client: Client) -> None:
    await house.store.blobs.remove(await blob_of(house, len(MAILS[b"second"])))
    assert (await client.command(b"SEARCH TEXT notes"))[0] == b"* SEARCH 1 3\r\n"
