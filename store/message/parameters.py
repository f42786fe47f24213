"""Reads ``value; name=value`` fields: Content-Type, Content-Disposition. RFC 2045 §5.1, RFC 2183, RFC 2231."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from store.message.charsets import decode_lenient, decode_octets
from store.message.folding import QUOTED, strip_comments, unfold
from store.message.model import Limits
from store.message.notes import Notes
from store.message.words import decode_unstructured

_HEAD = re.compile(rb"\s*+[^;\s/]*+(?:\s*+/\s*+[^;\s]*+)?+")
_UNQUOTED = rb'[^;\s]*+(?:\s++(?![^\s;="]++\s*+=)[^;\s]++)*+'  # to the semicolon, or where one was forgotten
_PARAMETER = re.compile(rb'([^\s;="]++)\s*+(?:=\s*+(' + QUOTED + rb"|" + _UNQUOTED + rb"))?+", re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_SECTION = re.compile(r"(.+?)\*([0-9]{1,4})(\*?)")
_NAMES_WITH_WORDS = frozenset({"name", "filename"})  # where senders put RFC 2047 words, against its §5


@dataclass(frozen=True, slots=True)
class Parameterised:
    """A field taken apart. ``raw`` has the parameters as sent (IMAP shows those), ``params`` the decoded."""

    value: str  #: lower case, "" when there is none
    raw: tuple[tuple[str, bytes], ...]
    params: dict[str, str]


def parse_parameterised(raw: bytes, limits: Limits, notes: Notes) -> Parameterised:
    """Split the field; beyond ``limits.parameters`` nothing is read. Never raises."""
    line = strip_comments(unfold(raw))
    head = _HEAD.match(line)
    end = head.end() if head else 0
    pairs: list[tuple[str, bytes]] = []
    if end < len(line):
        for match in _PARAMETER.finditer(line, end):
            if len(pairs) == limits.parameters:
                notes.add("mime.parameters")
                break
            name, value = match.groups()
            if value is not None:
                pairs.append((name.decode("ascii", "replace").lower(), _unquote(value)))
    return Parameterised(decode_lenient(b"".join(line[:end].split())).lower(), tuple(pairs), _decoded(pairs, notes))


def _unquote(value: bytes) -> bytes:
    if not value.startswith(b'"'):
        return value.strip()
    inner = value[1:-1] if value.endswith(b'"') and len(value) > 1 else value[1:]
    return _ESCAPED.sub(rb"\1", inner) if b"\\" in inner else inner


def _decoded(pairs: Iterable[tuple[str, bytes]], notes: Notes) -> dict[str, str]:
    """Names to decoded values. Extended values win over plain ones, else the first wins."""
    plain: dict[str, str] = {}
    sections: dict[str, dict[int, tuple[bytes, bool]]] = {}
    for name, value in pairs:
        if "*" not in name:
            if name in plain:
                notes.add("mime.parameter-duplicate", name)
            else:
                plain[name] = _plain(name, value)
            continue
        found = _SECTION.fullmatch(name)
        if found:
            sections.setdefault(found[1], {}).setdefault(int(found[2]), (value, bool(found[3])))
        elif name.endswith("*") and len(name) > 1:
            sections.setdefault(name[:-1], {}).setdefault(0, (value, True))
    for name, parts in sections.items():
        plain[name] = _joined(parts)
    return plain


def _plain(name: str, value: bytes) -> str:
    if name in _NAMES_WITH_WORDS and b"=?" in value:
        return decode_unstructured(value)
    return decode_lenient(value)


def _joined(parts: dict[int, tuple[bytes, bool]]) -> str:
    """Put continuations together in the order of their numbers; a gap ends them. RFC 2231 §3, §4."""
    octets: list[bytes] = []
    charset = ""
    number = min(parts)
    while number in parts:
        value, extended = parts[number]
        if extended:
            if not octets and value.count(b"'") >= 2:
                label, _, value = value.split(b"'", 2)
                charset = label.decode("ascii", "replace")
            value = unquote_to_bytes(value)
        octets.append(value)
        number += 1
    return decode_octets(b"".join(octets), charset)
