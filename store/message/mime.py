"""Reads a mail's structure: one pass down the parts, offsets into the octets, nothing copied. RFC 2045, 2046.

A mail comes from strangers: every limit of ``Limits`` holds, nothing raises, and what is wrong is noted. Work
is linear in the octets times the depth, which is bounded.
"""

import re
from collections.abc import Iterator

from store.message.body import IDENTITY_ENCODINGS
from store.message.fields import Block, scan_block
from store.message.folding import strip_comments, unfold
from store.message.model import Limits, Message, Part
from store.message.notes import Notes
from store.message.parameters import Parameterised, parse_parameterised

DEPTH_POSSIBLE = 100  #: parts are read by recursion; no setting may go deeper
FALSE_DELIMITERS = 20_000  #: lines that start like a boundary and are none, in one mail
LINE_OCTETS = 998  #: RFC 5322 §2.1.1
_CR = 13
_ONCE = frozenset(  # RFC 5322 §3.6
    {"date", "from", "sender", "reply-to", "to", "cc", "bcc", "message-id", "in-reply-to", "references", "subject"}
)
_AFTER_DELIMITER = re.compile(rb"(--)?+[ \t]*+\r?(?:\n|\Z)")
_TYPE = re.compile(r"[!-.0-~]+/[!-.0-~]+")
_NO_PARAMETERS = Parameterised("", (), {})


def parse_message(octets: bytes, limits: Limits = Limits()) -> Message:  # noqa: B008 - frozen
    """Read a whole mail. Never raises; see ``Message.defects``. RFC 5322, RFC 2045, RFC 2046."""
    notes = Notes()
    root = _Scan(octets, limits, notes).message(0, len(octets), "", 0)
    _note_repeated_fields(root, notes)
    _note_octets(octets, root, notes)
    return Message(octets, root, notes.all())


class _Scan:
    """One mail being read: what all parts share."""

    __slots__ = ("depth", "false_delimiters", "limits", "notes", "octets", "parts")

    def __init__(self, octets: bytes, limits: Limits, notes: Notes) -> None:
        self.octets = octets
        self.limits = limits
        self.notes = notes
        self.parts = 0
        self.depth = min(limits.depth, DEPTH_POSSIBLE)
        self.false_delimiters = 0

    def message(self, start: int, end: int, outer: str, depth: int) -> Part:
        """A mail in [start, end): the root, or what a message/rfc822 part with number ``outer`` holds."""
        block = scan_block(self.octets, start, end, self.limits, self.notes)
        return self.part(block, end, outer, depth, "text/plain", is_root=True)

    def part(self, block: Block, end: int, number: str, depth: int, default: str, is_root: bool = False) -> Part:
        """A part whose header block is read; ``number`` is its own, or for a root that of its holder."""
        self.parts += 1
        notes = self.notes
        kind, typed = self._content_type(block, default)
        disposition, placed = self._disposition(block)
        encoding = _encoding(block.content.get("content-transfer-encoding", b""))
        children: tuple[Part, ...] = ()
        inner: Part | None = None
        if kind.startswith("multipart/"):
            if encoding not in IDENTITY_ENCODINGS:
                notes.add("mime.multipart-encoded", number)
            if self._may_descend(depth, number):
                digest = kind == "multipart/digest"
                children = self.children(block.body_start, end, typed, number, depth + 1, digest)
        elif kind in ("message/rfc822", "message/global") and encoding in IDENTITY_ENCODINGS:
            own = number if not is_root else _single(number)
            if self._may_descend(depth, own):
                inner = self.message(block.body_start, end, own, depth + 1)
        if is_root and number and not children:
            number = _single(number)
        return Part(
            number=number,
            type=kind,
            params=typed.params,
            disposition=disposition,
            disposition_params=placed.params,
            encoding=encoding,
            content_id=_content_id(block.content.get("content-id", b"")),
            headers=block.headers,
            header_start=block.header_start,
            body_start=block.body_start,
            body_end=end,
            children=children,
            message=inner,
        )

    def children(
        self, start: int, end: int, typed: Parameterised, number: str, depth: int, digest: bool
    ) -> tuple[Part, ...]:
        """The parts between the delimiters of one multipart. RFC 2046 §5.1.1."""
        boundary = _boundary(typed)
        if boundary is None:
            self.notes.add("mime.boundary-missing", number)
            return ()
        spans = self.spans(start, end, boundary, number)
        prefix = f"{number}." if number else ""
        default = "message/rfc822" if digest else "text/plain"
        found: list[Part] = []
        for index, (part_start, part_end) in enumerate(spans, 1):
            if self.parts >= self.limits.parts:
                self.notes.add("mime.parts")
                break
            block = scan_block(self.octets, part_start, part_end, self.limits, self.notes)
            found.append(self.part(block, part_end, f"{prefix}{index}", depth, default))
        return tuple(found)

    def spans(self, start: int, end: int, boundary: bytes, number: str) -> list[tuple[int, int]]:
        """Where the parts lie. The line break before a delimiter belongs to the delimiter."""
        octets = self.octets
        spans: list[tuple[int, int]] = []
        part_start = -1
        for at, after, closes in self.delimiters(start, end, boundary, number):
            if 0 <= part_start <= at:  # else the line break is missing between two delimiters: no part
                spans.append((part_start, at - 1 if at > part_start and octets[at - 1] == _CR else at))
            part_start = after
            if closes:
                if not spans:
                    self.notes.add("mime.multipart-empty", number)
                return spans
            if len(spans) >= self.limits.parts:
                self.notes.add("mime.parts")
                return spans
        if part_start < 0:
            self.notes.add("mime.boundary-missing", number)
        else:
            spans.append((part_start, end))
            self.notes.add("mime.close-missing", number)
        return spans

    def delimiters(self, start: int, end: int, boundary: bytes, number: str) -> Iterator[tuple[int, int, bool]]:
        """Line break before, end, and whether it closes, of each delimiter line. RFC 2046 §5.1.1."""
        needle = b"\n--" + boundary
        pos = start - 1  # a multipart has a Content-Type field before it, which ends with a line break
        last = 0
        while (at := self.octets.find(needle, pos, end)) >= 0:
            pos = at + len(needle)
            match = _AFTER_DELIMITER.match(self.octets, pos, end)
            if match is None or at < last:
                self.false_delimiters += 1
                if self.false_delimiters > FALSE_DELIMITERS:
                    self.notes.add("mime.boundary-noise", number)
                    return
            if match is not None:
                last, pos = match.end(), match.end() - 1
                yield at, last, bool(match[1])

    def _may_descend(self, depth: int, number: str) -> bool:
        if depth >= self.depth:
            self.notes.add("mime.depth", number)
            return False
        if self.parts >= self.limits.parts:
            self.notes.add("mime.parts", number)
            return False
        return True

    def _content_type(self, block: Block, default: str) -> tuple[str, Parameterised]:
        raw = block.content.get("content-type")
        if raw is None:
            return default, _NO_PARAMETERS
        typed = parse_parameterised(raw, self.limits, self.notes)
        if _TYPE.fullmatch(typed.value):
            return typed.value, typed
        if typed.value in ("", "text"):
            return default if not typed.value else "text/plain", typed
        self.notes.add("mime.type-unreadable", typed.value)
        return "application/octet-stream", typed

    def _disposition(self, block: Block) -> tuple[str, Parameterised]:
        raw = block.content.get("content-disposition")
        if raw is None:
            return "", _NO_PARAMETERS
        placed = parse_parameterised(raw, self.limits, self.notes)
        if placed.value in ("", "inline", "attachment"):
            return placed.value, placed
        return "attachment", placed  # RFC 2183 §2.8: an unknown one is an attachment


