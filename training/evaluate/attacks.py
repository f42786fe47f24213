"""What senders do to a mail so that filters do not read it, done to whole raw mails: letters, words, padding, pictures.

Look-alike letters are drawn from all of UTS #39's table of confusable characters. Our own normal form folds that same
table, so there is a second set that it does not know: Latin letters with marks and strokes, by their names. Every
attack goes through the same rewriting as ``CLEAN``, so that only the attack makes a difference.
"""

import re
import string
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.header import Header
from email.message import Message
from functools import cache
from html import escape, unescape
from random import Random

from store.message.mime import parse_message
from training.evaluate.pictures import as_picture

PADDING_WORDS = 300
_WORD = re.compile(r"[^\W\d_]{2,}")
_LONG_WORD = re.compile(r"[^\W\d_]{5,}")
_MARKED = re.compile(r"LATIN (CAPITAL|SMALL) LETTER ([A-Z]) WITH ")
_BODY = re.compile(r"<body\b[^>]{0,2000}>", re.IGNORECASE)
_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f"
_LEET = str.maketrans({"a": "4", "e": "3", "i": "1", "o": "0", "s": "5", "t": "7", "b": "8", "g": "9", "l": "1"})
#: First capital and first small letter of the alphabets without gaps: bold, bold italic, sans, monospace and so on.
_ALPHABETS = (0x1D400, 0x1D468, 0x1D4D0, 0x1D56C, 0x1D5A0, 0x1D5D4, 0x1D608, 0x1D63C, 0x1D670)

Words = Callable[[str, Random], str]


@dataclass(frozen=True, slots=True)
class Attack:
    """One way to hide. ``letters`` changes what is read; the others change the mail around it."""

    name: str
    letters: Words | None = None  #: applied to the subject and to all text a reader sees
    before: bool = False  #: innocent words before the text
    after: bool = False  #: and after it
    comments: bool = False  #: an HTML comment inside every longer word
    picture: bool = False  #: the text as a picture, and nothing else


class Unchangeable(Exception):
    """The mail is too broken to be written anew."""


def attacked(octets: bytes, attack: Attack, innocent: str, rng: Random) -> bytes:
    """The mail as the attacker would have sent it; ``innocent`` is what it is padded with. Raises Unchangeable."""
    try:
        mail: Message = message_from_bytes(octets)
        if attack.letters is not None:
            subject = attack.letters(parse_message(octets).headers.text("Subject"), rng)
            del mail["Subject"]
            mail["Subject"] = _header(subject)
        texts = [part for part in mail.walk() if _is_read(part)]
        if attack.picture:
            as_picture(mail, " ".join(_visible(part) for part in texts[:2]))
        for part in texts if not attack.picture else ():
            _rewrite(part, attack, innocent, rng)
        return mail.as_bytes()
    except (ValueError, LookupError, TypeError, AttributeError) as error:  # what the library raises for broken mail
        raise Unchangeable(repr(error)) from error


def _is_read(part: Message) -> bool:
    return part.get_content_type() in ("text/plain", "text/html") and part.get_content_disposition() != "attachment"


def _header(text: str) -> str:
    shown = " ".join(text.split())
    return shown if shown.isascii() else Header(shown.encode("utf-8", "replace").decode(), "utf-8").encode()


def _text(part: Message) -> str:
    payload = part.get_payload(decode=True)
    octets = payload if isinstance(payload, bytes) else b""
    try:
        return octets.decode(part.get_content_charset() or "utf-8", "replace")
    except LookupError:
        return octets.decode("latin-1")


def _visible(part: Message) -> str:
    text = _text(part)
    return " ".join(unescape(t) for shown, t in _nodes(text) if shown) if part.get_content_subtype() == "html" else text


def _rewrite(part: Message, attack: Attack, innocent: str, rng: Random) -> None:
    text, is_page = _text(part), part.get_content_subtype() == "html"
    if attack.comments and not is_page:
        text, is_page = f"<html><body><p>{escape(text)}</p></body></html>".replace("\n", "<br>\n"), True
        part.set_type("text/html")
    change = _commented if attack.comments else attack.letters
    if change is not None:
        text = _page_changed(text, change, rng, keep=attack.comments) if is_page else change(text, rng)
    if attack.before:
        text = _page_before(text, innocent) if is_page else f"{innocent}\n\n{text}"
    if attack.after:
        text = _page_after(text, innocent) if is_page else f"{text}\n\n{innocent}\n"
    del part["Content-Transfer-Encoding"]
    part["Content-Transfer-Encoding"] = "8bit"
    part.set_payload(text.encode("utf-8", "replace").decode("ascii", "surrogateescape"))
    part.set_param("charset", "utf-8")


def _page_changed(markup: str, change: Words, rng: Random, *, keep: bool) -> str:
    """What is visible of a page changed; with ``keep`` the change writes markup itself."""
    found: list[str] = []
    for shown, text in _nodes(markup):
        if not shown:
            found.append(text)
        else:
            said = unescape(text)
            found.append(change(escape(said, quote=False), rng) if keep else escape(change(said, rng), quote=False))
    return "".join(found)


