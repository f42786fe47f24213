"""Blobs in a bucket of a real S3 server: the contract, wrong credentials, a server that dies, damaged objects."""

import asyncio
import contextlib
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import obstore
import pytest

from store.blob.chunks import keep, list_ids, object_name, shape_of
from store.blob.contract import BlobId, BlobMissing, Staged
from store.blob.opening import open_blobs
from store.blob.places import Bucket, read_bucket
from store.blob.s3 import Credentials, NotAllowed, S3Objects, read_credentials
from store.blob.sealing import IN_CLEAR, Keyring
from store.blob.view import ORPHAN_S, Blobs
from store.kv.contract import KeyValueStore, StoreError, StoreUnavailable
from store.kv.memory import MemoryKeyValueStore
from tests.contracts.blob import CHUNK, BlobContract, Link, in_pieces, noise
from tests.support import s3
from tests.support.s3 import S3Server

LARGE = noise(5 * CHUNK + 7)


@pytest.fixture
def kv() -> KeyValueStore:
    return MemoryKeyValueStore()


@pytest.fixture(params=["in clear", "encrypted"])
async def blobs(request: pytest.FixtureRequest, kv: KeyValueStore, s3_server: S3Server) -> Blobs:
    keyring = Keyring([bytes(32)]) if request.param == "encrypted" else IN_CLEAR
    return await open_blobs(kv, s3_server.url(), keyring=keyring, credentials=s3_server.credentials())


@pytest.fixture
def link(kv: KeyValueStore) -> Link:
    async def linked(staged: Staged) -> None:
        await kv.write(lambda txn: keep(txn, staged))

    return linked


class TestContract(BlobContract):
    pass


class Place:
    """A store whose large blobs are in a bucket, and the bucket itself."""

    def __init__(self, server: S3Server) -> None:
        self.server = server
        self.url = server.url()
        self.kv = MemoryKeyValueStore()
        self.bucket = server.client(read_bucket(self.url).prefix)
        self.blobs: Blobs

    async def open(self) -> "Place":
        self.blobs = await open_blobs(self.kv, self.url, credentials=self.server.credentials())
        return self

    async def written(self, octets: bytes = LARGE) -> tuple[BlobId, str]:
        """The blob and the name of its object."""
        staged = await self.blobs.stage(octets)
        await self.kv.write(lambda txn: keep(txn, staged))
        shape = await self.kv.read(lambda view: shape_of(view, staged.id))
        assert shape is not None
        return staged.id, object_name(staged.id, shape)

    def names(self) -> list[str]:
        return sorted(each["path"] for page in obstore.list(self.bucket) for each in page)


@pytest.fixture
async def place(s3_server: S3Server) -> Place:
    return await Place(s3_server).open()


async def test_only_large_blobs_are_objects_and_a_removed_one_is_gone(place: Place) -> None:
    await place.written(b"small")
    blob, name = await place.written()
    assert place.names() == sorted([name, "mailward-place"])
    await place.blobs.remove(blob)
    assert place.names() == ["mailward-place"]


async def test_a_large_upload_in_parts_is_one_object(place: Place) -> None:
    octets = noise(200 * CHUNK)  # three parts
    staged = await place.blobs.stage_stream(in_pieces(octets, 700_000), 10**9)
    await place.kv.write(lambda txn: keep(txn, staged))
    assert await place.blobs.read(staged.id, 150 * CHUNK, 151 * CHUNK) == octets[150 * CHUNK : 151 * CHUNK]
    assert await place.blobs.fault_of(staged.id) is None


@pytest.mark.parametrize("which", ["access_key_id", "secret_access_key"])
async def test_wrong_credentials_are_refused_at_start_with_a_sentence(
    s3_server: S3Server, tmp_path: Path, which: str
) -> None:
    file = tmp_path / "credentials"
    text = s3_server.credentials().read_text()
    right = s3.ACCESS_KEY if which == "access_key_id" else s3.SECRET_KEY
    file.write_text(text.replace(right, "somebody else's"))
    with pytest.raises(NotAllowed, match="check the access key"):
        await open_blobs(MemoryKeyValueStore(), s3_server.url(), credentials=file)


