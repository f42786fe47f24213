"""Reads address lists: groups, comments, routes, encoded names, and what people write instead. RFC 5322 §3.4, §4.4.

One pass over tokens. A quote or parenthesis that nothing closes counts as a letter, so that an address behind
it is still found.
"""

import re

from store.message.charsets import decode_lenient
from store.message.folding import unfold
from store.message.model import Address, Limits
from store.message.words import decode_unstructured

ADDRESSES = Limits().addresses
_QUOTED = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_REST = r"(?P<special>[<>,:;(])|(?P<literal>\[[^\]\s,<>]*+\]?)|(?P<atom>[^\s<>,:;(\"\[]++|.)"
_ENCODED = r"(?P<space>\s++)|(?P<encoded>=\?[^?\s]{1,60}\?[bBqQ]\?[^?]*+\?=)|"
_TOKEN = re.compile(_ENCODED + f"(?P<quoted>{_QUOTED})|" + _REST, re.DOTALL)
_TOKEN_NO_QUOTES = re.compile(_ENCODED + _REST.replace(r"\"", ""), re.DOTALL)
_IN_COMMENT = re.compile(r"[^()\\]++|\\.?|[()]", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def parse_addresses(raw: bytes, limit: int = ADDRESSES) -> tuple[Address, ...]:
    """Mailboxes of an address field, at most ``limit``; group names are dropped. Never raises; linear."""
    return _Reader(decode_lenient(unfold(raw)), limit).read()


class _Reader:
    """One address list being read; the attributes are the mailbox at hand."""

    __slots__ = ("angle", "closed", "comments", "comments_end", "found", "limit", "text", "words")

    def __init__(self, text: str, limit: int) -> None:
        self.text = text
        self.limit = limit
        self.found: list[Address] = []
        self.comments_end = True  # False once a parenthesis was met that nothing closes
        self._clear()

    def _clear(self) -> None:
        self.words: list[list[str]] = []  # tokens, grouped by the white space between them
        self.comments: list[str] = []
        self.angle: list[str] | None = None  # tokens between < and >
        self.closed = False

    def read(self) -> tuple[Address, ...]:
        token, pos, joined = _TOKEN, 0, False
        while pos < len(self.text) and len(self.found) < self.limit:
            match = token.match(self.text, pos)
            if match is None:
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
        return tuple(self.found[: self.limit])

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
            self.closed = True
        elif value in ",;":
            if in_angle and self.angle and self.angle[0].startswith("@"):
                return False  # obsolete route: <@a.test,@b.test:c@d.test>
            self._flush()
        elif value == ":":
            if in_angle:
                return False
            self._clear()  # a group name, or "mailto"
        else:
            return False
        return True

    def _open_angle(self) -> None:
        if self.angle and "@" in "".join(self.angle):
            self._flush()  # a comma is missing between two mailboxes
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
        words = ["".join(tokens) for tokens in self.words]
        if self.angle is not None:
            email = _without_route("".join(self.angle))
        else:
            email, words = _bare_address(words)
        name = _name(words) or _name(self.comments)
        if name or email:
            self.found.append(Address(name, email))
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
    plain = " ".join(_unquoted(word) for word in words)
    if "=?" in plain or not plain.isprintable():
        plain = decode_unstructured(plain.encode("utf-8"))
    return plain.strip()


def _unquoted(word: str) -> str:
    if len(word) > 1 and word[0] == '"' == word[-1]:
        return _ESCAPED.sub(r"\1", word[1:-1]).strip()
    return word
