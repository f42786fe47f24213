"""Dates as IMAP writes them. RFC 3501 §9 date, date-time."""

import re
from datetime import UTC, date, datetime, timedelta, timezone

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_BY_NAME = {name.lower(): number for number, name in enumerate(_MONTHS, 1)}
_DATE = re.compile(r"(\d{1,2})-([A-Za-z]{3})-(\d{4})", re.ASCII)
_DATE_TIME = re.compile(
    r"([ \d]\d)-([A-Za-z]{3})-(\d{4}) (\d{2}):(\d{2}):(\d{2}) ([+-])(\d{2})([0-5]\d)",
    re.ASCII,
)
LATEST_MS = 253_402_300_799_000  #: the last second of the year 9999


class BadMoment(ValueError):
    """Not a date, or not one of the calendar."""


def parse_date(octets: bytes) -> date:
    """Read "1-Feb-2026". Raises BadMoment."""
    match = _DATE.fullmatch(octets.decode("ascii", "replace"))
    month = _BY_NAME.get(match[2].lower()) if match else None
    if match is None or month is None:
        raise BadMoment("not a date")
    try:
        return date(int(match[3]), month, int(match[1]))
    except ValueError:
        raise BadMoment("not a date") from None


def parse_date_time(octets: bytes) -> int:
    """Milliseconds since 1970 of " 1-Feb-2026 10:00:00 +0100"; earlier moments are 0. Raises BadMoment."""
    match = _DATE_TIME.fullmatch(octets.decode("ascii", "replace"))
    month = _BY_NAME.get(match[2].lower()) if match else None
    if match is None or month is None or int(match[8]) > 23:
        raise BadMoment("not a date and time")
    offset = timedelta(hours=int(match[8]), minutes=int(match[9]))
    zone = timezone(-offset if match[7] == "-" else offset)
    clock = int(match[4]), int(match[5]), min(int(match[6]), 59)
    try:
        moment = datetime(int(match[3]), month, int(match[1]), *clock, tzinfo=zone)
        return max(0, int(moment.timestamp()) * 1000)
    except (ValueError, OverflowError):
        raise BadMoment("not a date and time") from None


def render_date_time(ms: int) -> bytes:
    """INTERNALDATE, in UTC."""
    moment = datetime.fromtimestamp(min(max(ms, 0), LATEST_MS) / 1000, UTC)
    return (
        f'"{moment.day:2d}-{_MONTHS[moment.month - 1]}-{moment.year:04d} '
        f'{moment.hour:02d}:{moment.minute:02d}:{moment.second:02d} +0000"'
    ).encode("ascii")


def day_of(ms: int) -> date:
    """The day of a moment, in UTC: what SEARCH compares."""
    return datetime.fromtimestamp(min(max(ms, 0), LATEST_MS) / 1000, UTC).date()