def _single(number: str) -> str:
    """Section number of the only part of a mail that is no multipart. RFC 3501 §6.4.5."""
    return f"{number}.1" if number else "1"


def _boundary(typed: Parameterised) -> bytes | None:
    raw = dict(reversed(typed.raw)).get("boundary")  # the first of several
    if raw is None:
        text = typed.params.get("boundary")
        if text is None:
            return None
        raw = text.encode("utf-8", "replace")
    return raw.rstrip()


def _encoding(raw: bytes) -> str:
    text = strip_comments(unfold(raw)).strip(b" \t;\"'").decode("ascii", "replace").lower()
    return text or "7bit"


def _content_id(raw: bytes) -> str:
    return unfold(raw).strip(b"<> \t").decode("utf-8", "replace")


def _note_repeated_fields(root: Part, notes: Notes) -> None:
    seen: set[str] = set()
    for field in root.headers.fields:
        name = field.name.lower()
        if name in seen and name in _ONCE:
            notes.add("header.duplicate", name)
        seen.add(name)


def _note_octets(octets: bytes, root: Part, notes: Notes) -> None:
    if not root.headers.fields:
        notes.add("header.none")
    if octets.find(b"\0", root.body_start) >= 0:
        notes.add("body.nul")
    returns, breaks, pairs = octets.count(b"\r"), octets.count(b"\n"), octets.count(b"\r\n")
    if returns != pairs:
        notes.add("line.bare-cr")
    if breaks != pairs and pairs:
        notes.add("line.mixed-endings")
    if _has_long_line(octets):
        notes.add("line.too-long")


def _has_long_line(octets: bytes) -> bool:
    """Hop from line break to line break, as far as one line may reach at a time."""
    pos, length = 0, len(octets)
    while length - pos > LINE_OCTETS:
        newline = octets.rfind(b"\n", pos, pos + LINE_OCTETS + 2)
        if newline < 0:
            return True
        pos = newline + 1
    return False
