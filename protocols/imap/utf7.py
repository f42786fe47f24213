"""Mailbox names on the wire: modified UTF-7. RFC 3501 §5.1.3."""

import binascii
import re

_SHIFTED = re.compile(r"&([^-&]*)(-?)")
_TO_SHIFT = re.compile(r"[^\x20-\x7e]+")
_PLAIN = re.compile(r"[\x20-\x7e]*")


class BadName(ValueError):
    """Not modified UTF-7, or not its only form."""


def decode(octets: bytes) -> str:
    """Raises BadName. Only the canonical form is read, so that no two names on the wire mean one mailbox."""
    try:
        text = octets.decode("ascii")
    except UnicodeDecodeError:
        raise BadName("8-bit octets in a mailbox name") from None
    if not _PLAIN.fullmatch(text):
        raise BadName("control characters in a mailbox name")
    if "&" not in text:
        return text
    decoded = _SHIFTED.sub(_unshift, text)
    if encode(decoded) != octets:
        raise BadName("not canonical modified UTF-7")
    return decoded


def _unshift(match: re.Match[str]) -> str:
    shifted, end = match.groups()
    if not end:
        raise BadName("unfinished & sequence")
    if not shifted:
        return "&"
    try:
        octets = binascii.a2b_base64(shifted.replace(",", "/") + "=" * (-len(shifted) % 4), strict_mode=True)
        return octets.decode("utf-16-be")
    except (binascii.Error, UnicodeDecodeError):
        raise BadName("damaged & sequence") from None


def encode(name: str) -> bytes:
    """Never raises; a lone surrogate becomes U+FFFD."""
    text = name.replace("&", "&-")
    return _TO_SHIFT.sub(_shift, text).encode("ascii")


def _shift(match: re.Match[str]) -> str:
    octets = match[0].encode("utf-16-be", "surrogatepass").decode("utf-16-be", "replace").encode("utf-16-be")
    return "&" + binascii.b2a_base64(octets, newline=False).decode().rstrip("=").replace("/", ",") + "-"


def quoted(name: str) -> bytes:
    """A mailbox name as a quoted string."""
    return b'"' + encode(name).replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
