"""What follows DATA: find the end, undo dot-stuffing, refuse what would smuggle. RFC 5321 §4.1.1.4, §4.5.2.

Only CRLF.CRLF ends a mail. A bare CR or LF anywhere in it is refused: another server may take ``LF.LF``
for an end, and then the rest of our mail is its next command.
"""

import re
from dataclasses import dataclass, field
from enum import Enum

END = b"\r\n.\r\n"
_RECEIVED = re.compile(rb"^received[ \t]*:", re.IGNORECASE | re.MULTILINE)


def hops(octets: bytes) -> int:
    """How often the mail was handed on already, by its Received fields. RFC 5321 §6.3."""
    header = (b"\r\n" + octets).partition(b"\r\n\r\n")[0]
    return sum(1 for _ in _RECEIVED.finditer(header))


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

    What it holds counts in the allowance until ``release``, which must be called in the end.
    """

    limit_octets: int
    allowance: Allowance
    fault: DataFault | None = None
    _counted: int = 0
    _held: bytearray = field(default_factory=lambda: bytearray(b"\r\n"))  # DATA's own CRLF may start the end mark

    def feed(self, chunk: bytes) -> bytes | None:
        """None when more is needed, else what came after the end (the next, pipelined commands)."""
        start = max(0, len(self._held) - len(END) + 1)
        self._held += chunk
        at = self._held.find(END, start)
        if at >= 0:
            rest = bytes(self._held[at + len(END) :])
            del self._held[at + 2 :]
            self._check_size()
            return rest
        self._check_size(len(END) - 3)  # what is held may end with "." CR, the start of the end mark
        return None

    def _check_size(self, spare: int = 0) -> None:
        if len(self._held) - 2 > self.limit_octets + spare:
            self.fault = DataFault.TOO_BIG
        if self.fault is None and not self._count(len(self._held)):
            self.fault = DataFault.CROWDED
        if self.fault is not None:
            del self._held[: -len(END)]
            self.release()

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
        if self.fault is not None:
            return b""
        stuffed = bytes(self._held)
        self._held = bytearray()
        pairs = stuffed.count(b"\r\n")
        if stuffed.count(b"\r") != pairs or stuffed.count(b"\n") != pairs:
            self.fault = DataFault.BARE_LINE_END
            return b""
        return stuffed.replace(b"\r\n.", b"\r\n")[2:]
