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

EMITS = frozenset({BROKEN, FLOOD, AMBIGUOUS, DAMAGED, LINE_ENDS, NULS, NO_VERSION, CHARSET})

_BY_DEFECT: dict[str, Signal] = {
    "mime.boundary-missing": BROKEN,
    "mime.close-missing": BROKEN,
    "mime.multipart-empty": BROKEN,
    "mime.type-unreadable": BROKEN,
    "mime.depth": FLOOD,
    "mime.parts": FLOOD,
    "mime.parameters": FLOOD,
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
    return list(found.values())


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