async def test_credentials_come_from_the_environment(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.SECRET_KEY)
    await open_blobs(MemoryKeyValueStore(), s3_server.url())


async def test_without_credentials_it_says_what_to_set(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    with pytest.raises(StoreError, match="set AWS_ACCESS_KEY_ID"):
        await open_blobs(MemoryKeyValueStore(), s3_server.url())


async def test_the_place_of_another_store_is_refused(place: Place) -> None:
    with pytest.raises(StoreError, match="another store"):
        await open_blobs(MemoryKeyValueStore(), place.url, credentials=place.server.credentials())


async def test_a_place_without_the_blobs_of_this_store_is_refused(place: Place) -> None:
    for url in (place.server.url(), ""):
        with pytest.raises(StoreError, match="large mails of this store"):
            await open_blobs(place.kv, url, credentials=place.server.credentials())


async def test_opening_again_finds_everything(place: Place) -> None:
    blob, _ = await place.written()
    await place.open()
    assert await place.blobs.read(blob) == LARGE


@pytest.mark.parametrize("cut", [0, 40, 70, 5000, 300_000])
async def test_a_truncated_object_is_damaged_and_named(place: Place, cut: int) -> None:
    blob, name = await place.written()
    octets = bytes(obstore.get(place.bucket, name).bytes())
    obstore.put(place.bucket, name, octets[:cut])
    with pytest.raises(StoreError, match="damaged"):
        await place.blobs.read(blob)
    assert name in (await place.blobs.fault_of(blob) or "")


async def test_an_object_with_the_octets_of_another_is_named(place: Place) -> None:
    (one, its), (_, other) = await place.written(), await place.written(noise(len(LARGE))[::-1])
    obstore.put(place.bucket, its, bytes(obstore.get(place.bucket, other).bytes()))
    with pytest.raises(StoreError, match="another blob"):
        await place.blobs.read(one)


async def test_octets_with_the_wrong_hash_are_named_by_the_check(place: Place) -> None:
    """A whole object, written by the rules, that says to be another's address: only its hash can tell."""
    one, its = await place.written()
    _, other = await place.written(LARGE[::-1])
    octets = bytearray(obstore.get(place.bucket, other).bytes())
    head = 20 + 32 + 4 * 6
    octets[20:52] = one
    octets[head : head + 4] = zlib.crc32(octets[:head]).to_bytes(4, "big")
    obstore.put(place.bucket, its, bytes(octets))
    assert await place.blobs.fault_of(one) == "its octets do not have its address"


async def test_what_a_writer_left_is_swept_and_what_is_named_stays(place: Place) -> None:
    blob, name = await place.written()
    lost = await place.blobs.stage(LARGE[::-1])
    assert len(place.names()) == 3
    folders = {blob.hex()[:2], lost.id.hex()[:2]}
    assert [await place.blobs.sweep(folder) for folder in folders] == [0] * len(folders)
    later = time.time() + ORPHAN_S + 60
    assert sum([await place.blobs.sweep(folder, later) for folder in folders]) == 1
    assert place.names() == sorted([name, "mailward-place"])


def cut_during_upload(objects: object, cut: Callable[[], Awaitable[None]], monkeypatch: pytest.MonkeyPatch) -> None:
    """The next upload meets ``cut`` after its first mebibyte."""
    put = objects.put  # type: ignore[attr-defined]

    async def once(name: str, length: int, pieces: AsyncIterator[bytes]) -> None:
        async def interrupted() -> AsyncIterator[bytes]:
            octets = 0
            async for piece in pieces:
                yield piece
                if octets <= 2**20 < octets + len(piece):
                    await cut()
                octets += len(piece)

        await put(name, length, interrupted())

    monkeypatch.setattr(objects, "put", once)


async def test_a_server_killed_mid_upload_is_unavailable_and_leaves_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    if s3.missing():
        pytest.skip("no server")
    monkeypatch.setattr("store.blob.s3._RETRY_S", 1)
    with s3.running() as mortal:
        place = await Place(mortal).open()
        kept, _ = await place.written()
        assert place.blobs.elsewhere is not None
        cut_during_upload(place.blobs.elsewhere.objects, lambda: asyncio.to_thread(mortal.stop), monkeypatch)
        with pytest.raises(StoreUnavailable):
            await place.blobs.stage(noise(200 * CHUNK))
        with pytest.raises(StoreUnavailable):
            await place.blobs.read(kept)
        assert await place.kv.read(lambda view: list(list_ids(view))) == [kept]


class Wire:
    """A way to the server that can be cut."""

    def __init__(self, to: int) -> None:
        self._to = to
        [self.port] = s3.free_ports(1)
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._joined, "127.0.0.1", self.port)

    async def cut(self) -> None:
        self._server.close()
        for writer in self._open:
            writer.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._to)
        self._open |= {writer, back}
        for source, target in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._pass_on(source, target))
            self._tasks.add(task)

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while octets := await source.read(65_536):
                target.write(octets)
                await target.drain()
            target.close()


