"""The few words a list of mails shows beside the subject. RFC 8621 §4.1.4 preview, RFC 8970."""

import re

_LOOKED_AT = 32 * 1024  #: characters of a text; what comes later is never in a preview
_ATTRIBUTION = re.compile(r"(?:wrote|schrieb|a écrit|escribió|ha scritto)\s?:\s*$", re.IGNORECASE)
_UNSEEN = dict.fromkeys((0x00AD, 0x034F, 0x061C, 0x180E, *range(0x200B, 0x2010), 0x2060, 0xFEFF))
_RULE = re.compile(r"[-=_*~#]{4,}$")
_CONTROLS = dict.fromkeys((*range(0x09), *range(0x0E, 0x20), *range(0x7F, 0xA0)))


def preview(text: str, limit: int = 256) -> str:
    """At most ``limit`` characters on one line; quotes and the signature only when there is nothing else."""
    text = text[:_LOOKED_AT].translate(_UNSEEN | _CONTROLS)
    lines = text.splitlines()
    own = " ".join(_own_lines(lines).split()) if len(lines) > 1 else ""
    shown = own or " ".join(text.split())
    return shown[:limit].rstrip()


def _own_lines(lines: list[str]) -> str:
    kept: list[str] = []
    for index, line in enumerate(lines):
        stripped = line.strip()
        if line in ("-- ", "--"):
            break
        following = next((after for after in lines[index + 1 : index + 3] if after.strip()), "")
        quoted = stripped.startswith(">")
        attribution = following.startswith(">") and _ATTRIBUTION.search(stripped[-200:])
        if not (quoted or attribution or _RULE.match(stripped)):
            kept.append(stripped)
    return "\n".join(kept)
