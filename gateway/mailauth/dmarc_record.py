"""DMARC records: what is one, and what it asks for. RFC 9989 §4.7, §4.8.

checkdmarc reads the policy tags. It is never shown rua= and ruf=, for it would look up the hosts that they name,
and a sender must not choose whom we ask. Where it insists on what the RFC tells a receiver to tolerate, our own
reading of the tags counts.
"""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from gateway.mailauth.results import Policy
from gateway.mailauth.words import read_tags

_VERSION = re.compile(
    rb"[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)"
)  #: first; the value, not the name, in this case (RFC 9989 §4.8)
_URI = re.compile(r"[ \t]*(?:mailto|https?):[^\s,]+", re.IGNORECASE)
_MAX_RECORD = 4_096  #: octets
_MAX_VALUE = 16  #: characters of a policy tag that are shown to checkdmarc; the longest valid one has 10
_POLICIES = ("none", "quarantine", "reject")
_ASKED = ("p", "sp", "np", "adkim", "aspf", "psd", "t")  #: what judging a mail needs

Tags = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """A record with its defaults filled in."""

    p: Policy
    sp: Policy
    np: Policy
    strict_dkim: bool = False
    strict_spf: bool = False
    psd: str = "u"  #: "y", "n" or "u"
    testing: bool = False  #: t=y, or pct=0 of the old RFC


def is_dmarc(text: bytes) -> bool:
    return _VERSION.match(text) is not None


@lru_cache(maxsize=4096)
def read_record(text: bytes) -> DmarcRecord | None:
    """The record in a TXT record's text, None when it asks for nothing. Never raises. May import checkdmarc (1 s)."""
    if not is_dmarc(text) or len(text) > _MAX_RECORD:
        return None
    told = read_tags(text)
    if not _asks_for_something(told):
        return None
    is_sound = all(_policy(told[name]) for name in ("p", "sp", "np") if name in told)
    valid = (is_sound and _ask_checkdmarc(told)) or _tolerant(told)
    p = (_policy(valid.get("p", "")) or "none") if is_sound else "none"
    sp = (_policy(valid.get("sp", "")) or p) if is_sound else "none"
    np = (_policy(valid.get("np", "")) or sp) if is_sound else "none"
    return DmarcRecord(
        p=p,
        sp=sp,
        np=np,
        strict_dkim=valid.get("adkim") == "s",
        strict_spf=valid.get("aspf") == "s",
        psd=valid.get("psd", "u"),
        # pct is gone; 0 was used to mean what t=y means now, and nothing else was applied alike (RFC 9989 A.6)
        testing=valid.get("t") == "y" or ("t" not in told and told.get("pct") == "0"),
    )


def is_loaded() -> bool:
    """True once reading a record no longer imports anything."""
    return "checkdmarc.dmarc" in sys.modules


def warm_up() -> None:
    """Import checkdmarc ahead of the first mail. Takes a second: call it in a thread."""
    read_record(b"v=DMARC1; p=none")


def _asks_for_something(told: Tags) -> bool:
    """False for a record whose policy is unreadable and that names nobody to report to. RFC 9989 §4.10.1."""
    stated = [told[name] for name in ("p", "sp", "np") if name in told]
    if "p" in told and all(_policy(value) for value in stated):
        return True
    return ("p" not in told and not stated and "psd" in told) or _URI.match(told.get("rua", "")) is not None


def _policy(value: str) -> Policy:
    lower = value.strip().lower()
    return cast(Policy, lower) if lower in _POLICIES else ""


def _ask_checkdmarc(told: Tags) -> Tags | None:
    """The policy tags as checkdmarc reads them; None when it will not read them."""
    from checkdmarc import dmarc as checker

    clean = "; ".join(["v=DMARC1", *(f"{name}={told[name][:_MAX_VALUE]}" for name in _ASKED if name in told)])
    try:
        parsed: Mapping[str, Any] = checker.parse_dmarc_record(clean, "invalid.")["tags"]
    except Exception:  # boundary: checkdmarc raises many kinds, some on what a receiver has to tolerate
        return None
    return {name: str(tag["value"]).lower() for name, tag in parsed.items() if tag.get("explicit")}


def _tolerant(told: Tags) -> Tags:
    """Our own reading: an unreadable value counts as absent. RFC 9989 §4.8."""
    allowed = {
        "p": _POLICIES,
        "sp": _POLICIES,
        "np": _POLICIES,
        "adkim": ("r", "s"),
        "aspf": ("r", "s"),
        "psd": ("y", "n", "u"),
        "t": ("y", "n"),
    }
    lower = {name: value.strip().lower() for name, value in told.items()}
    return {name: lower[name] for name, values in allowed.items() if lower.get(name) in values}
