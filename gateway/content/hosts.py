"""Host names as browsers read them: numeric hosts in any notation, IDN labels decoded. WHATWG URL §3.5."""

import ipaddress
import re
import unicodedata
from functools import lru_cache

import idna

_NUMBER = re.compile(r"(?:0[xX][0-9a-fA-F]{0,8}|[0-9]{1,12})\Z")
_DOTS = str.maketrans({"\u3002": ".", "\uff0e": ".", "\uff61": "."})  # RFC 3490 §3.1
_LABEL = 100  #: characters of a label that are decoded; a valid one has 63


def ip_literal(host: str) -> str:
    """The address a browser would connect to for a numeric host ("0x7f.1", "2130706433", "::1"); "" for a name."""
    if ":" in host:
        try:
            return str(ipaddress.IPv6Address(host.partition("%")[0]))
        except ValueError:
            return ""
    parts = host.rstrip(".").split(".")
    if len(parts) > 4 or not all(_NUMBER.match(p) for p in parts):
        return ""
    numbers = [_number(p) for p in parts]
    if any(n is None for n in numbers):
        return ""
    values = [n for n in numbers if n is not None]
    if any(n > 255 for n in values[:-1]) or values[-1] >= 256 ** (5 - len(values)):
        return ""
    total = values[-1] + sum(n << 8 * (3 - i) for i, n in enumerate(values[:-1]))
    return str(ipaddress.IPv4Address(total))


def _number(part: str) -> int | None:
    try:
        if part[:2].lower() == "0x":
            return int(part[2:] or "0", 16)
        return int(part, 8) if len(part) > 1 and part[0] == "0" else int(part)
    except ValueError:
        return None


@lru_cache(maxsize=4_096)
def to_ascii(host: str) -> str:
    """Lower case with A-labels; a label IDNA refuses is encoded all the same, so that it can still be looked at."""
    if host.isascii():
        return host.lower().strip(".")
    folded = unicodedata.normalize("NFKC", host.translate(_DOTS)).lower().strip(".")
    return ".".join(_ascii_label(label) for label in folded.split("."))


def _ascii_label(label: str) -> str:
    if label.isascii():
        return label
    try:
        return idna.alabel(label).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return "xn--" + label[:_LABEL].encode("punycode", "replace").decode("ascii", "replace")


@lru_cache(maxsize=4_096)
def to_unicode(host: str) -> str:
    """The host as a person sees it. What is not valid punycode stays as written; validity is not asked for."""
    if "xn--" not in host:
        return host
    return ".".join(_unicode_label(label) for label in host.split("."))


def _unicode_label(label: str) -> str:
    if not label.startswith("xn--") or len(label) > _LABEL:
        return label
    try:
        return label[4:].encode("ascii").decode("punycode")
    except (UnicodeError, ValueError, OverflowError):
        return label
