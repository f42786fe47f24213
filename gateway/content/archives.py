"""What an archive says it holds, read from its directory and never unpacked, save one level of small inner archives.

The directory is read by hand: a library would first build an object for each of its entries, of which a hostile file
can list a quarter of a million.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

_END, _END_64 = b"PK\x05\x06", b"PK\x06\x06"
_ENTRY = b"PK\x01\x02"
_LOCAL = b"PK\x03\x04"
_LONGEST_COMMENT = 65_535
_RELATIONS, _RELATION = 12, 64 * 1024  #: parts that say what a document refers to, and octets read of one
_REMOTE = re.compile(
    rb"<Relationship\b(?=[^<>]{0,600}\bTargetMode\s{0,3}=\s{0,3}[\"']External)"
    rb"(?=[^<>]{0,600}\bType\s{0,3}=\s{0,3}[\"'][^\"'<>]{0,200}/(?:attachedTemplate|oleObject|frame|subDocument)[\"'])"
    rb"[^<>]{0,600}\bTarget\s{0,3}=\s{0,3}[\"']((?:https?:|file:|mhtml:|\\\\)[^\"'<>]{1,400})",
    re.I,
)
_NAME = 240  #: characters of a member's name that are kept


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """How much of a hostile archive is believed."""

    members: int = 200  #: names that are kept; beyond them one for each further ending, as many again
    entries: int = 10_000  #: beyond it the archive is called a bomb
    unpacked_octets: int = 1 << 30  #: claimed in all
    ratio: int = 200  #: claimed size to packed size, above 1 MB
    inner: int = 3  #: archives inside that are opened
    inner_octets: int = 2 * 1024 * 1024  #: unpacked of one of them


@dataclass(frozen=True, slots=True)
class Contents:
    """What a directory claims."""

    members: tuple[str, ...] = ()
    is_encrypted: bool = False
    is_bomb: bool = False
    entries: int = 0  #: that were read, those of inner archives included


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    packed: int
    unpacked: int
    encrypted: bool
    method: int
    local: int  #: offset of the local header


def zip_contents(octets: bytes, limits: ArchiveLimits, depth: int = 1) -> Contents:
    """The members of a ZIP, those of small inner ZIPs as "inner.zip/name". Never raises. APPNOTE 6.3.10 §4.3."""
    names = _Names(limits.members)
    claimed = count = within_count = 0
    encrypted = bomb = False
    inner = 0
    for entry in _entries(octets):
        count += 1
        if count > limits.entries:
            bomb = True
            break
        claimed += entry.unpacked
        encrypted = encrypted or entry.encrypted
        bomb = bomb or (entry.unpacked > 1 << 20 and entry.unpacked > limits.ratio * max(entry.packed, 1))
        names.add(entry.name)
        if depth and inner < limits.inner and not entry.encrypted and entry.name.lower().endswith(".zip"):
            inner += 1
            within = zip_contents(_unpack(octets, entry, limits.inner_octets), limits, depth - 1)
            within_count += within.entries
            for name in within.members:
                names.add(f"{entry.name}/{name}"[-_NAME:])
            encrypted, bomb = encrypted or within.is_encrypted, bomb or within.is_bomb
    if not count:
        return Contents(tuple(_local_names(octets, limits.members)))
    count += within_count
    return Contents(tuple(names.kept), encrypted, bomb or claimed > limits.unpacked_octets, count)


class _Names:
    """The first names, and then the first of each ending: a program shall not hide behind a crowd of texts."""

    def __init__(self, most: int) -> None:
        self.kept: list[str] = []
        self._most = most
        self._endings: set[str] = set()

    def add(self, name: str) -> None:
        ending = name.rpartition(".")[2][-20:].lower()
        if len(self.kept) < self._most or (len(self.kept) < self._most * 2 and ending not in self._endings):
            self.kept.append(name)
            self._endings.add(ending)


def _entries(octets: bytes) -> Iterator[_Entry]:
    at, shift = _directory(octets)
    while octets[at : at + 4] == _ENTRY and len(octets) >= at + 46:
        flags, method = struct.unpack_from("<HH", octets, at + 8)
        packed, unpacked, name, extra, comment = struct.unpack_from("<IIHHH", octets, at + 20)
        (local,) = struct.unpack_from("<I", octets, at + 42)
        raw = octets[at + 46 : at + 46 + name]
        text = raw.decode("utf-8" if flags & 0x800 else "cp437", "replace")[-_NAME:]
        yield _Entry(text, packed, unpacked, bool(flags & 1), method, local + shift)
        at += 46 + name + extra + comment


def _directory(octets: bytes) -> tuple[int, int]:
    """Where the directory begins, and by how much octets before the archive (a stub) shift every offset in it.

    Readers differ in what they believe when sizes, offsets and places do not agree, so whatever leads to a directory
    is believed here. Without one the place is the end of the file. APPNOTE 6.3.10 §4.3.14-16.
    """
    end = octets.rfind(_END, max(0, len(octets) - _LONGEST_COMMENT - 22))
    if end < 0 or len(octets) < end + 22:
        return len(octets), 0
    size, start = struct.unpack_from("<II", octets, end + 12)
    if (large := octets.rfind(_END_64, max(0, end - 4_096), end)) >= 0 and len(octets) >= large + 56:
        end = large
        if 0xFFFFFFFF in (size, start):
            size, start = struct.unpack_from("<QQ", octets, large + 40)
    for at in (end - size, start):
        if at >= 0 and octets[at : at + 4] == _ENTRY:
            return at, at - start
    return len(octets), 0


def _local_names(octets: bytes, most: int) -> Iterator[str]:
    """Names from local headers, for an archive whose directory is cut off or missing."""
    at = octets.find(_LOCAL)
    for _ in range(most):
        if at < 0 or len(octets) < at + 30:
            return
        (name,) = struct.unpack_from("<H", octets, at + 26)
        yield octets[at + 30 : at + 30 + name].decode("utf-8", "replace")[-_NAME:]
        at = octets.find(_LOCAL, at + 30)


def _unpack(octets: bytes, entry: _Entry, most: int) -> bytes:
    at = entry.local
    if octets[at : at + 4] != _LOCAL or len(octets) < at + 30:
        return b""
    name, extra = struct.unpack_from("<HH", octets, at + 26)
    start = at + 30 + name + extra
    data = octets[start : start + entry.packed]
    if entry.method == 0:
        return data[:most]
    if entry.method != 8:
        return b""
    try:
        return zlib.decompressobj(-15).decompress(data, most)
    except zlib.error:
        return b""


def remote_targets(octets: bytes, limits: ArchiveLimits) -> tuple[str, ...]:
    """What an Office document fetches from elsewhere as soon as it is opened. ECMA-376 part 2 §9.3.

    A hyperlink waits for a click and is no such thing; a template, a frame or a linked object does not wait.
    """
    found: list[str] = []
    read = 0
    for count, entry in enumerate(_entries(octets)):
        if count >= limits.entries or read >= _RELATIONS:
            break
        if entry.name.lower().endswith(".rels") and not entry.encrypted:
            read += 1
            found += [m[1].decode("utf-8", "replace") for m in _REMOTE.finditer(_unpack(octets, entry, _RELATION))]
    return tuple(found[:_RELATIONS])


def rar_is_encrypted(octets: bytes) -> bool:
    """RAR 4 archive or first file with the password flag, RAR 5 with an encryption header first."""
    if octets.startswith(b"Rar!\x1a\x07\x01\x00"):
        return octets[13:14] == b"\x04" or octets[12:13] == b"\x04"
    if len(octets) < 25:
        return False
    (main_flags,) = struct.unpack_from("<H", octets, 10)
    (main_size,) = struct.unpack_from("<H", octets, 12)
    if main_flags & 0x0080:
        return True
    first = 7 + main_size
    return octets[first + 2 : first + 3] == b"\x74" and bool(octets[first + 3 : first + 4] and octets[first + 3] & 0x04)


def sevenzip_is_encrypted(octets: bytes) -> bool:
    """The AES coder's id stands in the header at the end, or hides because the header itself is packed."""
    return b"\x06\xf1\x07\x01" in octets[-65_536:]


def gzip_name(octets: bytes) -> str:
    """The original file name a gzip header may hold. RFC 1952 §2.3."""
    if len(octets) < 12 or not octets[3] & 0x08:
        return ""
    start = 10
    if octets[3] & 0x04:
        start += 2 + int.from_bytes(octets[10:12], "little")
    end = octets.find(b"\x00", start, start + _NAME)
    return octets[start:end].decode("latin-1") if end > start else ""
