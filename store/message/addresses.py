"""Reads address lists: groups, comments, routes, encoded names, and what people write instead. RFC 5322 §3.4, §4.4.

One pass over tokens. A quote or parenthesis that nothing closes counts as a letter, so that an address behind
it is still found.
"""

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from store.message.charsets import decode_lenient
from store.message.folding import unfold
from store.message.model import Address, Limits
from store.message.words import decode_unstructured

ADDRESSES = Limits().addresses
_SHORT_OCTETS = 500  #: of a field that is remembered
_TOKENS = 30_000  #: of one field; 2,000 mailboxes with long names have fewer
_QUOTED = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_REST = r"(?P<special>[<>,:;(])|(?P<literal>\[[^\]\s,<>]*+\]?)|(?P<atom>[^\s<>,:;(\"\[]++|.)"
_ENCODED = r"(?P<space>\s++)|(?P<encoded>=\?[^?\s]{1,60}\?[bBqQ]\?[^?]*+\?=)|"
_TOKEN = re.compile(_ENCODED + f"(?P<quoted>{_QUOTED})|" + _REST, re.DOTALL)
_TOKEN_NO_QUOTES = re.compile(_ENCODED + _REST.replace(r"\"", ""), re.DOTALL)
_IN_COMMENT = re.compile(r"[^()\\]++|\\.?|[()]", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class Kind(Enum):
    """What an entry of an address list is. RFC 5322 §3.4."""

    MAILBOX = "mailbox"
    GROUP = "group"  #: its name; mailboxes follow
    GROUP_END = "group end"


@dataclass(frozen=True, slots=True)
class Entry:
    """One step through an address list. ``name`` as written: encoded words (RFC 2047) are not decoded."""

    kind: Kind
    name: str = ""
    email: str = ""


def parse_addresses(raw: bytes, limit: int = ADDRESSES) -> tuple[Address, ...]:
    """Mailboxes of an address field, at most ``limit``; group names are dropped. Never raises; linear."""
    entries = read_entries(raw, limit)
    return tuple(Address(_decoded(entry.name), entry.email) for entry in entries if entry.kind is Kind.MAILBOX)


def read_entries(raw: bytes, limit: int = ADDRESSES) -> tuple[Entry, ...]:
    """Mailboxes and groups in order, for IMAP's ENVELOPE, at most ``limit``. Every group is ended. Never raises."""
    return _read_short(raw, limit) if len(raw) <= _SHORT_OCTETS else _read(raw, limit)


def _read(raw: bytes, limit: int) -> tuple[Entry, ...]:
    return _Reader(decode_lenient(unfold(raw)), limit).read()


#: The judge, the row of the mail and its ENVELOPE ask for the same few fields, one after another.
_read_short = lru_cache(maxsize=128)(_read)


class _Reader:
    """One address list being read; the attributes are the mailbox at hand."""

    __slots__ = (
        "angle",
        "closed",
        "comments",
        "comments_end",
        "found",
        "in_group",
        "limit",
        "text",
        "words",
        "words_before",
    )

    def __init__(self, text: str, limit: int) -> None:
        self.text = text
        self.limit = limit
        self.found: list[Entry] = []
        self.in_group = False
        self.comments_end = True  # False once a parenthesis was met that nothing closes
        self._clear()

    def _clear(self) -> None:
        self.words: list[list[str]] = []  # tokens, grouped by the white space between them
        self.comments: list[str] = []
        self.angle: list[str] | None = None  # tokens between < and >
        self.closed = False
        self.words_before = 0  # words that stand before the end of the angle brackets

    def read(self) -> tuple[Entry, ...]:
        token, pos, joined = _TOKEN, 0, False
        for _ in range(_TOKENS):
            match = token.match(self.text, pos) if len(self.found) < self.limit else None
            if match is None:  # the end
                break
            kind, value, pos = match.lastgroup, match.group(), match.end()
            if value == '"' and token is _TOKEN:
                token = _TOKEN_NO_QUOTES
            if kind == "space":
                joined = False
            elif value == "(" and (end := self._comment(pos)):
                pos = end
            elif kind == "special" and self._special(value):
                joined = False
            else:
                self._add(value, joined)
                joined = kind != "encoded"
        self._flush()
        self._end_group()
        return tuple(self.found[: self.limit + 1])

    def _add(self, value: str, joined: bool) -> None:
        if self.angle is not None and not self.closed:
            self.angle.append(value)
        elif joined and self.words:
            self.words[-1].append(value)
        else:
            self.words.append([value])

    def _special(self, value: str) -> bool:
        """Act on a special character; False when it is but a letter here."""
        in_angle = self.angle is not None and not self.closed
        if value == "<":
            self._open_angle()
        elif value == ">":
            if in_angle:
                self.closed, self.words_before = True, len(self.words)
        elif value in ",;":
            if in_angle and self.angle and self.angle[0].startswith("@"):
                return False  # obsolete route: <@a.test,@b.test:c@d.test>
            self._flush()
            if value == ";":
                self._end_group()
        elif value == ":":
            if in_angle:
                return False
            self._begin_group()
        else:
            return False
        return True

    def _begin_group(self) -> None:
        name = _name(["".join(tokens) for tokens in self.words])
        self._clear()
        if name and name.lower() != "mailto":
            self._end_group()
            self.found.append(Entry(Kind.GROUP, name))
            self.in_group = True

    def _end_group(self) -> None:
        if self.in_group:
            self.found.append(Entry(Kind.GROUP_END))
        self.in_group = False

    def _open_angle(self) -> None:
        if self.angle and "@" in "".join(self.angle):
            later = self.words[self.words_before :]
            del self.words[self.words_before :]
            self._flush()  # a comma is missing between two mailboxes
            self.words = later
        elif self.angle is not None:
            self.words.append(self.angle)
        self.angle = []
        self.closed = False

    def _comment(self, pos: int) -> int:
        """Read the comment that starts before ``pos``; where it ends, 0 when nothing ends it."""
        if not self.comments_end:
            return 0
        depth, start = 1, pos
        while pos < len(self.text):
            match = _IN_COMMENT.match(self.text, pos)
            if match is None:
                break
            pos = match.end()
            depth += {"(": 1, ")": -1}.get(match.group(), 0)
            if not depth:
                self.comments.append(_ESCAPED.sub(r"\1", self.text[start : pos - 1]).strip())
                return pos
        self.comments_end = False
        return 0

    def _flush(self) -> None:
        """Put the mailbox at hand into the list, if there is one, and start the next."""
        if not self.words and not self.angle and not self.comments:
            self._clear()
            return
        words = ["".join(tokens) for tokens in self.words]
        if self.angle is not None:
            email = _without_route("".join(self.angle))
        else:
            email, words = _bare_address(words)
        name = _name(words) or _name(self.comments)
        if name or email:
            self.found.append(Entry(Kind.MAILBOX, name, email))
        self._clear()


def _without_route(email: str) -> str:
    if email.startswith("@"):
        return email.rpartition(":")[2]
    return email.removeprefix("mailto:") if email[:7].lower() == "mailto:" else email


def _bare_address(words: list[str]) -> tuple[str, list[str]]:
    """The address among words without angle brackets, and the other words. "a @ b . c" is one. RFC 5322 §4.4."""
    at = next((i for i, word in enumerate(words) if "@" in word.rpartition('"')[2]), None)
    if at is None:
        return "", words
    first = at
    if words[at].startswith("@") and at:
        first -= 1
    while first and (words[first].startswith(".") or words[first - 1].endswith(".")) and "@" not in words[first - 1]:
        first -= 1
    last = at
    while last + 1 < len(words) and (words[last].endswith((".", "@")) or words[last + 1].startswith(".")):
        last += 1
    return "".join(words[first : last + 1]), words[:first] + words[last + 1 :]


def _name(words: list[str]) -> str:
    return " ".join(_unquoted(word) for word in words).strip()


def _decoded(name: str) -> str:
    if "=?" in name or not name.isprintable():
        return decode_unstructured(name.encode("utf-8")).strip()
    return name


def _unquoted(word: str) -> str:
    if len(word) > 1 and word[0] == '"' == word[-1]:
        return _ESCAPED.sub(r"\1", word[1:-1]).strip()
    return word
