"""Two steps of the standard library that a hostile text breaks or holds up, made safe: entities, stacked marks."""

import html
import re

_LONG_NUMBER = re.compile(r"&#[0-9]{9,}+;?")

#: What may not start a character of its own (combining classes above 0), and signs that nobody repeats. Letters and
#: digits are none of them but for two voiced sound marks of half width.
_MARK = r"(?:[^\w\s\x00-\u02ff\u2000-\u20cf\u2100-\u2cee\u3000-\u3029\U0001f000-\U0001faff]|[\uff9e\uff9f])"
_MOST = 30
_SOME = re.compile(_MARK)
_STACK = re.compile(f"({_MARK}{{{_MOST}}}){_MARK}++")


def unescape(text: str) -> str:
    """Entities as characters. A number too long to be one, which ``html.unescape`` raises at, is U+FFFD. Linear."""
    return html.unescape(_LONG_NUMBER.sub("\ufffd", text) if "&#" in text else text)


def unstacked(text: str) -> str:
    """No more than 30 marks on one character, as in Unicode's Stream-Safe Text Format (UAX #15 §13).

    To be called before ``unicodedata.normalize``, which sorts the marks of a character in time quadratic in their
    number, and holds the interpreter: 100,000 of them stop a whole process for ten seconds.
    """
    if text.isascii() or not _SOME.search(text[::_MOST]):  # a longer run has one at each such step
        return text
    return _STACK.sub(r"\1", text)
