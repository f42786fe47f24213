"""Unstructured header text: unfolding, RFC 2047 encoded words, raw 8-bit text."""

import binascii
import re

from store.message.charsets import codec_name, decode_lenient, decode_octets

_WORD = re.compile(rb"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]*+)\?=")
_FOLD = re.compile(rb"\r?\n[ \t]*")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
_MULTIBYTE_SHIFTED = frozenset({"iso2022_jp", "iso2022_kr", "hz", "utf-7", "iso2022_jp_2"})


def decode_unstructured(raw: bytes) -> str:
    """Unfold and decode (RFC 2047, then UTF-8, then windows-1252), control characters dropped. Never raises.

    Words side by side with one charset are joined before decoding, for senders that split a character
    (against RFC 2047 §5). Broken base64 gives what can be read; an unknown charset falls back.
    """
    value = raw.strip(b" \t\r\n\0")
    if b"=?" in value:
        text = _decode_words(value)
    else:
        text = decode_lenient(_FOLD.sub(b" ", value) if b"\n" in value else value)
    return text if text.isprintable() else _printable(text)


def _decode_words(value: bytes) -> str:
    texts: list[str] = []
    pending: list[bytes] = []  # octets of adjacent words in one charset
    charset = ""
    pos = 0
    for match in _WORD.finditer(value):
        between = value[pos : match.start()]
        label, encoding, encoded = match.groups()
        word_charset = label.decode("ascii", "replace").lower().partition("*")[0]
        apart = bool(between.strip()) or (not pos and not pending)
        if pending and (apart or word_charset != charset or codec_name(charset) in _MULTIBYTE_SHIFTED):
            texts.append(decode_octets(b"".join(pending), charset))
            pending.clear()
        if apart:
            texts.append(_plain(between))
        charset = word_charset
        pending.append(_decode_word(encoding, encoded))
        pos = match.end()
    if pending:
        texts.append(decode_octets(b"".join(pending), charset))
    texts.append(_plain(value[pos:]))
    return "".join(texts)


def _plain(between: bytes) -> str:
    return decode_lenient(_FOLD.sub(b" ", between))


def _decode_word(encoding: bytes, encoded: bytes) -> bytes:
    if b"\n" in encoded:  # a word broken by folding, seen in the wild
        encoded = _FOLD.sub(b"", encoded)
    if encoding in b"qQ":
        return binascii.a2b_qp(encoded.replace(b"_", b" "), header=False)
    return decode_base64_word(encoded)


def decode_base64_word(encoded: bytes) -> bytes:
    """Base64 with foreign characters skipped and padding supplied: as much as can be read."""
    return b"".join(_base64_run(run) for run in encoded.split(b"=")) if b"=" in encoded else _base64_run(encoded)


def _base64_run(run: bytes) -> bytes:
    run = _NOT_BASE64.sub(b"", run)
    if len(run) % 4 == 1:
        run = run[:-1]
    return binascii.a2b_base64(run + b"=" * (-len(run) % 4))


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() or ord(c) > 127 else " " if c in "\t\n\r" else "" for c in text)
