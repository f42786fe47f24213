"""Header fields that every mail program writes right and many spam programs do not. RFC 5322 §3.6."""

import re
from collections.abc import Iterator
from datetime import timedelta

from gateway.pipeline.evidence import Evidence, PureCheck, Signal
from gateway.pipeline.facts import DataFacts
from store.message.dates import parse_date
from store.message.model import Headers

NO_DATE = Signal("header.no-date", "The mail has no date", "spam", "5322 §3.6.1")
BAD_DATE = Signal("header.bad-date", "The mail's date cannot be read: {detail}", "spam", "5322 §3.3")
FUTURE = Signal("header.date-future", "The mail is dated in the future: {detail}", "spam")
PAST = Signal("header.date-past", "The mail is dated long before it arrived: {detail}", "spam")
NO_ID = Signal("header.no-message-id", "The mail has no Message-ID", "spam", "5322 §3.6.4")
BAD_ID = Signal("header.bad-message-id", "The mail's Message-ID is not one: {detail}", "spam", "5322 §3.6.4")
NO_TO = Signal("header.no-recipients", "The mail names no recipient in its header", "spam")
MALFORMED = Signal("header.malformed", "The header is not written as one: {detail}", "spam", "5322 §2.2")
DUPLICATE = Signal("header.duplicate", "A field that must be unique occurs again: {detail}", "spam", "5322 §3.6")
RECEIVED = Signal("header.forged-received", "A trace of the mail's way cannot be true: {detail}", "spam", "5321 §4.4")
RAW_8BIT = Signal(
    "header.raw-8bit", "The header holds unencoded octets in no character set: {detail}", "spam", "5322 §2.2"
)
SCRIPTED = Signal("header.scripted", "A script on a web server sent the mail: {detail}", "spam")
CROWD = Signal("header.recipient-crowd", "The header lists a sorted crowd of recipients: {detail}", "spam")
FEW = Signal("header.bare", "The header holds next to nothing", "spam", "5322 §3.6")

EMITS = frozenset(
    {
        *(NO_DATE, BAD_DATE, FUTURE, PAST, NO_ID, BAD_ID, NO_TO, MALFORMED, DUPLICATE),
        *(RECEIVED, RAW_8BIT, SCRIPTED, CROWD, FEW),
    }
)

_FUTURE = timedelta(hours=26)  #: a whole day of wrong time zone is a mistake, not a trick
_PAST = timedelta(days=15)  #: a mail may lie in a queue for five days
_BROKEN = frozenset(
    {"header.no-colon", "header.nul", "header.none", "header.too-large", "header.too-many", "header.separator-missing"}
)
_ID = re.compile(r"<[^<>@\s]{1,300}@[^<>@\s]{1,250}>\s*\Z")
_SCRIPT_FIELDS = ("X-PHP-Script", "X-PHP-Originating-Script", "X-PHP-Eval")
_IN_BRACKETS = re.compile(rb"\[(\d{1,4})\.(\d{1,4})\.(\d{1,4})\.(\d{1,4})\]")
_HOPS = 20  #: Received fields that are read
_CROWD = 8


def look(facts: DataFacts) -> list[Evidence]:
    headers = facts.message.headers
    found = [*_date(facts), *_identity(headers), *_traces(facts), *_defects(facts), *_crowd(facts)]
    for name in _SCRIPT_FIELDS:
        if headers.first(name):
            found.append(Evidence(SCRIPTED, name))
            break
    if not any(headers.first(n) for n in ("Date", "Message-ID", "To", "Subject")):
        found.append(Evidence(FEW))
    return found


def _date(facts: DataFacts) -> Iterator[Evidence]:
    field = facts.message.headers.first("Date")
    if field is None or not field.raw.strip():
        yield Evidence(NO_DATE)
        return
    date = parse_date(field.raw)
    if date is None:
        yield Evidence(BAD_DATE, field.text()[:60])
        return
    ahead = date - facts.envelope.received_at
    if ahead > _FUTURE:
        yield Evidence(FUTURE, f"{ahead.total_seconds() / 3600:.0f} hours ahead")
    elif -ahead > _PAST:
        yield Evidence(PAST, f"{-ahead.days} days before")


def _identity(headers: Headers) -> Iterator[Evidence]:
    field = headers.first("Message-ID")
    if field is None or not field.raw.strip():
        yield Evidence(NO_ID)
    elif not _ID.search(written := field.text().strip()):
        yield Evidence(BAD_ID, written[:100])
    listed = headers.first("To") or headers.first("Cc") or headers.first("Bcc")
    if listed is None and not headers.first("List-Id"):
        yield Evidence(NO_TO)


def _traces(facts: DataFacts) -> Iterator[Evidence]:
    for field in facts.message.headers.all("Received")[:_HOPS]:
        address = next((a for a in _IN_BRACKETS.findall(field.raw) if any(int(n) > 255 for n in a)), None)
        if address is not None:
            yield Evidence(RECEIVED, b".".join(address).decode("ascii"))
            return


def _defects(facts: DataFacts) -> Iterator[Evidence]:
    for defect in facts.message.defects:
        if defect.name in _BROKEN:
            yield Evidence(MALFORMED, f"{defect.name.partition('.')[2]} {defect.detail}".strip())
        elif defect.name == "header.duplicate":
            yield Evidence(DUPLICATE, defect.detail)
    for name in ("From", "Subject", "To"):
        field = facts.message.headers.first(name)
        if field is not None and not field.raw.isascii() and not _is_utf8(field.raw):
            yield Evidence(RAW_8BIT, name)


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _crowd(facts: DataFacts) -> Iterator[Evidence]:
    """Address lists are read out in order by programs, not by people."""
    emails = [a.email.lower() for a in (*facts.content.to, *facts.content.cc) if a.email]
    if len(emails) >= _CROWD and emails == sorted(emails) and len(set(emails)) == len(emails):
        yield Evidence(CROWD, f"{len(emails)} in alphabetical order")


CHECK: PureCheck[DataFacts] = PureCheck("header", look, EMITS)
