"""Structure that no mail program writes, and that makes two readers see two mails. RFC 2045, RFC 2046."""

import re

from gateway.pipeline.evidence import Evidence, PureCheck, Signal
from gateway.pipeline.facts import DataFacts
from store.message.model import Message, Part

BROKEN = Signal("mime.broken", "The mail's parts are not separated as announced: {detail}", "spam", "2046 §5.1.1")
FLOOD = Signal("mime.flood", "The mail has more parts or levels than are looked at: {detail}", "spam", "2046 §5.1")
AMBIGUOUS = Signal(
    "mime.ambiguous", "Mail programs will disagree on what the mail holds: {detail}", "malware", "2045 §6"
)
DAMAGED = Signal("mime.damaged-encoding", "A part's encoding is damaged: {detail}", "spam", "2045 §6.8")
LINE_ENDS = Signal("mime.line-ends", "The mail's lines do not end as they must: {detail}", "spam", "5322 §2.3")
NULS = Signal("mime.nul", "The mail holds NUL octets in its text", "spam", "5322 §2.3")
NO_VERSION = Signal("mime.no-version", "The mail uses MIME without saying so", "spam", "2045 §4")
CHARSET = Signal("mime.odd-charset", "A text is in a character set that nobody uses: {detail}", "spam", "2046 §4.1.2")
FALSE_7BIT = Signal("mime.false-7bit", "A part says it is plain ASCII and is not: {detail}", "spam", "2045 §6.2")
FALSE_ENCRYPTED = Signal(
    "mime.false-encrypted", "The mail says it is encrypted and is not: {detail}", "spam", "1847 §2.2"
)

EMITS = frozenset(
    {BROKEN, FLOOD, AMBIGUOUS, DAMAGED, LINE_ENDS, NULS, NO_VERSION, CHARSET, FALSE_7BIT, FALSE_ENCRYPTED}
)

_BY_DEFECT: dict[str, Signal] = {
    "mime.boundary-missing": BROKEN,
    "mime.close-missing": BROKEN,
    "mime.multipart-empty": BROKEN,
    "mime.type-unreadable": BROKEN,
    "mime.depth": FLOOD,
    "mime.parts": FLOOD,
    "mime.parameters": FLOOD,
    "mime.boundary-noise": FLOOD,
    "mime.header-duplicate": AMBIGUOUS,
    "mime.parameter-duplicate": AMBIGUOUS,
    "mime.multipart-encoded": AMBIGUOUS,
    "line.bare-cr": LINE_ENDS,
    "line.mixed-endings": LINE_ENDS,
    "body.nul": NULS,
}
_PARTS = 200  #: parts whose character set is read
_BASE64 = 16_000  #: octets of each that are checked
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=\s]")


def look(facts: DataFacts) -> list[Evidence]:
    message = facts.message
    found: dict[str, Evidence] = {}
    for defect in message.defects:
        signal = _BY_DEFECT.get(defect.name)
        if signal is not None and signal.name not in found:
            detail = f"{defect.name.partition('.')[2].replace('-', ' ')} {defect.detail}".strip()
            found[signal.name] = Evidence(signal, detail)
    encoded = message.root.type.startswith("multipart/") or message.root.encoding in ("base64", "quoted-printable")
    if encoded and not message.headers.first("MIME-Version"):
        found[NO_VERSION.name] = Evidence(NO_VERSION)
    for count, part in enumerate(message.root.walk()):
        if count >= _PARTS:
            break
        if part.type.startswith("text/") and (odd := _is_odd(part.charset)):
            found.setdefault(CHARSET.name, Evidence(CHARSET, odd))
        if part.encoding == "base64" and not part.children and _is_damaged(message, part):
            found.setdefault(DAMAGED.name, Evidence(DAMAGED, f"part {part.number or 'whole'}"))
        if part.type.startswith("text/") and _is_false_7bit(message, part):
            found.setdefault(FALSE_7BIT.name, Evidence(FALSE_7BIT, f"part {part.number or 'whole'}"))
        if part.type == "multipart/encrypted" and (other := _not_encrypted(part)):
            found.setdefault(FALSE_ENCRYPTED.name, Evidence(FALSE_ENCRYPTED, other))
    return list(found.values())


def _is_false_7bit(message: Message, part: Part) -> bool:
    """Only where the part says so itself: that nothing is said about the encoding is too common."""
    if part.encoding != "7bit" or not part.headers.first("Content-Transfer-Encoding"):
        return False
    return not message.octets[part.body_start : min(part.body_end, part.body_start + _BASE64)].isascii()


def _not_encrypted(part: Part) -> str:
    """What stands where ciphertext belongs: its two parts are a control part and opaque octets. RFC 1847 §2.2."""
    if not part.children:
        return "no parts"
    odd = [c.type for c in part.children if c.type.startswith(("text/", "multipart/", "image/"))]
    return odd[0][:60] if odd else ""


def _is_damaged(message: Message, part: Part) -> bool:
    """Octets in base64 that do not belong there: readers skip them or give up, and so see different mails."""
    end = min(part.body_end, part.body_start + _BASE64)
    return _NOT_BASE64.search(message.octets, part.body_start, end) is not None


def _is_odd(charset: str) -> str:
    """The charset's label when it names no character set: made-up labels make readers guess differently."""
    label = charset.strip().strip("\"'").lower()
    if not label or label in ("utf-8", "us-ascii"):
        return ""
    from store.message.charsets import codec_name

    return "" if codec_name(label) else label[:40]


CHECK: PureCheck[DataFacts] = PureCheck("mime", look, EMITS)
