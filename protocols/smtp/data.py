"""What follows DATA: find the end, undo dot-stuffing, refuse what would smuggle. RFC 5321 §4.1.1.4, §4.5.2.

Only CRLF.CRLF ends a mail. A bare CR or LF anywhere in it is refused: another server may take ``LF.LF``
for an end, and then the rest of our mail is its next command.
"""

import re
from dataclasses import dataclass, field
from enum import Enum
from io import BytesIO

END = b"\r\n.\r\n"
_CR = 13
_RECEIVED = re.compile(rb"^received[ \t]*:", re.IGNORECASE | re.MULTILINE)


def hops(octets: bytes) -> int:
    """How often the mail was handed on already, by its Received fields. RFC 5321 §6.3."""
    end = 0 if octets.startswith(b"\r\n") else octets.find(b"\r\n\r\n")
    return sum(1 for _ in _RECEIVED.finditer(octets, 0, end if end >= 0 else len(octets)))


class DataFault(Enum):
    TOO_BIG = "message too big"
    BARE_LINE_END = "bare CR or LF"
    CROWDED = "too much is being received at once"


@dataclass(slots=True)
class Allowance:
    """Octets that all mails which one worker receives or judges may hold together."""

    limit_octets: int
    held_octets: int = 0

    def take(self, octets: int) -> bool:
        """Count octets more (or fewer, below 0); False when they are too many, and then nothing is counted."""
        if self.held_octets + octets > self.limit_octets:
            return False
        self.held_octets += octets
        return True


@dataclass(slots=True)
class DataReader:
    """Feed it octets until it says done. Memory stays bounded by the limit, however much is sent.

    The mail is in memory once: dots are unstuffed piece by piece as it comes, and a BytesIO gives away what it holds
    without a copy. What it holds counts in the allowance until ``release``, which must be called in the end.
    """

    limit_octets: int
    allowance: Allowance
    fault: DataFault | None = None
    _counted: int = 0
    #: What may still be the start of an end mark; at first DATA's own CRLF, which may be one.
    _held: bytearray = field(default_factory=lambda: bytearray(b"\r\n"))
    _moved: int = 0  #: octets that went on from there, as they were sent
    _mail: BytesIO = field(default_factory=BytesIO)
    _is_after_break: bool = False
    _has_bare_line_end: bool = False

    def feed(self, chunk: bytes) -> bytes | None:
        """None when more is needed, else what came after the end (the next, pipelined commands)."""
        self._held += chunk
        at = self._held.find(END)
        if at >= 0:
            rest = bytes(self._held[at + len(END) :])
            del self._held[at + 2 :]
            self._check_size()
            self._move(len(self._held))
            return rest
        self._check_size(len(END) - 3)  # what is held may end with "." CR, the start of the end mark
        self._move(len(self._held) - len(END) + 1)
        return None

    def _check_size(self, spare: int = 0) -> None:
        sent = self._moved + len(self._held)
        if sent - 2 > self.limit_octets + spare:
            self.fault = DataFault.TOO_BIG
        if self.fault is None and not self._count(sent):
            self.fault = DataFault.CROWDED
        if self.fault is not None:
            self._mail = BytesIO()
            self.release()

    def _move(self, upto: int) -> None:
        """Unstuff the first octets of what is held, but never part a line end."""
        if upto > 0 and self._held[upto - 1] == _CR:
            upto -= 1
        if upto <= 0:
            return
        piece = bytes(self._held[:upto])
        del self._held[:upto]
        is_first = self._moved == 0
        self._moved += upto
        if self.fault is not None:
            return
        pairs = piece.count(b"\r\n")
        self._has_bare_line_end |= piece.count(b"\r") != pairs or piece.count(b"\n") != pairs
        start = 2 if is_first else int(self._is_after_break and piece.startswith(b"."))
        self._is_after_break = piece.endswith(b"\r\n")
        self._mail.write(memoryview(piece.replace(b"\r\n.", b"\r\n"))[start:])

    def _count(self, octets: int) -> bool:
        more, is_fine = octets - self._counted, True
        if more > 0 and (is_fine := self.allowance.take(more)):
            self._counted = octets
        return is_fine

    def release(self) -> None:
        """Give back what was counted: the octets are dropped, or their mail is answered."""
        self.allowance.take(-self._counted)
        self._counted = 0

    def octets(self) -> bytes:
        """The mail, dots unstuffed; call once, after the end. Sets ``fault`` when it must be refused."""
        if self.fault is None and self._has_bare_line_end:
            self.fault = DataFault.BARE_LINE_END
        mail, self._mail = self._mail, BytesIO()
        return b"" if self.fault is not None else mail.getvalue()
