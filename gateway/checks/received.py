"""The way a mail says it came: hops that no server writes, and mail that claims a client but came without one.

RFC 5321 §4.4.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from gateway.checks.connection import is_internal
from gateway.checks.sender import is_proven
from gateway.content.hosts import to_ascii
from gateway.pipeline.evidence import Evidence, PureCheck, Signal
from gateway.pipeline.facts import DataFacts
from store.message.dates import parse_date

DIRECT = Signal(
    "received.direct", "A person's mail program seems to have come here without a mail server: {detail}", "spam"
)
ILLEGAL = Signal(
    "received.illegal-characters", "A trace of the mail's way holds characters no server writes", "spam", "5321 §4.4"
)
USER = Signal("received.helo-user", "A trace of the mail's way bears the mark of a spam program: {detail}", "spam")
TIME = Signal("received.time-travel", "The mail arrived at a hop before it was sent: {detail}", "spam", "5321 §4.4")

EMITS = frozenset({DIRECT, ILLEGAL, USER, TIME})

_HOPS = 20  #: Received fields that are read
_OFF = timedelta(hours=26)  #: clocks and time zones are wrong by up to a day
_ILLEGAL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_USER = re.compile(rb"\bfrom User \(|\bHELO User\)|\bhelo=User\b")
_CLIENTS = ("X-Mailer", "User-Agent", "X-MimeOLE")
_PROGRAM = re.compile(
    r"outlook|thunderbird|apple mail|iphone mail|ipad mail|the bat!|foxmail|eudora|mimeole|windows live mail|evolution|"
    r"kmail|em client|lotus notes|pegasus",
    re.I,
)


def look(facts: DataFacts) -> list[Evidence]:
    fields = facts.message.headers.all("Received")[:_HOPS]
    found = [] if fields else [*_direct(facts)]
    for field in fields:
        if _ILLEGAL.search(field.raw) or not _is_text(field.raw):
            found.append(Evidence(ILLEGAL))
            break
    if mark := next((m for f in fields if b"User" in f.raw and (m := _USER.search(f.raw))), None):
        found.append(Evidence(USER, mark[0].decode("ascii")))
    return [*found, *_order([f.raw for f in fields], facts.envelope.received_at)]


def _is_text(raw: bytes) -> bool:
    """RFC 6532 §3.2 lets UTF-8 stand here, and nothing else beyond ASCII."""
    try:
        return raw.isascii() or bool(raw.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def _direct(facts: DataFacts) -> Iterator[Evidence]:
    """Mail programs hand mail to their own server, which leaves a trace; only malware goes straight to a stranger's."""
    peer = facts.envelope.peer
    if peer.user or is_internal(peer.ip) or is_proven(facts, to_ascii(facts.content.from_domain)):
        return
    for name in _CLIENTS:
        if (field := facts.message.headers.first(name)) and _PROGRAM.search(shown := field.text()[:200]):
            yield Evidence(DIRECT, shown.strip()[:80])
            return


def _order(raws: list[bytes], received_at: datetime) -> Iterator[Evidence]:
    """Each hop is written above the one before it, so dates must not grow downwards."""
    later = received_at
    for raw in raws:
        date = parse_date(raw.rpartition(b";")[2].strip()[:100])
        if date is None:
            continue
        if date - later > _OFF:
            yield Evidence(TIME, f"{(date - later).total_seconds() / 3600:.0f} hours")
            return
        later = date


CHECK: PureCheck[DataFacts] = PureCheck("received", look, EMITS)
