"""The addresses a PDF document leads to, for the checks of links. ISO 32000-1 §12.6.4.7.

Not a reader of PDF: link annotations are looked for by their form in the file and in the object streams that a modern
program packs them into. What is not found is not there for the checks; nothing is decided by its absence.
"""

import re
import zlib
from dataclasses import dataclass

from gateway.content.windows import each_in

_URI = re.compile(rb"/URI\s{0,4}(?:\(((?:[^()\\]|\\.){4,2048})\)|<([0-9A-Fa-f\s]{8,4096})>)", re.S)
_OBJECTS = re.compile(rb"/ObjStm\b")
_STREAM = re.compile(rb"\bstream\r?\n")
_ESCAPE = re.compile(rb"\\([()\\])")


@dataclass(frozen=True, slots=True)
class PdfLimits:
    """How much of a document is searched."""

    octets: int = 8 * 1024 * 1024  #: of the file
    streams: int = 24  #: packed object streams that are opened
    stream_octets: int = 256 * 1024  #: unpacked of one
    links: int = 40


DEFAULT_LIMITS = PdfLimits()


def links_in(octets: bytes, limits: PdfLimits = DEFAULT_LIMITS) -> tuple[str, ...]:
    """Each address once, in the order of the file. Linear; never raises on a file, however broken."""
    octets = octets[: limits.octets]
    found: dict[str, None] = {}
    _collect(octets, found, limits.links)
    for count, mark in enumerate(_OBJECTS.finditer(octets)):
        if count >= limits.streams or len(found) >= limits.links:
            break
        start = _STREAM.search(octets, mark.end(), mark.end() + 400)
        if start is not None:
            _collect(_unpacked(octets, start.end(), limits.stream_octets), found, limits.links)
    return tuple(found)


def _collect(octets: bytes, found: dict[str, None], most: int) -> None:
    if b"/URI" not in octets:
        return
    for match in each_in(_URI, octets):
        if len(found) >= most:
            return
        written = _ESCAPE.sub(rb"\1", match[1]) if match[1] is not None else _from_hex(match[2])
        text = written.decode("utf-8", "replace").strip()
        if text:
            found[text] = None


def _from_hex(digits: bytes) -> bytes:
    plain = b"".join(digits.split())
    return bytes.fromhex(plain[: len(plain) // 2 * 2].decode("ascii"))


def _unpacked(octets: bytes, start: int, most: int) -> bytes:
    """The start of a deflated stream; empty when it is packed in another way."""
    try:
        return zlib.decompressobj().decompress(octets[start : start + most], most)
    except zlib.error:
        return b""
