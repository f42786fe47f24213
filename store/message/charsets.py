"""Turns octets into text whatever the label says. RFC 2046 §4.1.2; labels seen in mail, not only IANA's."""

import codecs
from functools import lru_cache

_ALIASES = {
    "ansi": "cp1252",
    "x-ansi": "cp1252",
    "x-unknown": "utf-8",
    "unknown-8bit": "utf-8",
    "default_charset": "utf-8",
    "us-ascii": "utf-8",  # a superset; the fallback then covers 8-bit text with this label
    "ascii": "utf-8",
    "ansi_x3.4-1968": "utf-8",
    "iso-8859-1": "cp1252",  # as every mail program reads it (WHATWG encoding, "windows-1252" labels)
    "iso8859-1": "cp1252",
    "latin1": "cp1252",
    "x-windows-949": "cp949",
    "ks_c_5601-1987": "cp949",
    "ks_c_5601": "cp949",
    "euc-kr": "cp949",
    "gb2312": "gb18030",
    "gb_2312-80": "gb18030",
    "x-gbk": "gb18030",
    "gbk": "gb18030",
    "gb18030": "gb18030",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "x-sjis": "cp932",
    "windows-31j": "cp932",
    "iso-8859-8-i": "iso8859-8",
    "iso-8859-8-e": "iso8859-8",
    "iso-8859-9": "cp1254",
    "tis-620": "cp874",
    "windows-874": "cp874",
    "macintosh": "mac_roman",
    "x-mac-roman": "mac_roman",
    "utf8": "utf-8",
    "unicode-1-1-utf-8": "utf-8",
    "unicode-1-1-utf-7": "utf-7",
    "big5": "big5hkscs",
    "x-x-big5": "big5hkscs",
    "x-euc-jp": "euc_jp",
}
_NOT_TEXT = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "mbcs", "oem"})


@lru_cache(maxsize=256)
def codec_name(label: str) -> str:
    """Python codec for a charset label, "" when there is none. Only real character sets count."""
    label = label.strip(" \t\"'").lower()[:40]
    label = label.split("*", 1)[0]  # RFC 2231 §5: a language may follow
    label = _ALIASES.get(label, label)
    if not label or "\0" in label or not label.isascii():
        return ""
    try:
        info = codecs.lookup(label)
    except (LookupError, ValueError):
        return ""
    text_codec = getattr(info, "_is_text_encoding", True)
    return info.name if text_codec and info.name.replace("_", "-") not in _NOT_TEXT else ""


def decode_lenient(octets: bytes) -> str:
    """UTF-8 when it is mostly UTF-8, else windows-1252; what neither has becomes U+FFFD. Never raises."""
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        text = octets.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    beyond_ascii = len(text) - len(text.encode("ascii", "ignore"))
    return text if beyond_ascii - bad > bad else octets.decode("cp1252", "replace")


def decode_octets(octets: bytes, charset: str) -> str:
    """Text by its label; an unknown or lying label falls back to UTF-8, then windows-1252. Never raises."""
    codec = codec_name(charset) if charset else ""
    if not codec or codec == "utf-8":
        return decode_lenient(octets)
    try:
        return octets.decode(codec)
    except (UnicodeError, ValueError, OverflowError):
        return _damaged(octets, codec)


def _damaged(octets: bytes, codec: str) -> str:
    """A multi-byte text with a few bad octets is still in its charset; a lying label is not."""
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        pass
    try:
        text = octets.decode(codec, "replace")
    except (UnicodeError, ValueError, OverflowError):
        return octets.decode("cp1252", "replace")
    return text if text.count("\ufffd") * 10 <= len(text) else octets.decode("cp1252", "replace")
