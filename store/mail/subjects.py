"""Subjects without the marks that answering and forwarding leave on them. RFC 5256 §2.1, RFC 8621 §3.

What comes in is decoded text: the first half of step 1 of the RFC, encoded words, is done where a mail is parsed.
"""

import hashlib
import re
from dataclasses import dataclass

_MOST_CHARS = 1_000  # of a subject looked at; rows keep no more
_SPACES = re.compile(r"[ \t\r\n]+")
_TRAILER = "(fwd)"
_BLOB = re.compile(r"\[[^\[\]]*\] *")
_MARK = re.compile(r"(?:re|fwd?) *(?:\[[^\[\]]*\] *)?:", re.IGNORECASE)
_FORWARDED = "[fwd:"
#: What programs in other languages write for "Re:" and "Fwd:". The RFC does not know them; people's threads do.
_LOCAL_LEADER = re.compile(
    r"(?:aw|wg|sv|vs|antw|tr|rv|rif|res|enc|odp|vb|ynt|atb|回复|转发|答复)[ \t]*[:\uff1a]", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class BaseSubject:
    """What remains, and whether a mark of an answer or a forward was there."""

    text: str
    is_reply: bool


def parse_subject(subject: str) -> BaseSubject:
    """The base subject exactly by the steps of RFC 5256 §2.1; the letters stay as they were written."""
    text = _SPACES.sub(" ", subject[:_MOST_CHARS])
    is_reply = False
    while True:
        text, is_marked = _without_trailers(text)
        is_reply |= is_marked
        text, is_marked = _without_leaders(text)
        is_reply |= is_marked
        if not (text[: len(_FORWARDED)].lower() == _FORWARDED and text.endswith("]")):
            return BaseSubject(text, is_reply)
        text, is_reply = text[len(_FORWARDED) : -1], True  # step 6, and all over again


def base_subject(subject: str) -> str:
    """The base subject in lower case, by which subjects are sorted (RFC 5256 §3: without regard to case)."""
    return parse_subject(subject).text.lower()


def thread_subject(subject: str) -> BaseSubject:
    """What subjects of one conversation have in common: the base subject without spaces, case and local marks."""
    base = parse_subject(subject)
    is_reply = base.is_reply
    while (local := _LOCAL_LEADER.match(base.text)) is not None:
        base, is_reply = parse_subject(base.text[local.end() :]), True
    return BaseSubject("".join(base.text.split()).casefold(), is_reply)


def subject_digest(text: str) -> bytes:
    """Eight octets that stand for a thread's subject."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _without_trailers(text: str) -> tuple[str, bool]:
    """Step 2."""
    is_reply = False
    while True:
        text = text.rstrip(" ")
        if text[-len(_TRAILER) :].lower() != _TRAILER:
            return text, is_reply
        text, is_reply = text[: -len(_TRAILER)], True


def _without_leaders(text: str) -> tuple[str, bool]:
    """Steps 3 to 5. Blobs are passed over together, so that many of them cost no more than their length."""
    is_reply = False
    while True:
        text = text.lstrip(" ")
        blob: re.Match[str] | None = None
        end = 0
        while (following := _BLOB.match(text, end)) is not None:
            blob, end = following, following.end()
        mark = _MARK.match(text, end)
        if mark is not None:
            text, is_reply = text[mark.end() :], True
        elif blob is None:
            return text, is_reply
        elif end < len(text):
            text = text[end:]
        else:
            return blob[0], is_reply  # step 4: something must remain
