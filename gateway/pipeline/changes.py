"""Changing a mail, to see what would have become of it: without a link, a file, a field, a sentence, or authentic.

What stands in the mail is taken out of its octets, and the mail is read anew, so that everything that follows from the
change follows. What was found out about its way (authentication, history) stays as it was, unless it is the change.
"""

import base64
import quopri
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Literal

from gateway.content.facts import ContentFacts
from gateway.content.gather import gather
from gateway.mailauth.results import AuthResults, DkimResult, DmarcResult, SpfResult
from gateway.pipeline.facts import DataFacts
from gateway.pipeline.verdict import Reason
from models.explain import pieces, without
from models.normalise import normalise
from models.view import MailView, view_of
from store.message.body import decode_part
from store.message.mime import parse_message
from store.message.model import Message, Part

LINKS, FILES = 6, 4  #: changes of a kind that are thought of
TEXT_OCTETS = 500_000  #: a text part of as many or more is not written anew

#: Fields a mail could have come without, by the start of the signals that speak of them.
_FIELDS = {
    "subject.": "Subject",
    "sender.reply-to": "Reply-To",
    "message_id.": "Message-ID",
    "header.bad-message-id": "Message-ID",
    "header.date": "Date",
    "header.bad-date": "Date",
    "header.receipt": "Disposition-Notification-To",
}
_BREAK = re.compile(rb"\r?\n")

Kind = Literal["author", "link", "file", "field", "sentence"]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that could have been different."""

    kind: Kind
    what: str  #: the author's domain, a host, a file's name, a field's name, the sentence


def thinkable(facts: DataFacts, reasons: Sequence[Reason], sentences: Sequence[str]) -> tuple[Change, ...]:
    """The changes worth trying, bounded. ``sentences`` are those that the models mind most, worst first."""
    against = [reason.signal for reason in reasons if reason.nats > 0]
    found: dict[Change, None] = {}
    if facts.content.from_domain and facts.auth.dmarc.result != "pass":
        found[Change("author", facts.content.from_domain)] = None
    hosts = dict.fromkeys(url.host for url in facts.content.urls if url.host)
    found |= dict.fromkeys(Change("link", host) for host in list(hosts)[:LINKS])
    names = dict.fromkeys(each.filename for each in facts.content.attachments if each.filename)
    found |= dict.fromkeys(Change("file", name) for name in list(names)[:FILES])
    for start, name in _FIELDS.items():
        if any(signal.startswith(start) for signal in against):
            found[Change("field", name)] = None
    found |= dict.fromkeys(Change("sentence", sentence) for sentence in sentences)
    return tuple(found)


def applied(facts: DataFacts, changes: Sequence[Change]) -> DataFacts | None:
    """The facts of the changed mail; None where a change cannot be made, so that nothing is claimed of it."""
    octets = facts.message.octets
    for change in changes:
        octets = _cut(octets, change)
    message = parse_message(octets)
    view = view_of(message)
    left_out = frozenset(change.what for change in changes if change.kind == "sentence")
    if left_out:
        gone = [raw for change in changes if change.kind == "link" for raw in _addresses(facts.content, change.what)]
        view = _unsaid(facts.view, view, left_out, gone)
    content = gather(message, view)
    auth = facts.auth
    for change in changes:
        if change.kind == "author":
            auth = authentic(auth, change.what)
    changed = replace(facts, message=message, view=view, content=content, auth=auth)
    return changed if all(_is_made(facts, changed, change) for change in changes) else None


def _unsaid(before: MailView, after: MailView, left_out: frozenset[str], gone: Sequence[str]) -> MailView:
    """``after`` with the text of ``before``, without some of its pieces and without addresses that went."""
    told = without(before, left_out)
    texts = [told.text, told.plain_text, told.html_text]
    for raw in gone:
        texts = [text.replace(raw, "") for text in texts]
    text, plain_text, html_text = texts
    normal = normalise(f"{after.subject}\n{text}")
    return replace(after, text=text, normal=normal, plain_text=plain_text, html_text=html_text)


def authentic(auth: AuthResults, domain: str) -> AuthResults:
    """What would have been found out had the author's domain vouched for the mail."""
    return replace(
        auth,
        spf_mailfrom=SpfResult("pass", domain, mechanism="if it were"),
        dkim=(DkimResult("pass", domain, algorithm="rsa-sha256", key_bits=2048),),
        dmarc=DmarcResult("pass", auth.dmarc.policy, "none", domain, domain, domain, True, True),
    )


def _is_made(facts: DataFacts, changed: DataFacts, change: Change) -> bool:
    content = changed.content
    match change.kind:
        case "link":
            return all(url.host != change.what for url in content.urls)
        case "file":
            return all(each.filename != change.what for each in content.attachments)
        case "field":
            return changed.message.headers.first(change.what) is None
        case "sentence":
            return change.what in pieces(facts.view.text)
        case "author":
            return True


def _cut(octets: bytes, change: Change) -> bytes:
    message = parse_message(octets)
    match change.kind:
        case "link":
            return _without_host(message, change.what)
        case "file":
            return _without_file(message, change.what)
        case "field":
            return _without_field(message, change.what)
        case "author" | "sentence":
            return octets


def _without_field(message: Message, name: str) -> bytes:
    """Without every field of the name: the header is written anew, the body is not touched."""
    octets, root = message.octets, message.root
    kept = [field for field in root.headers.fields if field.name.lower() != name.lower()]
    end = b"\r\n" if b"\r\n" in octets[: root.body_start] else b"\n"
    head = b"".join(field.name.encode("utf-8", "replace") + b":" + field.raw + end for field in kept)
    return head + end + octets[root.body_start :]


def _without_file(message: Message, name: str) -> bytes:
    """Without the part: from its boundary line to the next one."""
    octets = message.octets
    for part in reversed(list(message.root.walk())):
        if part.filename != name or part is message.root:
            continue
        opening = octets.rfind(b"\n--", 0, part.header_start) + 1
        after = _BREAK.match(octets, part.body_end)
        octets = octets[:opening] + octets[after.end() if after else part.body_end :]
    return octets


def _without_host(message: Message, host: str) -> bytes:
    """Without the addresses that lead to a host, in every text part; the words of a link stay."""
    addresses = _addresses(gather(message, view_of(message)), host)
    needles = [each.encode("utf-8", "surrogatepass") for raw in addresses for each in (raw, escape(raw))]
    octets = message.octets
    for part in reversed(list(message.root.walk())):
        if part.children or part.message is not None or not part.type.startswith("text/"):
            continue
        body = decode_part(message, part, TEXT_OCTETS)
        if len(body) == TEXT_OCTETS:
            continue  # there may be more, which must not be lost: the link stays, and nothing is claimed
        written = body
        for needle in needles:
            written = written.replace(needle, b"")
        if written != body:
            octets = octets[: part.body_start] + _encoded(written, part) + octets[part.body_end :]
    return octets


def _addresses(content: ContentFacts, host: str) -> list[str]:
    """As written, the longest first; one that was found in the text may have no scheme there."""
    found = {url.raw for url in content.urls if url.host == host}
    found |= {url.raw.removeprefix("http://") for url in content.urls if url.host == host and url.source == "text"}
    return sorted(found, key=len, reverse=True)


def _encoded(body: bytes, part: Part) -> bytes:
    """In the part's own transfer encoding, so that its header stays true."""
    if part.encoding == "base64":
        return base64.encodebytes(body).rstrip(b"\n").replace(b"\n", b"\r\n")
    if part.encoding == "quoted-printable":
        return quopri.encodestring(body)
    return body
