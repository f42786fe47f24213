"""What follows DATA: find the end, undo dot-stuffing, refuse what would smuggle. RFC 5321 §4.1.1.4, §4.5.2.

Only CRLF.CRLF ends a mail. A bare CR or LF anywhere in it is refused: another server may take ``LF.LF``
for an end, and then the rest of our mail is its next command.
"""

from dataclasses import dataclass, field
from enum import Enum

END = b"\r\n.\r\n"


class DataFault(Enum):
    TOO_BIG = "message too big"
    BARE_LINE_END = "bare CR or LF"


@dataclass(slots=True)
class DataReader:
    """Feed it octets until it says done. Memory stays bounded by the limit, however much is sent."""

    limit_octets: int
    fault: DataFault | None = None
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
        if self.fault is DataFault.TOO_BIG:
            del self._held[: -len(END)]

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
