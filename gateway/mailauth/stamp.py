"""Puts our header fields on top of a mail, and takes off those that claim to be ours. RFC 8601 §5.

The body is not touched. Fields of others are not touched either: a forwarder's signatures may cover them.
"""

import re
from collections.abc import Iterator, Sequence
from email.header import Header

from gateway.dns.resolver import normal_name
from store.message.model import Message

_NAME = re.compile(r"[\x21-\x39\x3b-\x7e]+")
_FOLD = re.compile(r"\r?\n[ \t]+")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")
_OURS = (b"x-mailward-", b"x-spam-")
_LINE = 900  #: octets of a line before it is cut; RFC 5322 §2.1.1 allows 998
_COMMENT = re.compile(rb"\([^()\\]*(?:\\.[^()\\]*)*\)")
_COMMENT_DEPTH = 20
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)  #: RFC 5322 §3.2.1
_ID_READ = 4_096  #: octets of a field in which its authserv-id has to come


def stamp(octets: bytes, message: Message, new_headers: Sequence[tuple[str, str]], authserv_id: str) -> bytes:
    """The mail with forged fields gone and new ones on top, in their order. Raises ValueError for a bad field name."""
    start, end = message.root.header_start, message.root.body_start
    kept = b"".join(field for field in _fields(octets[start:end]) if not is_forged(field, authserv_id))
    top = b"".join(render_field(name, value) for name, value in new_headers)
    return b"".join((top, kept, memoryview(octets)[end:]))  # a large body is copied once


def is_forged(field: bytes, authserv_id: str) -> bool:
    """Does this field say what only we may say?"""
    name, colon, value = field.partition(b":")
    lower = name.strip().lower()
    if not colon:
        return False
    if lower.startswith(_OURS):
        return True
    return lower == b"authentication-results" and _claims(value, authserv_id)


def render_field(name: str, value: str) -> bytes:
    """A field with its CRLF. Folds in the value stay; any other control character becomes a space."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a header field name: {name!r}")
    lines = [_line(_CONTROLS.sub(" ", piece).strip()) for piece in _FOLD.split(value)]
    return f"{name}: ".encode("ascii") + b"\r\n\t".join(line for line in lines if line) + b"\r\n"


def _line(text: str) -> bytes:
    """ASCII as it is, cut where too long; other text as encoded words. RFC 2047."""
    text = text.encode("utf-8", "replace").decode("utf-8")  # a lone surrogate becomes "?"
    if not text.isascii():
        encoded = Header(text, "utf-8", maxlinelen=70)
        return encoded.encode(linesep="\r\n").encode("ascii")
    pieces = [text[i : i + _LINE] for i in range(0, len(text), _LINE)]
    return "\r\n\t".join(piece.strip() for piece in pieces).encode("ascii")


def _fields(block: bytes) -> Iterator[bytes]:
    """Fields with their folded lines; the blank line at the end comes by itself."""
    field: list[bytes] = []
    for line in block.splitlines(keepends=True):
        if field and line[:1] not in (b" ", b"\t"):
            yield b"".join(field)
            field = []
        field.append(line)
    if field:
        yield b"".join(field)


def _claims(value: bytes, authserv_id: str) -> bool:
    """Is this our authserv-id, or none at all, or one that readers could take for ours? RFC 8601 §2.2, §5."""
    plain = _without_comments(value[:_ID_READ]).partition(b";")[0]
    if b"(" in plain or b"=?" in plain:
        return True  # comments that do not end, and encoded words: no honest name looks so
    words = _QUOTED_PAIR.sub(rb"\1", plain).replace(b'"', b" ").split()
    if not words:
        return True
    ours = _comparable(authserv_id.encode("utf-8", "replace"))
    if _comparable(words[0]) == ours:
        return True
    joined = _comparable(b"".join(words))  # white space within the name, which some readers skip
    return (joined.startswith(ours) and joined[len(ours) :].strip(".").isdigit()) or joined == ours


def _comparable(name: bytes) -> str:
    """A name as mail programs may compare it: without case, in A-labels, without a final dot."""
    text = name.decode("utf-8", "replace")
    return (normal_name(text) or text.lower()).rstrip(".")


def _without_comments(value: bytes) -> bytes:
    head = value
    for _ in range(_COMMENT_DEPTH):
        shorter = _COMMENT.sub(b" ", head)
        if shorter == head:
            break
        head = shorter
    return head
