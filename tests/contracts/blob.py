"""What every blob store must do. A backend's test file subclasses this and gives ``blobs`` and ``link`` fixtures."""

import hashlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from store.blob.contract import BlobId, BlobMissing, BlobStore, BlobTooLarge, Staged, Wanted

Link = Callable[[Staged], Awaitable[None]]  # what a caller does after staging: keep it in a transaction
CHUNK = 64 * 1024
SIZES = [0, 1, 100, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 20 * CHUNK + 7]


def mail_like(size: int) -> bytes:
    """Octets that compress."""
    return (b"Subject: the quarterly report is attached\r\n" * (size // 40 + 1))[:size]


def noise(size: int) -> bytes:
    """Octets that do not compress, the same each time."""
    return random.Random(size).randbytes(size)


async def in_pieces(octets: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(octets), size):
        yield octets[start : start + size]


ABSENT = BlobId(hashlib.sha256(b"never written").digest())


class BlobContract:
    """The contract of ``store.blob.contract``, sentence by sentence."""

    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("make", [mail_like, noise])
    async def test_what_was_staged_and_linked_is_read(
        self, blobs: BlobStore, link: Link, size: int, make: Callable[[int], bytes]
    ) -> None:
        octets = make(size)
        staged = await blobs.stage(octets)
        await link(staged)
        assert staged.id == hashlib.sha256(octets).digest()
        assert staged.size == size
        assert await blobs.read(staged.id) == octets
        assert b"".join([piece async for piece in blobs.open(staged.id)]) == octets

    async def test_a_large_blob_is_durable_once_staged_and_a_small_one_once_linked(
        self, blobs: BlobStore, link: Link
    ) -> None:
        large, small = await blobs.stage(noise(CHUNK + 1)), await blobs.stage(noise(CHUNK))
        assert large.frames == ()
        assert small.frames != ()
        with pytest.raises(BlobMissing):
            await blobs.read(small.id)
        await link(large)
        assert await blobs.read(large.id) == noise(CHUNK + 1)

    @pytest.mark.parametrize(
        ("start", "end"),
        [
            (0, 1),
            (0, None),
            (5, 5),
            (7, 3),
            (CHUNK - 1, CHUNK + 1),
            (CHUNK, 2 * CHUNK),
            (CHUNK, None),
            (2 * CHUNK + 99, 2 * CHUNK + 199),
            (3 * CHUNK + 9, 3 * CHUNK + 99),
            (3 * CHUNK + 10, None),
            (10**9, None),
            (100, 10**9),
        ],
    )
    async def test_a_range_is_the_slice(self, blobs: BlobStore, link: Link, start: int, end: int | None) -> None:
        octets = noise(3 * CHUNK + 10)
        staged = await blobs.stage(octets)
        await link(staged)
        assert await blobs.read(staged.id, start, end) == octets[start:end]
        assert b"".join([piece async for piece in blobs.open(staged.id, start, end)]) == octets[start:end]

    async def test_bounds_before_the_start_are_refused(self, blobs: BlobStore, link: Link) -> None:
        staged = await blobs.stage(b"octets")
        await link(staged)
        with pytest.raises(ValueError, match="bounds"):
            await blobs.read(staged.id, -1)
        with pytest.raises(ValueError, match="bounds"):
            [piece async for piece in blobs.open(staged.id, -1)]

    @pytest.mark.parametrize("blob", [ABSENT, BlobId(b""), BlobId(b"short")], ids=["absent", "empty", "short"])
    async def test_what_was_never_written_is_missing(self, blobs: BlobStore, blob: BlobId) -> None:
        with pytest.raises(BlobMissing):
            await blobs.read(blob)
        with pytest.raises(BlobMissing):
            [piece async for piece in blobs.open(blob)]

    @pytest.mark.parametrize("size", [100, 5 * CHUNK])
    async def test_the_same_octets_twice_are_one_blob(self, blobs: BlobStore, link: Link, size: int) -> None:
        for _ in range(2):
            staged = await blobs.stage(mail_like(size))
            await link(staged)
        assert await blobs.read(staged.id) == mail_like(size)
        await blobs.remove(staged.id)
        with pytest.raises(BlobMissing):
            await blobs.read(staged.id)

    @pytest.mark.parametrize("size", [100, 5 * CHUNK])
    async def test_a_removed_blob_can_be_written_again(self, blobs: BlobStore, link: Link, size: int) -> None:
        for _ in range(2):
            staged = await blobs.stage(noise(size))
            await link(staged)
            assert await blobs.read(staged.id) == noise(size)
            await blobs.remove(staged.id)

    async def test_removing_what_is_not_there_is_fine(self, blobs: BlobStore, link: Link) -> None:
        staged = await blobs.stage(b"stays")
        await link(staged)
        await blobs.remove(ABSENT)
        assert await blobs.read(staged.id) == b"stays"

    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("piece", [1 + CHUNK // 3, 5 * CHUNK], ids=["small pieces", "large pieces"])
    async def test_what_streams_in_is_the_same_blob(self, blobs: BlobStore, link: Link, size: int, piece: int) -> None:
        octets = mail_like(size // 2) + noise(size - size // 2)
        staged = await blobs.stage_stream(in_pieces(octets, piece), size)
        await link(staged)
        assert (staged.id, staged.size) == (hashlib.sha256(octets).digest(), size)
        assert await blobs.read(staged.id) == octets
        assert await blobs.size(staged.id) == size
        assert (await blobs.stage(octets)).id == staged.id

    @pytest.mark.parametrize("limit", [10, CHUNK, 3 * CHUNK])
    async def test_a_stream_over_the_limit_is_refused_and_leaves_nothing(self, blobs: BlobStore, limit: int) -> None:
        with pytest.raises(BlobTooLarge):
            await blobs.stage_stream(in_pieces(noise(limit + 1), CHUNK), limit)
        assert await blobs.list_ids() == []

    async def test_several_ranges_at_once_are_the_slices(self, blobs: BlobStore, link: Link) -> None:
        small, large = await blobs.stage(b"small octets"), await blobs.stage(noise(5 * CHUNK))
        for staged in (small, large):
            await link(staged)
        wanted = [Wanted(large.id, CHUNK - 1, CHUNK + 9), Wanted(ABSENT), Wanted(small.id, 6), Wanted(small.id, 0, 5)]
        assert await blobs.read_many(wanted) == [noise(5 * CHUNK)[CHUNK - 1 : CHUNK + 9], None, b"octets", b"small"]

    async def test_every_blob_is_listed_once_in_order(self, blobs: BlobStore, link: Link) -> None:
        made: set[BlobId] = set()
        for size in (0, 1, 2, 3, 3 * CHUNK):
            staged = await blobs.stage(noise(size))
            await link(staged)
            made.add(staged.id)
        found: list[BlobId] = []
        while page := await blobs.list_ids(found[-1] if found else None, 2):
            found += page
        assert found == sorted(made)

    @pytest.mark.parametrize("size", [100, 5 * CHUNK])
    async def test_what_is_as_it_was_written_has_no_fault(self, blobs: BlobStore, link: Link, size: int) -> None:
        staged = await blobs.stage(noise(size))
        await link(staged)
        assert await blobs.fault_of(staged.id) is None
        assert await blobs.fault_of(ABSENT) == "not there as a whole"

    async def test_a_piece_is_at_most_a_mebibyte(self, blobs: BlobStore, link: Link) -> None:
        staged = await blobs.stage(noise(40 * CHUNK))
        await link(staged)
        assert max([len(piece) async for piece in blobs.open(staged.id)]) <= 16 * CHUNK
