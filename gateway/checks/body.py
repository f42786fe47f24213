"""The text a reader sees against the text a machine sees."""

import re
from collections.abc import Iterator

from gateway.content.scripts import is_mixed_script
from gateway.pipeline.evidence import Evidence, PureCheck, Signal
from gateway.pipeline.facts import DataFacts
from models.view import MailView

HIDDEN = Signal("body.hidden-text", "The mail holds text that a reader cannot see: {detail}", "spam")
IMAGE_ONLY = Signal("body.image-only", "The mail is a picture with hardly any text", "spam")
DIFFER = Signal("body.parts-differ", "The plain text and the HTML say different things: {detail}", "spam")
EMPTY = Signal("body.empty", "The mail says nothing and carries nothing", "spam")
LINK_ONLY = Signal("body.link-only", "The mail is little more than a link: {detail}", "spam")
MIXED = Signal("body.mixed-script", "Words in the text mix alphabets: {detail}", "spam")
SPLIT = Signal("body.split-words", "Words in the text are split by characters without width: {detail}", "spam")
SHOUT = Signal("body.shouting", "Most of the text is written in capitals", "spam")

EMITS = frozenset({HIDDEN, IMAGE_ONLY, DIFFER, EMPTY, LINK_ONLY, MIXED, SPLIT, SHOUT})

_PREHEADER = 250  #: hidden characters that an honest newsletter uses for its preview line
_WORD = re.compile(r"[^\W\d_]{3,30}")
_FOREIGN = re.compile(r"[^\x00-\u024f\s]")
_NON_ASCII_WORD = re.compile(r"(?<![^\W\d_])[^\W\d_]{0,30}[^\x00-\u024f\W\d_][^\W\d_]{0,30}")
_SPLIT = re.compile(
    rb"[A-Za-z](?:\xe2\x80[\x8b-\x8d]|\xe2\x81\xa0|\xef\xbb\xbf|=E2=80=8[B-D]|=E2=81=A0|&#820[3-5];|&#x200[b-dB-D];|"
    rb"&zw(?:nj|j);|&ZeroWidthSpace;)[A-Za-z]"
)
_READ = 100_000  #: octets that are searched for split words
_TEXT = 8_000  #: characters that are compared


def look(facts: DataFacts) -> list[Evidence]:
    view = facts.view
    text = view.text[:_TEXT]
    found = [*_hidden(view), *_amount(facts, text), *_disguise(facts, text)]
    if view.plain_text and view.html_text:
        found += _difference(view)
    letters = [c for c in text[:3_000] if c.isalpha()]
    if len(letters) > 200 and sum(c.isupper() for c in letters) > len(letters) * 0.6:
        found.append(Evidence(SHOUT))
    return found


def _hidden(view: MailView) -> Iterator[Evidence]:
    hidden = len("".join(view.hidden_text.split()))
    if hidden > _PREHEADER:
        share = hidden / (hidden + len(view.text) + 1)
        yield Evidence(HIDDEN, f"{hidden} characters", 0.5 + min(1.0, share * 1.5))


def _amount(facts: DataFacts, text: str) -> Iterator[Evidence]:
    view = facts.view
    words = len(_WORD.findall(text[:2_000]))
    links = [u for u in facts.content.urls if u.source in ("html", "text") and u.domain]
    if view.image_count and words < 15 and not facts.content.attachments:
        yield Evidence(IMAGE_ONLY)
    elif not words and not view.image_count and not links and not facts.content.attachments and not view.subject:
        yield Evidence(EMPTY)
    elif links and words < 10 and not view.image_count and not facts.content.attachments:
        yield Evidence(LINK_ONLY, links[0].host)


def _disguise(facts: DataFacts, text: str) -> Iterator[Evidence]:
    if not text.isascii() and _FOREIGN.search(text):
        mixed = [w for w in _NON_ASCII_WORD.findall(text)[:400] if is_mixed_script(w)]
        if len(mixed) >= 2:
            yield Evidence(MIXED, ", ".join(mixed[:3])[:100], min(2.0, len(mixed) / 4 + 0.5))
    split = len(_SPLIT.findall(facts.message.octets, 0, _READ))
    if split >= 3:
        yield Evidence(SPLIT, f"{split} times", min(1.5, split / 6 + 0.5))


def _difference(view: MailView) -> Iterator[Evidence]:
    """Share of the plain text's words that the HTML lacks: honest alternatives say the same."""
    plain = {w.lower() for w in _WORD.findall(view.plain_text[:_TEXT])}
    marked_up = {w.lower() for w in _WORD.findall(view.html_text[:_TEXT])}
    if len(plain) < 12 or len(marked_up) < 12:
        return
    common = len(plain & marked_up) / min(len(plain), len(marked_up))
    if common < 0.35:
        yield Evidence(DIFFER, f"{common:.0%} of the words in common", 1.0 - common)


CHECK: PureCheck[DataFacts] = PureCheck("body", look, EMITS)