async def test_an_upload_cut_off_is_refused_for_now_and_works_when_the_wire_is_mended(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.blob.s3._RETRY_S", 1)
    wire = Wire(s3_server.ports["s3.port"])
    await wire.mend()
    place = Place(s3_server)
    place.url = place.url.replace(s3_server.endpoint, f"http://127.0.0.1:{wire.port}")
    await place.open()
    octets = noise(200 * CHUNK)
    with monkeypatch.context() as patched:
        assert place.blobs.elsewhere is not None
        cut_during_upload(place.blobs.elsewhere.objects, wire.cut, patched)
        with pytest.raises(StoreUnavailable):
            await place.blobs.stage(octets)
    assert place.names() == ["mailward-place"]
    await wire.mend()
    blob, _ = await place.written(octets)
    assert await place.blobs.read(blob) == octets
    await wire.cut()


async def test_a_server_that_is_not_there_is_unavailable_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("store.blob.s3._RETRY_S", 1)
    [port] = s3.free_ports(1)
    objects = S3Objects(Bucket("mail", "x", f"http://127.0.0.1:{port}"), Credentials("a", "b"))
    with pytest.raises(StoreUnavailable, match="s3://mail/x/name"):
        await objects.get("name", 0, 1)


async def test_an_absent_object_is_missing_and_deleting_it_is_fine(place: Place) -> None:
    await place.blobs.remove(BlobId(bytes(32)))
    with pytest.raises(BlobMissing):
        await place.blobs.read(BlobId(bytes(32)))


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("s3://mail", Bucket("mail")),
        ("s3://mail/a/b/?region=eu-central-1", Bucket("mail", "a/b", "", "eu-central-1")),
        ("s3://mail/a?endpoint=http://127.0.0.1:9000", Bucket("mail", "a", "http://127.0.0.1:9000")),
    ],
    ids=["bucket", "region", "endpoint"],
)
def test_urls(url: str, found: Bucket) -> None:
    assert read_bucket(url) == found


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("s3://", "write"),
        ("s3:mail", "write"),
        ("s3://key:secret@mail", "do not belong in the URL"),
        ("s3://mail?secret_access_key=x", "do not belong in the URL"),
        ("s3://mail?zone=x", "unknown zone"),
        ("s3://mail?endpoint=127.0.0.1:9000", "https://"),
    ],
    ids=["no bucket", "no slashes", "password", "secret", "unknown", "endpoint without scheme"],
)
def test_urls_that_cannot_be(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_bucket(url)


@pytest.mark.parametrize(
    "text", ["", "[default]\naws_access_key_id = a\n", "[other]\nx = y\n", "aws_secret_access_key = s3cret\n"]
)
def test_a_credentials_file_that_cannot_be_used_is_told_without_showing_it(tmp_path: Path, text: str) -> None:
    file = tmp_path / "credentials"
    file.write_text(text)
    with pytest.raises(StoreError) as told:
        read_credentials(file, Bucket("mail"))
    assert "s3cret" not in str(told.value)
    assert str(file) in str(told.value)
