"""The few words a list of mails shows beside the subject. RFC 8621 §4.1.4 preview, RFC 8970."""

import re

_LOOKED_AT = 32 * 1024  #: characters of a text; what comes later is never in a preview
_ATTRIBUTION = re.compile(r"(?:wrote|schrieb|a écrit|escribió|ha scritto)\s?:\s*$", re.IGNORECASE)
_RULE = re.compile(r"[-=_*~#]{4,}$")
_UNSEEN = (
    0x00AD,
    0x034F,
    0x061C,
    0x180E,
    *range(0x200B, 0x2010),
    *range(0x202A, 0x202F),
    *range(0x2060, 0x206A),
    0xFEFF,
)
_DROPPED = dict.fromkeys((*_UNSEEN, *range(0x09), *range(0x0E, 0x20), *range(0x7F, 0xA0)))


def preview(text: str, limit: int = 256) -> str:
    """At most ``limit`` characters on one line; quotes and the signature only when there is nothing else."""
    text = text[:_LOOKED_AT].translate(_DROPPED)
    shown = " ".join(_own_lines(text.splitlines(), limit * 2)) or " ".join(text.split())
    return shown[:limit].rstrip()


def _own_lines(lines: list[str], enough: int) -> list[str]:
    """Words of the lines the sender wrote, up to ``enough`` characters."""
    kept: list[str] = []
    length = 0
    for index, line in enumerate(lines):
        if length >= enough or line in ("-- ", "--"):
            break
        stripped = " ".join(line.split())
        if not stripped or stripped.startswith(">") or _RULE.match(stripped):
            continue
        following = next((after for after in lines[index + 1 : index + 3] if after.strip()), "")
        if following.startswith(">") and _ATTRIBUTION.search(stripped[-200:]):
            continue
        kept.append(stripped)
        length += len(stripped) + 1
    return kept
