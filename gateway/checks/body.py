"""The text a reader sees against the text a machine sees."""

import re
from collections.abc import Iterator
from itertools import islice
from string import ascii_uppercase

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
UNREAD = Signal("body.unread", "The mail holds far more than anybody reads: {detail}", "spam")

EMITS = frozenset({HIDDEN, IMAGE_ONLY, DIFFER, EMPTY, LINK_ONLY, MIXED, SPLIT, SHOUT, UNREAD})

_CAPITALS = 120  #: beyond which a text may shout
_WITHOUT_CAPITALS = str.maketrans("", "", ascii_uppercase)
_PREHEADER = 250  #: hidden characters that an honest newsletter uses for its preview line
_WORD = re.compile(r"[^\W\d_]{3,30}")
_ENOUGH_WORDS = 15  #: a text that is more than a caption
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]")
_FOREIGN = re.compile(r"[^\x00-\u024f\s]")
_NON_ASCII_WORD = re.compile(r"(?<![^\W\d_])[^\W\d_]{0,30}[^\x00-\u024f\W\d_][^\W\d_]{0,30}")
#: Characters without width as mails write them, by what each of a kind begins with.
_NO_WIDTH = {
    b"\xe2": (b"\xe2\x80\x8b", b"\xe2\x80\x8c", b"\xe2\x80\x8d", b"\xe2\x81\xa0"),
    b"=E2=8": (b"=E2=80=8B", b"=E2=80=8C", b"=E2=80=8D", b"=E2=81=A0"),
    b"&#8": (b"&#8203;", b"&#8204;", b"&#8205;"),
    b"&#x200": (b"&#x200b;", b"&#x200B;"),
    b"&z": (b"&zwnj;", b"&zwj;"),
    b"&Z": (b"&ZeroWidthSpace;",),
}
_READ = 100_000  #: octets that are searched for split words
_TEXT = 8_000  #: characters that are compared


def look(facts: DataFacts) -> list[Evidence]:
    view = facts.view
    text = view.text[:_TEXT]
    found = [*_hidden(view), *_amount(facts, text), *_disguise(facts, text)]
    if view.plain_text and view.html_text:
        found += _difference(view)
    if _is_shouted(text[:2_000]):
        found.append(Evidence(SHOUT))
    if view.unread:
        found.append(Evidence(UNREAD, ", ".join(view.unread)))
    return found


def _is_shouted(text: str) -> bool:
    upper = len(text) - len(text.translate(_WITHOUT_CAPITALS)) if text.isascii() else sum(map(str.isupper, text))
    return upper > _CAPITALS and upper > sum(map(str.islower, text)) * 1.5


def _hidden(view: MailView) -> Iterator[Evidence]:
    hidden = len("".join(view.hidden_text.split()))
    if hidden > _PREHEADER:
        share = hidden / (hidden + len(view.text) + 1)
        yield Evidence(HIDDEN, f"{hidden} characters", 0.5 + min(1.0, share * 1.5))


def _amount(facts: DataFacts, text: str) -> Iterator[Evidence]:
    view = facts.view
    links = [u for u in facts.content.urls if u.source in ("html", "text") and u.domain]
    words = _few_words(text[:2_000]) if view.image_count or links else 0
    if view.image_count and words < _ENOUGH_WORDS and not facts.content.attachments:
        yield Evidence(IMAGE_ONLY)
    elif not text.strip() and not view.image_count and not links and not facts.content.attachments and not view.subject:
        yield Evidence(EMPTY)
    elif links and words < 10 and not view.image_count and not facts.content.attachments:
        yield Evidence(LINK_ONLY, links[0].host)


def _few_words(text: str) -> int:
    """How many words a text has; of many it is enough to know that they are."""
    words = sum(1 for _ in islice(_WORD.finditer(text), _ENOUGH_WORDS))
    if words < _ENOUGH_WORDS and not text.isascii():  # writing without spaces: two characters count as a word
        words += len(_UNSPACED.findall(text)) // 2
    return words


def _disguise(facts: DataFacts, text: str) -> Iterator[Evidence]:
    if not text.isascii() and _FOREIGN.search(text):
        mixed = [w for w in _NON_ASCII_WORD.findall(text)[:400] if is_mixed_script(w)]
        if len(mixed) >= 2:
            yield Evidence(MIXED, ", ".join(mixed[:3])[:100], min(2.0, len(mixed) / 4 + 0.5))
    split = _split_words(facts.message.octets[:_READ])
    if split >= 3:
        yield Evidence(SPLIT, f"{split} times", min(1.5, split / 6 + 0.5))


def _split_words(octets: bytes) -> int:
    """How often a character without width stands between two Latin letters, where no language needs one."""
    count = 0
    for mark in (mark for start, marks in _NO_WIDTH.items() if start in octets for mark in marks):
        at = octets.find(mark)
        while at >= 0 and count < 50:
            after = at + len(mark)
            count += octets[at - 1 : at].isalpha() and octets[after : after + 1].isalpha()
            at = octets.find(mark, after)
    return count


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
