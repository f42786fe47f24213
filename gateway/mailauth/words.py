"""Text from strangers made fit for a header, a log line or a page. Used wherever a result quotes the DNS or a mail."""

import re
from collections.abc import Mapping

_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")
_WSP = re.compile(rb"[\t\r\n ]+")

MAX_TAGS = 64  #: of one tag list
MAX_WORDS = 200  #: characters of a quoted explanation


def printable(text: object, limit: int = MAX_WORDS) -> str:
    """ASCII without controls, one line, bounded."""
    return _UNPRINTABLE.sub(" ", str(text))[:limit].strip()


def read_tags(raw: bytes) -> Mapping[str, str]:
    """A DKIM or DMARC tag list; the first of a repeated tag counts, what cannot be read is left out. RFC 6376 §3.2."""
    tags: dict[str, str] = {}
    for item in raw.split(b";", MAX_TAGS)[:MAX_TAGS]:
        name, equals, value = item.partition(b"=")
        key = name.strip().decode("ascii", "replace").lower()
        if equals and key and key not in tags:
            tags[key] = _WSP.sub(b" ", value).strip().decode("utf-8", "replace")
    return tags
