"""Frames of chunks: whatever is read is what was packed, or FrameDamaged."""

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from store.blob.frames import RAW, ZSTD, FrameDamaged, pack, unpack


@given(st.binary(max_size=2000), st.integers(1, 50))
def test_a_chunk_comes_back(chunk: bytes, times: int) -> None:
    assert unpack(pack(chunk * times), len(chunk) * times) == chunk * times


@given(st.binary(max_size=300), st.integers(0, 70_000))
def test_hostile_frames_are_damaged_or_of_the_size_asked_for(frame: bytes, size: int) -> None:
    try:
        assert len(unpack(frame, size)) == size
    except FrameDamaged:
        pass


@given(st.binary(min_size=1, max_size=300), st.integers(0, 10_000), st.integers(0, 7))
def test_a_flipped_bit_never_gives_other_octets(chunk: bytes, at: int, bit: int) -> None:
    frame = bytearray(pack(chunk * 3))
    frame[at % len(frame)] ^= 1 << bit
    try:
        assert unpack(bytes(frame), len(chunk) * 3) == chunk * 3
    except FrameDamaged:
        pass


def test_a_frame_that_would_burst_is_refused_before_it_is_unpacked() -> None:
    bomb = bytes([ZSTD]) + zstandard.compress(bytes(50_000_000))
    with pytest.raises(FrameDamaged, match="size"):
        unpack(bomb, 65_536)


@pytest.mark.parametrize(("chunk", "way"), [(b"", RAW), (b"\x00" * 999, ZSTD), (bytes(range(256)), RAW)])
def test_what_does_not_shrink_is_kept_raw(chunk: bytes, way: int) -> None:
    assert pack(chunk)[0] == way
