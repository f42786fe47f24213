"""Row values: one version octet, then MessagePack of a msgspec struct."""

from typing import Generic, TypeVar

import msgspec

R = TypeVar("R")

_encoder = msgspec.msgpack.Encoder()
VERSION = b"\x01"


class RowDamaged(Exception):
    """A row cannot be read: written by a newer version, or damaged. ``mailward fsck`` tells which."""


def pack(row: msgspec.Struct) -> bytes:
    """Encode a row in the present version."""
    return VERSION + _encoder.encode(row)


class Reader(Generic[R]):
    """Decodes rows of one type. Keep one per type: building the decoder is the slow part."""

    def __init__(self, kind: type[R]) -> None:
        self._decoder = msgspec.msgpack.Decoder(kind)

    def __call__(self, value: bytes) -> R:
        """Raises RowDamaged."""
        if value[:1] != VERSION:
            raise RowDamaged(f"row version {value[:1]!r} is not known to this program")
        try:
            return self._decoder.decode(memoryview(value)[1:])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:  # the latter for text that is no UTF-8
            raise RowDamaged(str(error)) from error
