"""IMAP flags and JMAP keywords are the same thing under two spellings. RFC 8621 §4.1.1, RFC 3501 §2.3.2."""

import re
from collections.abc import Iterable
from functools import lru_cache

DELETED = "$deleted"

_SYSTEM = {
    "\\seen": "$seen",
    "\\answered": "$answered",
    "\\flagged": "$flagged",
    "\\draft": "$draft",
    "\\deleted": DELETED,
}
_SHOWN = {
    "$seen": b"\\Seen",
    "$answered": b"\\Answered",
    "$flagged": b"\\Flagged",
    "$draft": b"\\Draft",
    DELETED: b"\\Deleted",
    "$forwarded": b"$Forwarded",
    "$mdnsent": b"$MDNSent",
    "$junk": b"$Junk",
    "$notjunk": b"$NotJunk",
    "$phishing": b"$Phishing",
    "junk": b"Junk",
    "nonjunk": b"NonJunk",
}
_ATOM = re.compile(r"[!#$&'+\-./0-9:;<=>?@A-Z^_`a-z|~,\[]+")  # RFC 8621 §4.1.1; nothing that could end a list

SYSTEM_FLAGS = rb"\Answered \Flagged \Deleted \Seen \Draft"
KNOWN_FLAGS = SYSTEM_FLAGS + rb" $Forwarded $MDNSent $Junk $NotJunk"


class BadFlag(ValueError):
    """A flag that is neither a system flag nor a keyword."""


def to_keyword(flag: bytes) -> str:
    r"""Keyword of a flag as written; \Recent is not a client's to set. Raises BadFlag."""
    try:
        text = flag.decode("ascii").lower()
    except UnicodeDecodeError:
        raise BadFlag("8-bit octets in a flag") from None
    if text.startswith("\\"):
        keyword = _SYSTEM.get(text)
        if keyword is None:
            raise BadFlag("unknown system flag")
        return keyword
    if not _ATOM.fullmatch(text):
        raise BadFlag("not a keyword")
    return text


@lru_cache(maxsize=4_096)
def render(keywords: frozenset[str]) -> bytes:
    """Flags as they go on the wire, without parentheses. Keywords that are no atoms are left out."""
    return b" ".join(sorted(_shown(keywords)))


def _shown(keywords: Iterable[str]) -> Iterable[bytes]:
    for keyword in keywords:
        known = _SHOWN.get(keyword)
        if known is not None:
            yield known
        elif _ATOM.fullmatch(keyword):
            yield keyword.encode("ascii")
