"""The subject line: shouting, disguise and false familiarity."""

import re
from collections.abc import Iterator

from gateway.checks.sender import is_proven
from gateway.content.freemail import is_freemail
from gateway.content.hosts import to_ascii
from gateway.content.psl import same_organisation
from gateway.content.scripts import is_mixed_script
from gateway.pipeline.evidence import Evidence, PureCheck, Signal
from gateway.pipeline.facts import DataFacts

CAPS = Signal("subject.all-caps", "The subject is written in capitals only", "spam")
EXCLAIM = Signal("subject.exclamation", "The subject shouts with exclamation marks", "spam")
SPACED = Signal("subject.spaced", "The subject spaces its letters out to hide a word: {detail}", "spam")
FAKE_REPLY = Signal(
    "subject.fake-reply", "The subject claims to answer a mail that it does not refer to", "spam", "5322 §3.6.4"
)
EMPTY = Signal("subject.empty", "The subject is missing or empty", "spam")
LONG = Signal("subject.long", "The subject is far longer than any person writes", "spam")
MIXED = Signal("subject.mixed-script", "The subject mixes alphabets within one word: {detail}", "spam")
RECIPIENT = Signal("subject.recipient", "The subject holds the recipient's address: {detail}", "spam")
MONEY = Signal("subject.money", "The subject names a sum of money: {detail}", "spam")
URL = Signal("subject.url", "The subject holds a link: {detail}", "spam")
HERE = Signal("subject.recipient-domain", "A stranger's subject names the recipient's own domain: {detail}", "phish")
TAIL = Signal("subject.random-tail", "The subject ends in a random code behind a gap: {detail}", "spam")

EMITS = frozenset({CAPS, EXCLAIM, SPACED, FAKE_REPLY, EMPTY, LONG, MIXED, RECIPIENT, MONEY, TAIL, URL, HERE})

_SPACED = re.compile(r"(?<!\w)[^\W\d_](?:[ ._*-][^\W\d_]){4,}(?!\w)")
_REPLY = re.compile(r"(?:re|aw|antw|sv|vs|odp|res|rif|回复|答复)\s?(?:\[\d\])?\s?:", re.I)
_WORD = re.compile(r"[^\W\d_]+")
_MONEY = re.compile(r"[$€£¥]\s?\d[\d.,]{2,15}|\d[\d.,]{3,15}\s?(?:usd|eur|dollars|euros?|pounds)\b", re.I)
_TAIL = re.compile(r"\s{5,}[\[({#]?(\w{4,20})[\])}]?\s*\Z")
_LONG = 200
_URL = re.compile(r"https?://[^\s/]{3,200}|\bwww\.[\w-]{1,63}\.[a-z]{2,24}\b", re.I)


def look(facts: DataFacts) -> list[Evidence]:
    field = facts.message.headers.first("Subject")
    subject = field.text().strip() if field else ""
    if not subject:
        return [Evidence(EMPTY)]
    headers = facts.message.headers
    found = [*_shouting(subject), *_disguise(subject)]
    if _REPLY.match(subject) and not headers.first("In-Reply-To") and not headers.first("References"):
        found.append(Evidence(FAKE_REPLY))
    if len(subject) > _LONG:
        found.append(Evidence(LONG))
    lower = subject.lower()
    address = next((r.address for r in facts.envelope.rcpt_to[:20] if r.address.lower() in lower), "")
    if address:
        found.append(Evidence(RECIPIENT, address))
    elif here := _names_us(lower, facts):
        found.append(Evidence(HERE, here))
    if url := _URL.search(subject[:500]):
        found.append(Evidence(URL, url[0][:100]))
    if money := _MONEY.search(subject[:500]):
        found.append(Evidence(MONEY, money[0]))
    return found


def _names_us(subject: str, facts: DataFacts) -> str:
    """The recipient's domain in a subject by somebody unproven: "example.com mailbox almost full"."""
    domain = to_ascii(facts.content.from_domain)
    for recipient in facts.envelope.rcpt_to[:20]:
        here = recipient.address.rpartition("@")[2].lower()
        if here in subject and not same_organisation(here, domain) and not is_freemail(here):
            return "" if is_proven(facts, domain) else here
    return ""


def _shouting(subject: str) -> Iterator[Evidence]:
    letters = [c for c in subject if c.isalpha()]
    cased = [c for c in letters if c.isupper() or c.islower()]
    if len(cased) >= 10 and len(_WORD.findall(subject)) > 1 and not any(c.islower() for c in cased):
        yield Evidence(CAPS)
    marks = subject.count("!") + subject.count("！")
    if marks >= 2:
        yield Evidence(EXCLAIM, "", min(2.0, marks / 2))


def _disguise(subject: str) -> Iterator[Evidence]:
    if spaced := _SPACED.search(subject):
        yield Evidence(SPACED, spaced[0][:60])
    if mixed := next((w for w in _WORD.findall(subject) if is_mixed_script(w)), ""):
        yield Evidence(MIXED, mixed[:60])
    if (tail := _TAIL.search(subject[-60:])) and any(c.isdigit() for c in tail[1]):
        yield Evidence(TAIL, tail[1])


CHECK: PureCheck[DataFacts] = PureCheck("subject", look, EMITS)
