"""Bodies made canonical for hashing, in time linear in their size. RFC 6376 §3.4.

dkimpy's own patterns are quadratic on long runs of spaces and slow on long tails of empty lines, and hold the
interpreter lock for seconds on a large body; here a large body is worked through in pieces.
"""

import re

_PIECE = 128 * 1024  #: octets worked on at once, so that other threads get their turn in between
_RUN = re.compile(rb"[\t ]{2,}|\t")
_EMPTY_LINES = (b"\r\n" * (_PIECE // 2), b"\r\n" * 512, b"\r\n")  #: taken off the end, many at a time
_SPACE = re.compile(rb"[ \t\r\n]+")
_NO_BLANK = re.compile(rb"[^\t ]")


def relaxed_body(body: bytes) -> bytes:
    """Runs of white space become one space, none stays at a line's end, empty lines at the end go. RFC 6376 §3.4.4."""
    pieces = []
    start = 0
    while start < len(body):
        end = _cut(body, start + _PIECE)
        pieces.append(_RUN.sub(b" ", body[start:end]).replace(b" \r\n", b"\r\n"))
        start = end
    text = _without_empty_tail(b"".join(pieces))
    return b"" if text == b"\r\n" else text


def _cut(body: bytes, near: int) -> int:
    """Where a piece may end: before ink or behind a line end, so that neither white space nor a line end is divided."""
    found = _NO_BLANK.search(body, near)
    if found is None:
        return len(body)
    at = found.start()
    if body.startswith(b"\r\n", at):
        return at + 2
    return at + 1 if found.group() in (b"\r", b"\n") else at


def simple_body(body: bytes) -> bytes:
    """Empty lines at the end become one line end. RFC 6376 §3.4.3."""
    return _without_empty_tail(body)


def _without_empty_tail(text: bytes) -> bytes:
    """The text with exactly one CRLF after its last line that is not empty."""
    end = len(text)
    for lines in _EMPTY_LINES:
        while text.endswith(lines, 0, end):
            end -= len(lines)
    return text[:end] + b"\r\n"


def relaxed_field(field: bytes) -> bytes:
    """One header field unfolded, its name in lower case, without the line end. RFC 6376 §3.4.2."""
    name, _, value = field.partition(b":")
    return name.strip().lower() + b":" + _SPACE.sub(b" ", value).strip()
