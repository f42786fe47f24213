"""Who says it numbered the mail. RFC 5322 §3.6.4.

That the number names a machine without a domain says nothing: honest mail does so more often than spam (measured).
"""

import re

from gateway.checks.sender import is_proven
from gateway.content.hosts import ip_literal, to_ascii
from gateway.content.psl import same_organisation
from gateway.pipeline.evidence import Evidence, PureCheck, Signal
from gateway.pipeline.facts import DataFacts

RECIPIENT = Signal(
    "message_id.of-recipient", "A stranger's mail is numbered as if it were written here: {detail}", "spam"
)
BARE_IP = Signal(
    "message_id.bare-ip", "The Message-ID names a machine by a bare address: {detail}", "spam", "5322 §3.6.4"
)
HOLDS_RECIPIENT = Signal(
    "message_id.holds-recipient", "The Message-ID holds the recipient's own address: {detail}", "spam"
)

EMITS = frozenset({RECIPIENT, BARE_IP, HOLDS_RECIPIENT})
_ID = re.compile(r"<([^<>\s]{1,300})@([^<>@\s]{1,250})>\s*\Z")


def look(facts: DataFacts) -> list[Evidence]:
    headers = facts.message.headers
    match = _ID.search(headers.text("Message-ID").strip()[:600])
    if match is None:
        return []
    local, right = match[1], to_ascii(match[2])
    if right.startswith("["):
        return []
    if ip_literal(right):
        return [Evidence(BARE_IP, right[:80])]
    found: list[Evidence] = []
    if _is_here(right, facts):
        found.append(Evidence(RECIPIENT, right[:80]))
    recipients = {r.address.lower() for r in facts.envelope.rcpt_to[:20]}
    whole = f"{local}@{right}".lower()
    if any(r in whole for r in recipients):
        found.append(Evidence(HOLDS_RECIPIENT, whole[:100]))
    return found


def _is_here(right: str, facts: DataFacts) -> bool:
    """Lists and forwarders give back what our own people wrote, with our number; those who prove themselves may."""
    headers = facts.message.headers
    domain = to_ascii(facts.content.from_domain)
    if headers.first("List-Id") or headers.first("Resent-From") or same_organisation(right, domain):
        return False
    here = {r.address.rpartition("@")[2].lower() for r in facts.envelope.rcpt_to[:20]} | {*facts.protected.own_domains}
    return any(same_organisation(right, d) for d in here) and not is_proven(facts, domain)


CHECK: PureCheck[DataFacts] = PureCheck("message_id", look, EMITS)
