"""The words of a mail as a search sees them: decoded, in one case, bounded. Built from octets, kept by the caller."""

import html
import re
import unicodedata
from dataclasses import dataclass

from store.message import body
from store.message.mime import parse_message
from store.message.model import Message, Part

BODY_CHARS = 1_000_000  #: of one mail, all its text parts together
FIELD_CHARS = 2_000
FIELDS = 1_000

_HIDDEN = re.compile(r"<(!--|style\b|script\b|title\b)", re.IGNORECASE)
_HIDDEN_END = {
    "!--": re.compile("-->"),
    **{name: re.compile(f"</{name}[^>]*+>?", re.IGNORECASE) for name in ("style", "script", "title")},
}
_INLINE = re.compile(
    r"</?(?:a|abbr|b|bdi|code|em|font|i|mark|s|small|span|strong|sub|sup|u|wbr)(?:\s[^<>]*+)?+>", re.IGNORECASE
)
_TAG = re.compile(r"<[^<>]*+>")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\\.)*)\'|(\S+)')
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class MailText:
    """One mail, folded for comparison."""

    fields: tuple[tuple[str, str], ...]  #: lower-case name and folded value
    body: str

    @property
    def chars(self) -> int:
        """Roughly what keeping this costs."""
        return len(self.body) + sum(len(name) + len(value) for name, value in self.fields)


def fold(text: str) -> str:
    """One case and one composition, white space as single blanks: "Straße" finds "STRASSE"."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def phrases(text: str) -> tuple[str, ...]:
    """What must all be found: words, and quoted phrases as they are. RFC 8621 §4.4.1."""
    found: list[str] = []
    for double, single, word in _QUOTED.findall(text[:FIELD_CHARS]):
        phrase = fold(_ESCAPED.sub(r"\1", double or single) or word)
        if phrase:
            found.append(phrase)
    return tuple(found)


def mail_text(octets: bytes) -> MailText:
    """Read a mail for searching. Never raises; costs about what parsing costs."""
    message = parse_message(octets)
    fields = tuple((field.name.lower(), fold(field.text()[:FIELD_CHARS])) for field in message.headers.fields[:FIELDS])
    return MailText(fields, body_text(message))


def body_text(message: Message) -> str:
    """The folded text of all text parts, markup of HTML taken out."""
    return fold(readable_text(message))


def readable_text(message: Message) -> str:
    """The same as people read it. Parts shown only as HTML count; attachments of text do too."""
    shown = {id(part): part for part in (*body.text_bodies(message), *body.html_bodies(message))}
    texts: list[str] = []
    left = BODY_CHARS
    for part in (*shown.values(), *(p for p in body.attachments(message) if id(p) not in shown)):
        if left <= 0:
            break
        if part.type.startswith("text/"):
            texts.append(_part_text(message, part, left))
            left -= len(texts[-1])
    return "\n".join(texts)


def _part_text(message: Message, part: Part, limit: int) -> str:
    text = body.part_text(message, part, limit)
    return html_text(text) if part.type == "text/html" else text


def html_text(markup: str) -> str:
    """What HTML says, roughly and in linear time: no tags, comments, scripts or styles. Not for judging mail."""
    kept: list[str] = []
    at = 0
    while (hidden := _HIDDEN.search(markup, at)) is not None:
        kept.append(markup[at : hidden.start()])
        end = _HIDDEN_END[hidden[1].lower()].search(markup, hidden.end())
        if end is None:
            at = len(markup)
            break
        at = end.end()
    kept.append(markup[at:])
    return html.unescape(_TAG.sub(" ", _INLINE.sub("", " ".join(kept))))
