"""Recognises a text that a spam trap received, when it comes again for somebody else.

The fingerprint is exact over what stays the same in a campaign: letters only, with numbers, addresses, links and the
greeting's name taken out. It is small, cannot be turned back into the text, and expires.
"""

import re
from hashlib import blake2b

from models.normalise import normalise
from models.view import MailView
from store.changes.engine import StoreTxn, StoreView
from store.schema import expiring, keys

KEEP_MS = 30 * 24 * 3600 * 1000  #: how long a trap's mail is remembered

_SHORTEST = 80  #: letters below which unrelated mails may agree
_READ = 4_000  #: characters of the normal form
#: Anchored where a word starts, so that a long run without a space is still read once.
_MASK = re.compile(r"https?://\S+|www\.\S+|(?<!\S)\S+@\S+|(?<!\w)[^\W\d]*+\d\w*")
_MASKED = re.compile(r"[\d@]|://|www\.")  #: what each of those holds
_GREETED = r"(?:dear|hello|hi|hey|hallo|liebe[rs]?|bonjour|hola|ciao|ola|beste)"
_GREETING = re.compile(rf"\b{_GREETED}\s+[^\s,!.]{{1,30}}(?=[,!.\s])")
_MAYBE_GREETING = re.compile(rf"{_GREETED}\s")  #: found faster, because a pattern that begins with a letter is
_NOT_LETTER = re.compile(r"[\W_]+")
_NOT_ASCII_LETTER = bytes(code for code in range(128) if not chr(code).isalnum())


def fingerprint(view: MailView) -> bytes | None:
    """Sixteen octets that mails of one campaign share; None when there is too little text to tell."""
    return fingerprint_of(stable_text(view))


def fingerprint_of(stable: str) -> bytes | None:
    """The same, of a text that ``stable_text`` gave."""
    if stable.isascii():
        text = stable.encode("ascii").translate(None, _NOT_ASCII_LETTER)
        letters = len(text)
    else:
        told = _NOT_LETTER.sub("", stable)
        text, letters = told.encode("utf-8", "replace"), len(told)
    if letters < _SHORTEST:
        return None
    return blake2b(text, digest_size=16, person=b"mailward camp").digest()


def stable_text(view: MailView) -> str:
    """The normal form without what changes from copy to copy: numbers, addresses, links, the greeting's name."""
    text = normalise(view.text[:_READ])  # not the subject, which often names the reader
    words = [_MASK.sub(" ", w) if not w.isalpha() and _MASKED.search(w) else w for w in text.split()]
    end = " " if text[-1:].isspace() else ""
    stable = " ".join(words) + end
    return _GREETING.sub(" ", stable) if _MAYBE_GREETING.search(stable) else stable


def is_first(txn: StoreTxn, view: MailView, now_ms: int) -> bool:
    """Whether no trap received this text within ``KEEP_MS``. Short texts are told apart to the letter, and remembered
    here; the others by ``remember_trap``."""
    campaign = fingerprint(view)
    if campaign is not None:
        return not is_trap_campaign(txn, campaign, now_ms)
    text = f"{view.subject}\n{view.text[:_READ]}".encode("utf-8", "replace")
    key = keys.FINGERPRINT + b"x" + blake2b(text, digest_size=16, person=b"mailward short").digest()
    is_new = expiring.get(txn.kv, key, now_ms) is None
    if is_new:
        expiring.put_until(txn.kv, key, b"", now_ms + KEEP_MS)
    return is_new


def remember_trap(txn: StoreTxn, campaign: bytes, now_ms: int) -> None:
    """A trap received this text now."""
    expiring.put_until(txn.kv, keys.FINGERPRINT + campaign, b"", now_ms + KEEP_MS)


def is_trap_campaign(view: StoreView | StoreTxn, campaign: bytes, now_ms: int) -> bool:
    """Did a trap receive this text within ``KEEP_MS``?"""
    return expiring.get(view.kv, keys.FINGERPRINT + campaign, now_ms) is not None
