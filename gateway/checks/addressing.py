"""How the header names the readers and how it is dressed up: crowds hidden, names encoded for no reason."""

import binascii
import re
from collections.abc import Iterator

from gateway.checks.sender import is_proven
from gateway.content.hosts import to_ascii
from gateway.content.psl import same_organisation
from gateway.pipeline.evidence import Evidence, PureCheck, Signal
from gateway.pipeline.facts import DataFacts

ENCODED = Signal(
    "header.needless-encoding", "A plain header field is encoded for no reason but to hide it: {detail}", "spam"
)
UNDISCLOSED = Signal("header.undisclosed", "The header hides all its recipients", "spam")
RECEIPT = Signal("header.receipt-elsewhere", "A receipt would go to another domain than the author's: {detail}", "spam")
TO_ITSELF = Signal(
    "sender.addressed-to-itself", "The mail is addressed to its own author and sent to others: {detail}", "spam"
)
NAME_IS_READER = Signal(
    "display_name.recipient", "The sender's name is the recipient's own address or domain: {detail}", "phish"
)

EMITS = frozenset({ENCODED, UNDISCLOSED, RECEIPT, TO_ITSELF, NAME_IS_READER})

_WORD = re.compile(rb"=\?[\w.:*-]{1,60}\?([bBqQ])\?([^?\s]{1,200})\?=")
_WORDS = 20  #: encoded words of a field that are read
_ESCAPED_PLAIN = re.compile(rb"=(?:3[0-9]|4[1-9A-Fa-f]|5[0-9Aa]|6[1-9A-Fa-f]|7[0-9Aa])")
_ENOUGH_ESCAPES = 5
_UNDISCLOSED = re.compile(rb"undisclosed|unlisted|recipients?\s{0,3}:\s{0,3};", re.I)


def look(facts: DataFacts) -> list[Evidence]:
    return [*_encoding(facts), *_readers(facts), *_receipt(facts), *_name(facts)]


def _encoding(facts: DataFacts) -> Iterator[Evidence]:
    for name in ("From", "Subject"):
        field = facts.message.headers.first(name)
        if field is None or b"=?" not in field.raw:
            continue
        words = _WORD.findall(field.raw[:4_000])[:_WORDS]
        if words and all(_is_needless(kind, text) for kind, text in words):
            yield Evidence(ENCODED, name)


def _is_needless(kind: bytes, text: bytes) -> bool:
    """Base64 that holds plain ASCII, or quoted-printable that escapes plain letters. RFC 2047 §4."""
    if kind in b"qQ":
        return len(_ESCAPED_PLAIN.findall(text)) >= _ENOUGH_ESCAPES
    try:
        plain = binascii.a2b_base64(text)
    except binascii.Error:
        return False
    return plain.isascii() and b"\x1b" not in plain and b"=?" not in plain and len(plain) > 3


def _readers(facts: DataFacts) -> Iterator[Evidence]:
    headers, content = facts.message.headers, facts.content
    to = headers.first("To")
    if to and not any(a.email for a in (*content.to, *content.cc)) and _UNDISCLOSED.search(to.raw[:500]):
        if not headers.first("List-Id"):
            yield Evidence(UNDISCLOSED)
        return
    author = content.from_[0].email.lower() if content.from_ else ""
    named = {a.email.lower() for a in (*content.to, *content.cc)}
    sent_to = {r.address.lower() for r in facts.envelope.rcpt_to}
    if author and named == {author} and author not in sent_to and not is_proven(facts, to_ascii(content.from_domain)):
        yield Evidence(TO_ITSELF, author[:100])


def _receipt(facts: DataFacts) -> Iterator[Evidence]:
    domain = to_ascii(facts.content.from_domain)
    for name in ("Disposition-Notification-To", "Return-Receipt-To"):
        field = facts.message.headers.first(name)
        address = next((a.email for a in field.addresses() if a.email), "") if field else ""
        if domain and address and not same_organisation(to_ascii(address.rpartition("@")[2]), domain):
            yield Evidence(RECEIPT, address[:100])
            return


def _name(facts: DataFacts) -> Iterator[Evidence]:
    """ "maria@example.com" or "example.com" as the name of a stranger: it poses as the reader's own system."""
    domain = to_ascii(facts.content.from_domain)
    name = facts.content.from_[0].name.strip().lower()[:200] if facts.content.from_ else ""
    if not name:
        return
    for recipient in facts.envelope.rcpt_to[:20]:
        local, _, here = recipient.address.lower().rpartition("@")
        claims = recipient.address.lower() in name or name == here or here in name.split()
        if (claims or (name == local and not local.isalpha())) and not same_organisation(here, domain):
            yield Evidence(NAME_IS_READER, f"{name} but from {domain}"[:200])
            return


CHECK: PureCheck[DataFacts] = PureCheck("addressing", look, EMITS)
