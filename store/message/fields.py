"""Finds header blocks: where they end, and the fields in them. RFC 5322 §2.2, §4.5.

Lenient where mail programs are lenient, so that what the recipient sees is what was judged: white space
before the colon, lines that are no field between lines that are, a missing blank line.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from store.message.model import HeaderField, Headers, Limits
from store.message.notes import Notes

_FIELD = re.compile(rb"([!-9;-~\x80-\xff]++)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)\n?")
_FIELD_AHEAD = re.compile(rb"[!-9;-~\x80-\xff]++[ \t]*+:")
_MBOX_FROM = re.compile(rb">?From [^\n]*+\n")
_BLANK_LINE = re.compile(rb"\n\r?\n")
_LF, _CR = 10, 13


@dataclass(frozen=True, slots=True)
class Block:
    """One header block. ``content`` has the first of each Content-* field, lower-case names."""

    headers: Headers
    content: dict[str, bytes]
    header_start: int
    body_start: int


def scan_block(octets: bytes, start: int, end: int, limits: Limits, notes: Notes) -> Block:
    """Read the header block at ``start``; linear, and no further than ``limits`` allow. RFC 5322 §2.1."""
    start = _skip_mbox_line(octets, start, end, notes)
    stop = min(end, start + limits.header_octets)
    fields: list[HeaderField] = []
    content: dict[str, bytes] = {}
    pos = start
    body_start = end
    while pos < end:
        first = octets[pos]
        if first == _LF:
            body_start = pos + 1
            break
        if first == _CR and octets.startswith(b"\n", pos + 1) and pos + 1 < end:
            body_start = pos + 2
            break
        match = _FIELD.match(octets, pos, stop)
        if match is not None and len(fields) < limits.header_fields:
            fields.append(_field(match, content, notes))
            pos = match.end()
            continue
        if match is not None or pos >= stop:
            notes.add("header.too-many" if match is not None else "header.too-large")
            body_start = _after_blank_line(octets, pos, end)
            break
        after = _after_junk(octets, pos, stop, bool(fields), notes)
        if after < 0:
            body_start = pos
            break
        pos = after
    _note_octets(octets, start, min(body_start, stop), notes)
    return Block(Headers(tuple(fields)), content, start, body_start)


def field_lines(octets: bytes, start: int, end: int) -> Iterator[tuple[str, bytes]]:
    """Lower-case name and octets as sent, line break and all, of each field in [start, end)."""
    pos = start
    while pos < end:
        match = _FIELD.match(octets, pos, end)
        if match is not None:
            yield match[1].decode("ascii", "replace").lower(), match[0]
            pos = match.end()
        else:
            newline = octets.find(b"\n", pos, end)
            pos = end if newline < 0 else newline + 1


def _field(match: re.Match[bytes], content: dict[str, bytes], notes: Notes) -> HeaderField:
    name_octets, raw = match.groups()
    if raw.endswith(b"\r"):
        raw = raw[:-1]
    name = name_octets.decode("ascii", "replace")
    if name_octets[:8].lower() == b"content-":
        lower = name.lower()
        if lower in content:
            notes.add("mime.header-duplicate", lower)
        else:
            content[lower] = raw
    return HeaderField(name, raw)


def _skip_mbox_line(octets: bytes, start: int, end: int, notes: Notes) -> int:
    if start == 0 and (match := _MBOX_FROM.match(octets, start, min(end, 2_000))):
        notes.add("header.mbox-from")
        return match.end()
    return start


def _after_junk(octets: bytes, pos: int, stop: int, fields_before: bool, notes: Notes) -> int:
    """Where to go on after a line that is no field, or -1 when the body starts at this line."""
    newline = octets.find(b"\n", pos, stop)
    after = stop if newline < 0 else newline + 1
    if octets[pos] in b" \t" and not fields_before:
        notes.add("header.starts-folded")
        return after
    delimiter = octets.startswith(b"--", pos)
    if fields_before and newline >= 0 and not delimiter and _FIELD_AHEAD.match(octets, after, stop):
        notes.add("header.no-colon")
        return after
    notes.add("header.separator-missing")
    return -1


def _after_blank_line(octets: bytes, pos: int, end: int) -> int:
    match = _BLANK_LINE.search(octets, max(pos - 1, 0), end)
    return match.end() if match else end


def _note_octets(octets: bytes, start: int, end: int, notes: Notes) -> None:
    block = octets[start:end]
    if not block.isascii():
        try:
            block.decode("utf-8")
            notes.add("header.8bit", "utf-8")
        except UnicodeDecodeError:
            notes.add("header.8bit")
    if b"\0" in block:
        notes.add("header.nul")
