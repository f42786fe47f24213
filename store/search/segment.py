"""A segment: the postings of a stretch of emails, as rows that can be read piece by piece.

=============================  ==========================================================================
key, after the account         value
=============================  ==========================================================================
``W segment T term``           a block of the dictionary that begins with this term: terms in order with
                               how many mails each is in, and where its postings lie in the three files
``W segment D chunk``          file of the mails of each term: ids, each less the one before
``W segment F chunk``          file of the fields: one octet for each of these mails, a bit a field
``W segment P chunk``          file of the places: for each of these mails where the term stands in it
``O segment email``            a block of what mails are sorted by, beginning with this email (``columns``)
=============================  ==========================================================================

A file is cut into chunks of 32 KiB, each compressed. A place is position * 8 + field; it is kept less the one before,
doubled, with one added to the last of a mail. So a term costs one look-up in the dictionary and the chunks it lies in,
and terms in order make a prefix one range of the dictionary.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import zstandard

from store.changes.engine import AccountView
from store.schema import keys
from store.search import coding
from store.search.coding import Damaged, Numbers

CHUNK_OCTETS = 32 * 1024
MAILS, FIELDS, PLACES = b"D", b"F", b"P"
_CHUNKS_AT_ONCE = 256  #: 8 MiB
_MOST_OCTETS = 1 << 20  #: of a chunk or a block, decompressed

Chunks = Callable[[bytes, int], bytes]  #: reads a chunk of a file by its number

_mine = threading.local()  # a decompressor belongs to one thread


class BlockRow(msgspec.Struct, frozen=True, array_like=True):
    """A block of the dictionary."""

    terms: bytes  #: UTF-8, one after another with a line end between: no term has one
    mails: bytes  #: how many mails each term is in
    mail_octets: bytes  #: how long its part of the file of mails is
    place_octets: bytes
    mail_start: int  #: where the first term's part of each file starts
    field_start: int
    place_start: int


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(BlockRow)


@dataclass(frozen=True, slots=True)
class Terms:
    """Where the postings of some terms lie, in the order of the files. All arrays are as long as each other."""

    mails: Numbers
    mail_start: Numbers
    mail_octets: Numbers
    field_start: Numbers
    place_start: Numbers
    place_octets: Numbers

    def at(self, which: Numbers) -> "Terms":
        return Terms(*(getattr(self, name)[which] for name in Terms.__slots__))

    @staticmethod
    def of_counts(mails: Numbers, mail_octets: Numbers, place_octets: Numbers, starts: tuple[int, int, int]) -> "Terms":
        """From what follows one another in the files that starts there."""
        return Terms(
            mails,
            starts[0] + np.cumsum(mail_octets) - mail_octets,
            mail_octets,
            starts[1] + np.cumsum(mails) - mails,
            starts[2] + np.cumsum(place_octets) - place_octets,
            place_octets,
        )

    @staticmethod
    def joined(several: Sequence["Terms"]) -> "Terms":
        return Terms(*(np.concatenate([getattr(one, name) for one in several]) for name in Terms.__slots__))


@dataclass(frozen=True, slots=True)
class Block:
    """A block of the dictionary, its columns read when first needed."""

    row: BlockRow

    @property
    def octets(self) -> bytes:
        """The terms with a line end before and after each."""
        return b"\n" + self.row.terms + b"\n"

    def counts(self) -> tuple[Numbers, Numbers, Numbers]:
        """Of each term the mails, and how long its parts of the files of mails and places are. Raises Damaged."""
        row = self.row
        mails, mail_octets, place_octets = map(coding.decode, (row.mails, row.mail_octets, row.place_octets))
        if not len(mails) == len(mail_octets) == len(place_octets) == row.terms.count(b"\n") + 1:
            raise Damaged("a block of the dictionary does not fit together")
        return mails, mail_octets, place_octets

    @property
    def starts(self) -> tuple[int, int, int]:
        return self.row.mail_start, self.row.field_start, self.row.place_start

    def terms(self) -> Terms:
        """Raises Damaged."""
        return Terms.of_counts(*self.counts(), self.starts)


def pack_block(row: BlockRow) -> bytes:
    return compress(_encoder.encode(row))


def compress(octets: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=3, write_checksum=True).compress(octets)


def decompress(octets: bytes) -> bytes:
    """Raises Damaged."""
    if not hasattr(_mine, "unpacker"):
        _mine.unpacker = zstandard.ZstdDecompressor()
    try:
        found: bytes = _mine.unpacker.decompress(octets, max_output_size=_MOST_OCTETS)
    except zstandard.ZstdError as error:
        raise Damaged(str(error)) from error
    return found


def read_block(value: bytes) -> Block:
    """Raises Damaged."""
    try:
        return Block(_decoder.decode(decompress(value)))
    except msgspec.DecodeError as error:
        raise Damaged(str(error)) from error


def block_with(view: AccountView, segment: int, term: bytes) -> Block | None:
    """The block in which a term would be. Raises Damaged."""
    start = keys.dictionary(segment, b"")
    for _, value in view.scan(start, keys.dictionary(segment, term) + b"\x00", reverse=True, limit=1):
        return read_block(value)
    return None


def blocks(view: AccountView, segment: int, first: bytes = b"", end: bytes | None = None) -> Iterator[Block]:
    """Blocks that begin with terms from ``first`` on, before ``end``. Raises Damaged."""
    stop = keys.dictionary(segment, end) if end is not None else keys.prefix_end(keys.dictionary(segment, b""))
    for _, value in view.scan(keys.dictionary(segment, first), stop):
        yield read_block(value)


def chunks(view: AccountView, segment: int) -> Chunks:
    """Reads chunks of a segment's files; raises Damaged."""

    def read(file: bytes, number: int) -> bytes:
        value = view.get(keys.postings(segment, file, number))
        if value is None:
            raise Damaged(f"chunk {number} of segment {segment} is missing")
        return decompress(value)

    return read


