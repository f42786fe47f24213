"""Reports about undelivered mail: of ours, of somebody's who used our name, or no reports at all.

RFC 3464, RFC 5321 §4.5.5. Nobody can tell a forged report from a true one by its form alone, so one that names a
mail of ours counts nothing.
"""

import re
from collections.abc import Iterator, Set

from gateway.checks.sender import is_proven
from gateway.content.hosts import to_ascii
from gateway.content.psl import same_organisation
from gateway.pipeline.evidence import Evidence, PureCheck, Signal
from gateway.pipeline.facts import DataFacts
from store.message.model import Headers, Part

OURS = Signal("bounce.ours", "The mail reports on one that was numbered here: {detail}", "", "3464 §2")
NOT_OURS = Signal(
    "bounce.backscatter", "The mail reports on one that was never written here: {detail}", "spam", "3464 §2"
)
SHAPELESS = Signal(
    "bounce.no-report", "A mail without a return address is no report, answer or notice", "spam", "5321 §4.5.5"
)
FORGED = Signal(
    "bounce.imitation", "A mail that poses as a delivery report has a return address and no report: {detail}", "phish"
)

SIGNED = Signal("bounce.signed", "The report came to a return address that we signed", "")
UNSIGNED = Signal(
    "bounce.unsigned", "The report came to an address that we did not sign, so we sent nothing for it: {detail}", "spam"
)
FORBIDDEN = Signal("bounce.forbidden", "Reports are taken at signed return addresses only", "policy")

EMITS = frozenset({OURS, NOT_OURS, SHAPELESS, FORGED, SIGNED, UNSIGNED, FORBIDDEN})

_PARTS = 50  #: parts that are looked through
_READ = 60_000  #: octets of a returned mail's text in which its Message-ID is looked for
_ID = re.compile(rb"^message-id:\s{0,5}<[^<>@\s]{1,300}@([^<>@\s]{1,250})>", re.I | re.M)
_DAEMON = re.compile(r"(?:mailer-daemon|postmaster|mail delivery (?:sub)?system)\b", re.I)
_FAILED = re.compile(
    r"(?:undeliver(?:ed|able)|delivery (?:status notification|has failed|failure|failed)|returned mail|"
    r"mail delivery failed|failure notice|unzustellbar)",
    re.I,
)
_ANSWERS = ("Auto-Submitted", "X-Autoreply", "X-Auto-Response-Suppress", "Disposition-Notification-Options")


def look(facts: DataFacts) -> list[Evidence]:
    is_null = facts.envelope.mail_from is None or facts.envelope.mail_from == ""
    marks = {recipient.return_path for recipient in facts.envelope.rcpt_to if not recipient.is_trap}
    if is_null and "signed" in marks:
        return [Evidence(SIGNED)]  # whatever it looks like: old programs write reports as they please
    reports = _is_report(facts.message.root)
    if reports or (is_null and _FAILED.search(facts.view.subject[:200])):
        unsigned = is_null and not _is_receipt(facts.message.root)
        return [*_returned(facts), *(_unsigned(facts, marks) if unsigned else ())]
    if is_null:
        has_purpose = _has_purpose(facts.message.headers)
        return [] if has_purpose else [Evidence(SHAPELESS), *_unsigned(facts, marks)]
    return [*_imitation(facts)]


def _unsigned(facts: DataFacts, marks: Set[str]) -> Iterator[Evidence]:
    """Our mail leaves with a signed return path, so a report about it comes to one. Receipts and answers by programs
    may go to the author's own address (RFC 8098 §3, RFC 3834 §4)."""
    if marks and marks <= {"unsigned", "strict"}:
        yield Evidence(UNSIGNED, facts.envelope.rcpt_to[0].address[:100])
        if marks == {"strict"}:
            yield Evidence(FORBIDDEN)


def _is_receipt(root: Part) -> bool:
    return root.params.get("report-type", "").lower() == "disposition-notification"


def _is_report(root: Part) -> bool:
    return root.type == "multipart/report" or any(
        part.type in ("message/delivery-status", "message/global-delivery-status")
        for part, _ in zip(root.walk(), range(_PARTS), strict=False)
    )


def _has_purpose(headers: Headers) -> bool:
    """Answers by a program and read receipts come without a return address, too. RFC 3834 §3.3."""
    return any(headers.first(name) for name in _ANSWERS) or bool(headers.first("In-Reply-To"))


def _returned(facts: DataFacts) -> Iterator[Evidence]:
    """The returned mail's Message-ID names its writer's domain: mail programs and servers here use ours."""
    own = facts.protected.own_domains
    domain = _returned_domain(facts)
    if not own or not domain:
        return
    ours = any(same_organisation(domain, o) for o in own)
    yield Evidence(OURS if ours else NOT_OURS, domain[:100])


def _returned_domain(facts: DataFacts) -> str:
    message = facts.message
    for part, _ in zip(message.root.walk(), range(_PARTS), strict=False):
        if part.message is not None or part.type in ("text/rfc822-headers", "message/rfc822"):
            found = _ID.search(message.octets[part.body_start : min(part.body_end, part.body_start + _READ)])
            if found:
                return to_ascii(found[1].decode("utf-8", "replace"))
    found = _ID.search(facts.view.plain_text[:_READ].encode("utf-8", "replace"))
    return to_ascii(found[1].decode("utf-8", "replace")) if found else ""


def _imitation(facts: DataFacts) -> Iterator[Evidence]:
    """ "Mail Delivery System" with a link to release mail: a true one has neither a return address nor that link."""
    author = facts.content.from_[0] if facts.content.from_ else None
    if author is None or not facts.content.urls or not _FAILED.search(facts.view.subject[:200]):
        return
    if _DAEMON.search(f"{author.name} {author.email}"[:300]) and not is_proven(
        facts, to_ascii(facts.content.from_domain)
    ):
        yield Evidence(FORGED, f"{author.name} {author.email}".strip()[:120])


CHECK: PureCheck[DataFacts] = PureCheck("bounce", look, EMITS)
