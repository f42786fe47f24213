"""Octets become raw commands, without I/O and without a clock. RFC 3501 §4.3, §7.5, RFC 7888.

A command is its line cut at its literals. Only CRLF ends a line: a bare CR or LF is refused, because what
other programs take for a line end must not end up inside an argument.
"""

import re
from dataclasses import dataclass

from protocols.imap.refusal import Disconnect

_LITERAL = re.compile(rb"(?:\A|[ (])\{([0-9]{1,12})(\+?)\}\Z")
_TAG = re.compile(rb"([!#$&',./0-9:;<=>?@A-Z\[\]^_`a-z|}~-]{1,100})(?: |\Z)")
_APPEND = re.compile(rb"[^ ]+ APPEND ", re.IGNORECASE)
_MOST_OCTETS = 1 << 32  #: a non-synchronising literal beyond this is not even skipped


@dataclass(frozen=True, slots=True)
class WireLimits:
    """Octets of one command."""

    line: int
    literals: int
    append: int  #: of the literal that is APPEND's mail; 0 before login


@dataclass(frozen=True, slots=True)
class RawCommand:
    """``pieces`` are the parts of the line; a literal stands between each two."""

    pieces: tuple[bytes, ...]
    literals: tuple[bytes, ...]

    @property
    def tag(self) -> bytes:
        """The tag, or "*" when there is none that could be repeated."""
        match = _TAG.match(self.pieces[0])
        return match[1] if match else b"*"


@dataclass(frozen=True, slots=True)
class RawLine:
    """A line that is no command: an answer to our "+"."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class LiteralWanted:
    """The client waits for our "+" before it sends a literal."""


@dataclass(frozen=True, slots=True)
class BadLine:
    """A command that was read to its end and cannot be taken. ``is_too_big``: because of a literal."""

    tag: bytes
    text: str
    is_too_big: bool = False


@dataclass(frozen=True, slots=True)
class NeedData:
    """Nothing more to be had from what was fed."""


Event = RawCommand | RawLine | LiteralWanted | BadLine | NeedData


class ImapWire:
    """Feed it what came; ask for events until it needs more."""

    def __init__(self, limits: WireLimits) -> None:
        self.limits = limits
        self._buffer = bytearray()
        self._searched = 0
        self._pieces: list[bytes] = []
        self._literals: list[bytes] = []
        self._line_left = limits.line
        self._literal_left = limits.literals
        self._append_used = False
        self._wanted: int | None = None  # octets of the literal being read
        self._skipping = 0  # octets of a refused literal still to come
        self._refused: BadLine | None = None

    @property
    def buffered(self) -> int:
        return len(self._buffer)

    @property
    def in_literal(self) -> bool:
        """Whether what is buffered belongs to a literal whose size was allowed."""
        return self._wanted is not None or self._skipping > 0

    def set_limits(self, limits: WireLimits) -> None:
        """From the next command on."""
        self.limits = limits
        if not self._pieces:
            self._start_over()

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def discard(self) -> None:
        """Forget everything read: what was sent before TLS is nobody's command (RFC 3501 §6.2.1, RFC 2595 §9)."""
        self._buffer.clear()
        self._searched = 0
        self._start_over()

    def next_event(self) -> Event:
        """The next command or what is needed for it. Raises Disconnect when the stream cannot be followed."""
        while True:
            if self._skipping:
                if not self._skip():
                    return NeedData()
                continue
            if self._wanted is not None:
                if len(self._buffer) < self._wanted:
                    return NeedData()
                self._literals.append(self._take(self._wanted))
                self._wanted = None
            line = self._line()
            if line is None:
                return NeedData()
            event = self._piece(line)
            if event is not None:
                return event

    def next_line(self) -> RawLine | NeedData:
        """The next line as it is. Raises Disconnect when it is too long."""
        line = self._line()
        self._line_left = self.limits.line
        return RawLine(line) if line is not None else NeedData()

    def _take(self, octets: int) -> bytes:
        taken = bytes(memoryview(self._buffer)[:octets])
        del self._buffer[:octets]
        return taken

    def _skip(self) -> bool:
        gone = min(self._skipping, len(self._buffer))
        del self._buffer[:gone]
        self._skipping -= gone
        return not self._skipping

    def _line(self) -> bytes | None:
        at = self._buffer.find(b"\n", self._searched)
        length = len(self._buffer) if at < 0 else at
        if length > self._line_left + 2:
            raise Disconnect("line too long")
        if at < 0:
            self._searched = len(self._buffer)
            return None
        self._searched = 0
        self._line_left -= at
        return self._take(at + 1)

    def _piece(self, line: bytes) -> Event | None:
        """One line read: the command ends here, or a literal follows. None: go on reading."""
        text = line[:-2]
        if not line.endswith(b"\r\n") or b"\r" in text or b"\0" in text:
            return self._ended(BadLine(self._tag(line), "lines end with CRLF and hold no other CR, LF or NUL"))
        self._pieces.append(text)
        match = _LITERAL.search(text)
        if match is None:
            return self._ended(self._refused or RawCommand(tuple(self._pieces), tuple(self._literals)))
        size, is_sync = int(match[1]), not match[2]
        self._pieces[-1] = text[: match.start(1) - 1]
        if self._refused is None and self._allows(size):
            self._wanted = size
            return LiteralWanted() if is_sync else None
        refused = self._refused or BadLine(self._tag(line), "literal too big", is_too_big=True)
        if is_sync:
            return self._ended(refused)  # it waits for "+", gets the refusal and sends nothing
        if size > _MOST_OCTETS or not self.limits.append:
            raise Disconnect("literal too big")
        self._refused, self._skipping = refused, size
        return None

    def _allows(self, size: int) -> bool:
        if size <= self._literal_left:
            self._literal_left -= size
            return True
        if size <= self.limits.append and not self._append_used and _APPEND.match(self._pieces[0]):
            self._append_used = True
            return True
        return False

    def _tag(self, line: bytes) -> bytes:
        return RawCommand((self._pieces[0] if self._pieces else line.strip(),), ()).tag

    def _ended(self, event: Event) -> Event:
        self._start_over()
        return event

    def _start_over(self) -> None:
        self._pieces, self._literals = [], []
        self._line_left, self._literal_left = self.limits.line, self.limits.literals
        self._append_used, self._wanted, self._skipping, self._refused = False, None, 0, None
