"""Turns a mail of ``samples/`` into octets: places filled in, character set and line ends made right.

A place is written ``{{word ...}}``:

    {{id}}                  an identifier, the same everywhere in one mail
    {{number 6}}            six digits, the same everywhere in one mail
    {{time -90m}}           a date as in Date:, ninety minutes ago (m, h or d)
    {{time +2d %d %B}}      a date in two days, as strftime writes it
    {{word Jürgen}}         text as it stands in a header (RFC 2047)
    {{attach invoice.pdf}}  base64 of an attachment
"""

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.header import Header
from email.utils import format_datetime
from importlib.resources import files
from random import Random

from gateway.demo.attachments import attachment

_PLACE = re.compile(r"\{\{(\w+)(?: ([^{}]*))?\}\}")
_MOMENT = re.compile(r"([+-]\d+)([mhd])(?: (.+))?")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


class BadTemplate(ValueError):
    """A place that cannot be filled; the message names it."""


@dataclass(frozen=True, slots=True)
class Filler:
    """What is put into the places of one mail."""

    name: str
    now: datetime
    seed: int

    def fill(self, text: str) -> str:
        """Raises BadTemplate."""
        return _PLACE.sub(self._value, text)

    def _value(self, place: re.Match[str]) -> str:
        writers: dict[str, Callable[[str], str]] = {
            "id": lambda _: self._chance("id", _ALPHABET, 14),
            "number": lambda count: self._chance("number", "123456789", int(count)),
            "time": self._time,
            "word": _encoded,
            "attach": lambda name: _wrapped(attachment(name, self.seed)),
        }
        try:
            return writers[place[1]](place[2] or "")
        except (KeyError, ValueError) as error:
            raise BadTemplate(f"{self.name}: {place[0]}") from error

    def _chance(self, what: str, alphabet: str, count: int) -> str:
        return "".join(Random(f"{self.seed} {self.name} {what} {count}").choices(alphabet, k=count))

    def _time(self, text: str) -> str:
        moment = _MOMENT.fullmatch(text)
        if moment is None:
            raise BadTemplate(text)
        at = self.now + timedelta(**{_UNITS[moment[2]]: int(moment[1])})
        return at.strftime(moment[3]) if moment[3] else format_datetime(at)


def load(name: str, now: datetime, seed: int, charset: str = "utf-8") -> bytes:
    """The mail ``samples/{name}.eml``, ready to be signed. Raises BadTemplate."""
    text = (files("gateway.demo") / "samples" / f"{name}.eml").read_text("utf-8")
    lines = Filler(name, now, seed).fill(text).splitlines()
    return "".join(line + "\r\n" for line in lines).encode(charset)


def _encoded(text: str) -> str:
    return Header(text, "utf-8", maxlinelen=60).encode(linesep="\n")


def _wrapped(octets: bytes) -> str:
    return base64.encodebytes(octets).decode("ascii").rstrip("\n")
