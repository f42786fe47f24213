"""Takes structured header values to one line without comments. RFC 5322 §2.2.3, §3.2.2."""

import re

QUOTED = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?'
_OUTSIDE_COMMENT = re.compile(rb'[^"(\\]++|' + QUOTED + rb"|\\.?|\(", re.DOTALL)
_INSIDE_COMMENT = re.compile(rb"[^()\\]++|\\.?|[()]", re.DOTALL)


def strip_comments(value: bytes) -> bytes:
    """The value without RFC 5322 comments, which nest; parentheses in quoted strings stay. Linear.

    A parenthesis within a word is no comment here: senders write ``name=report(1).pdf`` without quotes.
    """
    if b"(" not in value:
        return value
    kept: list[bytes] = []
    depth = pos = 0
    while pos < len(value):
        match = (_INSIDE_COMMENT if depth else _OUTSIDE_COMMENT).match(value, pos)
        if match is None:
            break
        token = match.group()
        if token == b"(" and (depth or pos == 0 or value[pos - 1] in b" \t;)"):
            depth += 1
        elif token == b")" and depth:
            depth -= 1
        elif not depth:
            kept.append(token)
        pos = match.end()
    return b"".join(kept)


def unfold(raw: bytes) -> bytes:
    """The value on one line: line breaks go, the white space after them stays. RFC 5322 §2.2.3."""
    if b"\n" in raw:
        raw = raw.replace(b"\r\n", b"").replace(b"\n", b"")
    return raw.strip(b" \t\r\0")
