"""Who says they wrote the mail, who sent it, and where an answer would go."""

from collections.abc import Iterator
from itertools import pairwise

from gateway.checks.url_homograph import imitation
from gateway.content.freemail import is_freemail
from gateway.content.hosts import to_ascii, to_unicode
from gateway.content.psl import same_organisation
from gateway.pipeline.evidence import Evidence, PureCheck, Signal
from gateway.pipeline.facts import DataFacts

LOOKALIKE = Signal("sender.lookalike", "The sender's domain is a look-alike of one we protect: {detail}", "phish")
BRAND = Signal("sender.brand-lookalike", "The sender's domain is a look-alike of a well-known name: {detail}", "phish")
SPOOF = Signal("sender.own-domain-spoofed", "The sender claims our own domain and nothing proves it: {detail}", "phish")
PARTNER = Signal(
    "sender.partner-unproven", "The sender claims a protected domain and nothing proves it: {detail}", "phish"
)
REPLY_FREEMAIL = Signal("sender.reply-to-freemail", "Answers would go to a free mailbox elsewhere: {detail}", "bec")
REPLY_ELSEWHERE = Signal("sender.reply-to-elsewhere", "Answers would go to another domain: {detail}", "spam")
REPLY_LOOKALIKE = Signal(
    "sender.reply-to-lookalike", "Answers would go to a look-alike of a known domain: {detail}", "bec"
)
ENVELOPE = Signal("sender.envelope-differs", "The mail was sent by another domain than its author's: {detail}", "")
MULTIPLE = Signal("sender.multiple-from", "The mail names several authors: {detail}", "spam", "5322 §3.6.2")
NONE = Signal("sender.no-from", "The mail names no author", "spam", "5322 §3.6")
MALFORMED = Signal("sender.malformed-from", "The author's address cannot be one: {detail}", "spam", "5322 §3.4.1")
FREEMAIL = Signal("sender.freemail", "The author writes from a free mailbox: {detail}", "")
SELF = Signal(
    "sender.to-self", "The mail claims to come from its own recipient and nothing proves it: {detail}", "spam"
)
RANDOM = Signal("sender.random-address", "The author's address looks made up by a machine: {detail}", "spam")

EMITS = frozenset(
    {
        *(LOOKALIKE, BRAND, SPOOF, PARTNER, REPLY_FREEMAIL, REPLY_ELSEWHERE, REPLY_LOOKALIKE, ENVELOPE),
        *(MULTIPLE, NONE, MALFORMED, FREEMAIL, SELF, RANDOM),
    }
)


def look(facts: DataFacts) -> list[Evidence]:
    content = facts.content
    if not content.from_:
        return [Evidence(NONE)]
    found: list[Evidence] = []
    distinct = {a.email.lower() for a in content.from_ if a.email}
    if len(distinct) > 1:
        found.append(Evidence(MULTIPLE, ", ".join(sorted(distinct))[:200]))
    sender = content.from_[0].email
    domain = to_ascii(content.from_domain)
    local, at, _ = sender.rpartition("@")
    if not at or not local or "." not in domain or " " in sender:
        return [*found, Evidence(MALFORMED, sender[:100])]
    found += imitation(domain, to_unicode(domain), facts.protected.domains, LOOKALIKE, BRAND)
    found += _unproven(facts, sender, domain)
    found += _envelope(facts, domain)
    found += _answers(facts, domain)
    if is_freemail(domain):
        found.append(Evidence(FREEMAIL, domain))
    if _is_random(local):
        found.append(Evidence(RANDOM, sender[:100]))
    return found


def is_proven(facts: DataFacts, domain: str) -> bool:
    """A domain that belongs to the author's vouches for this mail, or the author signed in here."""
    if facts.envelope.peer.user or facts.auth.dmarc.result == "pass" or facts.auth.arc.trusted:
        return True
    return any(same_organisation(domain, d) for d in facts.auth.authenticated_domains)


def _could_not_tell(facts: DataFacts) -> bool:
    auth = facts.auth
    outcomes = [auth.dmarc.result, auth.spf_mailfrom.result, *(d.result for d in auth.dkim)]
    return "temperror" in outcomes


def _unproven(facts: DataFacts, sender: str, domain: str) -> Iterator[Evidence]:
    if is_proven(facts, domain) or _could_not_tell(facts):
        return
    if any(same_organisation(domain, own) for own in facts.protected.own_domains):
        yield Evidence(SPOOF, sender[:100])
        if any(r.address.lower() == sender.lower() for r in facts.envelope.rcpt_to):
            yield Evidence(SELF, sender[:100])
    elif any(same_organisation(domain, d) for d in facts.protected.domains):
        yield Evidence(PARTNER, sender[:100])


def _envelope(facts: DataFacts, domain: str) -> Iterator[Evidence]:
    """Worth something only where nothing authenticates the author: lists and mailing services differ honestly."""
    mail_from = facts.envelope.mail_from
    if not mail_from or "@" not in mail_from or is_proven(facts, domain):
        return
    sent_by = to_ascii(mail_from.rpartition("@")[2])
    if not same_organisation(sent_by, domain) and not facts.message.headers.first("List-Id"):
        yield Evidence(ENVELOPE, f"{sent_by} for {domain}"[:200])


def _answers(facts: DataFacts, domain: str) -> Iterator[Evidence]:
    if not facts.content.reply_to or facts.message.headers.first("List-Id"):
        return
    answer = facts.content.reply_to[0].email
    elsewhere = to_ascii(answer.rpartition("@")[2])
    if not elsewhere or same_organisation(elsewhere, domain):
        return
    if is_freemail(elsewhere):
        # From one free mailbox to another is what forwarding people do; from a company it is what fraud does.
        yield Evidence(REPLY_FREEMAIL, answer[:100], 0.6 if is_freemail(domain) else 1.0)
    else:
        yield Evidence(REPLY_ELSEWHERE, f"{answer} for {domain}"[:200])
    shown = to_unicode(elsewhere)
    yield from imitation(elsewhere, shown, facts.protected.domains, REPLY_LOOKALIKE, REPLY_LOOKALIKE)


def _is_random(local: str) -> bool:
    """Long, and mostly digits mixed into consonants: "xk3920qwzr71"."""
    if len(local) < 10 or "+" in local or "=" in local or "." in local or "-" in local:
        return False
    digits = sum(c.isdigit() for c in local)
    vowels = sum(c in "aeiouyAEIOUY" for c in local)
    switches = sum(a.isdigit() != b.isdigit() for a, b in pairwise(local))
    return switches >= 4 and digits >= 3 and vowels * 4 < len(local)


CHECK: PureCheck[DataFacts] = PureCheck("sender", look, EMITS)
