"""Invitations: many calendars enter them without asking, links and all. RFC 5546."""

import re

from gateway.content.psl import same_organisation
from gateway.content.urls import take_apart
from gateway.pipeline.evidence import Evidence, PureCheck, Signal
from gateway.pipeline.facts import DataFacts
from store.message.body import decode_part
from store.message.model import Message

ORGANIZER = Signal(
    "calendar.organizer-differs", "An invitation's organiser is not who sent it: {detail}", "phish", "5546 §3.2"
)
LINK = Signal("calendar.strange-link", "An invitation from a stranger links elsewhere: {detail}", "phish")

EMITS = frozenset({ORGANIZER, LINK})

_READ = 32_000  #: octets of an invitation that are read
_FOLD = re.compile(r"\r?\n[ \t]")
_METHOD = re.compile(r"^METHOD:(?:REQUEST|PUBLISH|ADD)\s*$", re.M | re.I)
_ORGANIZER = re.compile(r"^ORGANIZER[^:\r\n]{0,300}:(?:mailto:)?([^\s@]{1,100}@[^\s;>]{3,200})", re.M | re.I)
_URL = re.compile(r"https?://[^\s\"<>\\]{4,500}", re.I)
_MEETINGS = frozenset(
    {
        "zoom.us",
        "microsoft.com",
        "office.com",
        "google.com",
        "webex.com",
        "gotomeeting.com",
        "teams.live.com",
        "live.com",
    }
    | {"jitsi.org", "whereby.com", "bluejeans.com", "zoomgov.com", "outlook.com", "gotomeet.me", "calendly.com"}
)


def look(facts: DataFacts) -> list[Evidence]:
    text = _invitation(facts.message)
    if not text or not _METHOD.search(text):
        return []
    found: list[Evidence] = []
    sender = facts.content.from_domain
    organizer = _ORGANIZER.search(text)
    if organizer and not same_organisation(organizer[1].rpartition("@")[2].lower(), sender):
        found.append(Evidence(ORGANIZER, f"{organizer[1]} sent by {sender}"[:200]))
    if not facts.history.is_first_contact:
        return found
    for written in _URL.findall(text)[:50]:
        url = take_apart(written, "", "text")
        if url and url.domain not in _MEETINGS and not same_organisation(url.host, sender):
            found.append(Evidence(LINK, url.host))
            break
    return found


def _invitation(message: Message) -> str:
    part = next(
        (p for p in message.root.walk() if p.type == "text/calendar" or p.filename.lower().endswith(".ics")), None
    )
    return _FOLD.sub("", decode_part(message, part, _READ).decode("utf-8", "replace")) if part else ""


CHECK: PureCheck[DataFacts] = PureCheck("calendar", look, EMITS)