def _nodes(markup: str) -> Iterator[tuple[bool, str]]:
    """Text that is shown, and everything else, in turn. Linear."""
    low, at = markup.lower(), 0
    while at < len(markup):
        start = markup.find("<", at)
        if start < 0:
            yield True, markup[at:]
            return
        if start > at:
            yield True, markup[at:start]
        close = "-->" if low.startswith("<!--", start) else ">"
        inside = next((name for name in ("script", "style") if low.startswith(f"<{name}", start)), "")
        end = low.find(f"</{inside}" if inside else close, start)
        at = len(markup) if end < 0 else end if inside else end + len(close)
        yield False, markup[start:at]


def _page_before(markup: str, innocent: str) -> str:
    body = _BODY.search(markup)
    at = body.end() if body is not None else 0
    return f"{markup[:at]}<p>{escape(innocent)}</p>{markup[at:]}"


def _page_after(markup: str, innocent: str) -> str:
    at = markup.lower().rfind("</body")
    at = at if at >= 0 else len(markup)
    return f"{markup[:at]}<p>{escape(innocent)}</p>{markup[at:]}"


@cache
def twins() -> dict[str, tuple[str, ...]]:
    """Every single character beyond ASCII that UTS #39 lists beside each ASCII letter."""
    import json
    from importlib import resources

    raw = json.loads((resources.files("confusable_homoglyphs") / "confusables.json").read_text("utf-8"))
    found: dict[str, set[str]] = {letter: set() for letter in string.ascii_letters}
    for character, others in raw.items():
        for other in (each["c"] for each in others):
            for letter, twin in ((character, other), (other, character)):
                if letter in found and len(twin) == 1 and not twin.isascii():
                    found[letter].add(twin)
    return {letter: tuple(sorted(others)) for letter, others in found.items() if others}


@cache
def marked() -> dict[str, tuple[str, ...]]:
    """Latin letters with a mark, hook or stroke, by the ASCII letter that a reader takes them for."""
    found: dict[str, set[str]] = {letter: set() for letter in string.ascii_letters}
    for character in map(chr, (*range(0xC0, 0x2AF), *range(0x1D00, 0x1F00), *range(0xA720, 0xA800))):
        name = _MARKED.match(unicodedata.name(character, ""))
        if name is not None:
            found[name[2] if name[1] == "CAPITAL" else name[2].lower()].add(character)
    return {letter: tuple(sorted(others)) for letter, others in found.items() if others}


def _look_alike(share: float, of: Callable[[], dict[str, tuple[str, ...]]] = twins) -> Words:
    def change(text: str, rng: Random) -> str:
        table = of()
        return "".join(rng.choice(table[c]) if c in table and rng.random() < share else c for c in text)

    return change


def _zero_width(text: str, rng: Random) -> str:
    return _WORD.sub(lambda m: "".join(c + (rng.choice(_INVISIBLE) if rng.random() < 0.5 else "") for c in m[0]), text)


def _spaced(text: str, rng: Random) -> str:
    """Letters apart and words further apart: without the second nobody could read it."""
    return _WORD.sub(lambda m: " ".join(m[0]), text.replace(" ", " \u00a0 "))


def _mathematical(text: str, rng: Random) -> str:
    def word(match: re.Match[str]) -> str:
        first = rng.choice(_ALPHABETS)
        moved = {c: chr(first + n) for n, c in enumerate(string.ascii_uppercase + string.ascii_lowercase)}
        return "".join(moved.get(c, c) for c in match[0])

    return _WORD.sub(word, text)


def _leet(text: str, rng: Random) -> str:
    return "".join(c.translate(_LEET) if rng.random() < 0.5 else c for c in text)


def _cut(text: str, rng: Random) -> str:
    return _LONG_WORD.sub(lambda m: _split(m[0], rng, " "), text)


def _commented(text: str, rng: Random) -> str:
    return _LONG_WORD.sub(lambda m: _split(m[0], rng, f"<!-- {rng.randrange(10**6)} -->"), text)


def _split(word: str, rng: Random, by: str) -> str:
    at = rng.randrange(2, len(word) - 1)
    return word[:at] + by + word[at:]


CLEAN = Attack("as it was")

ATTACKS = (
    Attack("look-alike letters, half of them", _look_alike(0.5)),
    Attack("look-alike letters, all", _look_alike(1.0)),
    Attack("letters with marks and strokes", _look_alike(1.0, marked)),
    Attack("zero-width characters", _zero_width),
    Attack("s p a c e d letters", _spaced),
    Attack("mathematical alphabets", _mathematical),
    Attack("leet (n0t normalised), half", _leet),
    Attack("words cut by a space", _cut),
    Attack("HTML comments inside words", comments=True),
    Attack("300 innocent words before", before=True),
    Attack("300 innocent words after", after=True),
    Attack("300 innocent words on both sides", before=True, after=True),
    Attack("picture only", picture=True),
)
