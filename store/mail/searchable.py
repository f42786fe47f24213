"""The text of a mail as people read it, bounded, and the words of a search as they were typed."""

import re

from store.mail.filters import Phrase
from store.message import body
from store.message.harmless import unescape
from store.message.model import Message, Part

BODY_CHARS = 1_000_000  #: of one mail, all its text parts together
FIELD_CHARS = 2_000  #: of what is looked for

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


def phrases(text: str) -> tuple[Phrase, ...]:
    """What must all be found: words, in any of their forms, and quoted phrases as they are. RFC 8621 §4.4.1."""
    found: list[Phrase] = []
    for double, single, word in _QUOTED.findall(text[:FIELD_CHARS]):
        quoted = _ESCAPED.sub(r"\1", double or single)
        if quoted or word:
            found.append(Phrase(quoted or word, is_exact=bool(quoted)))
    return tuple(found)


def readable_text(message: Message) -> str:
    """All text parts, markup of HTML taken out. Parts shown only as HTML count; attachments of text do too."""
    return "\n".join(texts_of(message))


def texts_of(message: Message) -> list[str]:
    """The texts one by one: those shown first, then those attached, attached mails included. Bounded."""
    shown = {id(part): part for part in (*body.text_bodies(message), *body.html_bodies(message))}
    texts: list[str] = []
    left = BODY_CHARS
    for part in (*shown.values(), *(p for p in message.root.walk() if id(p) not in shown)):
        if left <= 0:
            break
        if body.shown_type(part).startswith("text/"):
            texts.append(_part_text(message, part, left))
            left -= len(texts[-1])
    return texts


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
    return unescape(_TAG.sub(" ", _INLINE.sub("", " ".join(kept))))