def read_file(read: Chunks, file: bytes, starts: Numbers, sizes: Numbers) -> bytes:
    """Stretches of a file, ascending, one after another. Raises Damaged."""
    if len(starts) == 1:
        return _stretch(read, file, int(starts[0]), int(sizes[0]))
    first, last = starts // CHUNK_OCTETS, (starts + np.maximum(sizes, 1) - 1) // CHUNK_OCTETS
    out: list[bytes] = []
    low = 0
    while low < len(starts):
        high = max(int(np.searchsorted(last, first[low] + _CHUNKS_AT_ONCE)), low + 1)
        out.append(_gathered(read, file, starts[low:high], sizes[low:high], (first[low:high], last[low:high])))
        low = high
    return b"".join(out)


def _stretch(read: Chunks, file: bytes, start: int, size: int) -> bytes:
    number, offset = divmod(start, CHUNK_OCTETS)
    octets = read(file, number)
    if offset + size > CHUNK_OCTETS:
        more = range(number + 1, (start + size - 1) // CHUNK_OCTETS + 1)
        octets = b"".join([octets, *(read(file, each) for each in more)])
    found = octets[offset : offset + size]
    if len(found) != size:
        raise Damaged(f"chunk {number} of a file is too short")
    return found


def _gathered(read: Chunks, file: bytes, starts: Numbers, sizes: Numbers, numbers: tuple[Numbers, Numbers]) -> bytes:
    """Many stretches that lie in few chunks, each of which is read once."""
    first, last = numbers
    wanted = np.unique(coding.pieces(first, last - first + 1))
    several = [read(file, number) for number in wanted.tolist()]
    if any(len(each) != CHUNK_OCTETS for each in several[:-1]):
        raise Damaged("a chunk of a file is too short")
    octets = np.frombuffer(b"".join(several), dtype=np.uint8)
    places = np.searchsorted(wanted, first) * CHUNK_OCTETS + starts % CHUNK_OCTETS
    if int((places + sizes).max()) > len(octets):
        raise Damaged("the last chunk of a file is too short")
    return octets[coding.pieces(places, sizes)].tobytes()


def mails_of(read: Chunks, terms: Terms) -> Numbers:
    """The mails of each term, ascending, term by term. Raises Damaged."""
    return coding.decode_sums(read_file(read, MAILS, terms.mail_start, terms.mail_octets), terms.mails)


def fields_of(read: Chunks, terms: Terms) -> Numbers:
    """For each of ``mails_of`` a bit for every field the term is in. Raises Damaged."""
    octets = read_file(read, FIELDS, terms.field_start, terms.mails)
    return np.frombuffer(octets, dtype=np.uint8).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Places:
    """Where terms stand: for each of ``mails_of`` how many places, and these."""

    counts: Numbers
    places: Numbers


def places_of(read: Chunks, terms: Terms) -> Places:
    """Raises Damaged."""
    doubled = coding.decode(read_file(read, PLACES, terms.place_start, terms.place_octets))
    ends = np.flatnonzero(doubled & 1)
    if len(ends) != int(terms.mails.sum()) or (len(doubled) and ends[-1] != len(doubled) - 1):
        raise Damaged("a segment has other places than its dictionary says")
    counts = np.diff(ends, prepend=-1)
    return Places(counts, coding.sums(doubled >> 1, counts))
