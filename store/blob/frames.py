"""One chunk of a blob at rest: an octet that says how it is packed, then the packed octets with a checksum.

Both ways are checked when read: a zstd frame carries its own checksum, raw octets are preceded by their CRC-32.
"""

import threading
import zlib

import zstandard

RAW, ZSTD = 0, 1
LEVEL = 3  #: of zstd
_CRC_OCTETS = 4


class FrameDamaged(Exception):
    """A frame that is not what was written."""


class _Codecs(threading.local):
    """One compressor and one decompressor a thread: neither may be used by two at once."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True, write_content_size=True)
        self.decompressor = zstandard.ZstdDecompressor()


_codecs = _Codecs()


def pack(chunk: bytes) -> bytes:
    """Compress a chunk, or keep it raw when that is no longer."""
    packed = _codecs.compressor.compress(chunk)
    if len(packed) < len(chunk) + _CRC_OCTETS:
        return bytes([ZSTD]) + packed
    return bytes([RAW]) + zlib.crc32(chunk).to_bytes(_CRC_OCTETS, "big") + chunk


def unpack(frame: bytes, size: int) -> bytes:
    """The chunk of ``size`` octets. Raises FrameDamaged; never makes more than ``size`` octets."""
    way, packed = frame[:1], frame[1:]
    if way == bytes([RAW]):
        chunk = packed[_CRC_OCTETS:]
        if zlib.crc32(chunk).to_bytes(_CRC_OCTETS, "big") != packed[:_CRC_OCTETS]:
            raise FrameDamaged("its checksum is wrong")
    elif way == bytes([ZSTD]):
        chunk = _unpack_zstd(packed, size)
    else:
        raise FrameDamaged(f"it is packed in an unknown way {way!r}")
    if len(chunk) != size:
        raise FrameDamaged(f"it has {len(chunk)} octets instead of {size}")
    return chunk


def _unpack_zstd(packed: bytes, size: int) -> bytes:
    try:
        if zstandard.frame_content_size(packed) != size:  # refused before anything of that size is made
            raise FrameDamaged("its size is not the one of the chunk")
        return _codecs.decompressor.decompress(packed, max_output_size=size) if size else b""
    except zstandard.ZstdError as error:
        raise FrameDamaged(str(error)) from error
