"""Decodes header values: RFC 2047 words, dates, message ids; addresses are read in ``addresses.py``."""

import re

from store.message.addresses import parse_addresses
from store.message.dates import parse_date
from store.message.words import decode_unstructured

__all__ = ["decode_unstructured", "message_ids", "parse_addresses", "parse_date"]

IDS_KEPT = 200  #: of one References field; threads are followed by the newest
_ID = re.compile(rb"<([^<>]{1,996})>")
_WHITE_SPACE = re.compile(rb"\s+")


def message_ids(raw: bytes) -> tuple[str, ...]:
    """Ids of Message-ID, References or In-Reply-To without angle brackets, at most ``IDS_KEPT``. RFC 5322 §3.6.4.

    Of a longer list the first and the newest ones stay, as RFC 5537 §3.4.4 trims it. An id without brackets
    counts when it is the only word.
    """
    found = [match.strip() for match in _ID.findall(raw)]
    if not found:
        words = raw.split(None, 1)
        found = words[:1] if len(words) == 1 and not words[0].startswith(b"<") else []
    if len(found) > IDS_KEPT:
        found = [found[0], *found[1 - IDS_KEPT :]]
    ids = (_WHITE_SPACE.sub(b"", one[:996]).decode("utf-8", "replace") for one in found)
    return tuple(one for one in ids if one)
