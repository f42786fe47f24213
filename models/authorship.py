"""Tokens of the author's own header fields: who writes, with which program, in which shape.

They tell an organisation's senders apart, so a model of its own mail learns from them. The packaged model does not: the
senders of a public corpus are nobody's correspondents. Fields that carriers add (Received, results, list software) are
left out, as they say which way a mail came.
"""

import re

from store.message.model import Message

TOKENS = 100  #: of one mail
MARK = "head:"  #: what every token of this file begins with

_WORD = re.compile(r"[^\W_]{2,24}|[$%!]{1,2}")
_DIGITS = str.maketrans("123456789", "000000000")
_SHAPE = ((re.compile(r"[0-9]+"), "0"), (re.compile(r"[A-Z]+"), "A"), (re.compile(r"[a-z]+"), "a"))
_ZONE = re.compile(r"[+-]\d{4}")
_SPOKEN = ("x-mailer", "user-agent", "organization", "content-type")
#: Said below in another way, or added on the way, or different in every mail.
_NOT_NAMED = frozenset(
    (
        *("from", "to", "cc", "reply-to", "date", "subject", "message-id", "content-type", "mime-version"),
        *("received", "received-spf", "return-path", "delivered-to", "delivery-date", "x-original-to", "envelope-to"),
        *("lines", "content-length", "content-transfer-encoding", "status", "x-status", "x-uid", "x-keywords"),
        *("authentication-results", "arc-seal", "arc-message-signature", "arc-authentication-results"),
    )
)


def tokens(message: Message) -> tuple[str, ...]:
    """Each at most once, in a fixed order, at most ``TOKENS``."""
    headers = message.headers
    found: dict[str, None] = {}
    for name in ("from", "reply-to"):
        field = headers.first(name)
        for address in field.addresses()[:3] if field else ():
            domain = address.email.rpartition("@")[2].lower()
            found[f"{name}={address.email.lower()[:80]}"] = None
            found[f"{name}@{domain[:60]}"] = None
            found[f"{name}.{domain.rpartition('.')[2][:20]}"] = None
            _words(f"{name}-name", address.name, 8, found)
    _of_recipients(message, found)
    _of_id(headers.text("Message-ID"), found)
    zone = _ZONE.search(headers.text("Date")[-40:])
    found[f"zone:{zone[0] if zone else 'none'}"] = None
    for each in headers.fields[:60]:
        lower = each.name.lower()
        if lower not in _NOT_NAMED:
            found[f"has:{lower[:40]}"] = None
        if lower in _SPOKEN:
            _words(lower, each.text()[:200], 10, found)
    return tuple(f"{MARK}{token}" for token in found)[:TOKENS]


def _words(kind: str, text: str, most: int, found: dict[str, None]) -> None:
    for word in _WORD.findall(text[:300].lower().translate(_DIGITS))[:most]:
        found[f"{kind}:{word}"] = None


def _of_recipients(message: Message, found: dict[str, None]) -> None:
    for name in ("to", "cc"):
        field = message.headers.first(name)
        for address in field.addresses()[:5] if field else ():
            found[f"to:{address.email.lower()[:80]}"] = None


def _of_id(message_id: str, found: dict[str, None]) -> None:
    left, _, right = message_id.strip("<> \t").rpartition("@")
    found[f"id@{right.lower()[:60]}"] = None
    shape = left[:60]
    for run, mark in _SHAPE:
        shape = run.sub(mark, shape)
    found[f"id:{shape[:24]}"] = None
