"""Mail to many that says so: lists and newsletters. Not a fault; it tells readers' folders apart."""

from gateway.pipeline.evidence import Evidence, PureCheck, Signal
from gateway.pipeline.facts import DataFacts

LIST = Signal("bulk.list", "The mail comes through a mailing list: {detail}", "bulk", "2919 §3")
UNSUBSCRIBE = Signal("bulk.unsubscribe", "The mail says how to unsubscribe", "bulk", "2369 §3.2")
ONE_CLICK = Signal("bulk.one-click", "The mail can be unsubscribed from with one click", "bulk", "8058 §3.1")
PRECEDENCE = Signal("bulk.precedence", "The mail calls itself bulk mail", "bulk", "3834 §3.1.8")
AUTOMATIC = Signal("bulk.automatic", "A program sent the mail by itself: {detail}", "", "3834 §5")

EMITS = frozenset({LIST, UNSUBSCRIBE, ONE_CLICK, PRECEDENCE, AUTOMATIC})


def look(facts: DataFacts) -> list[Evidence]:
    headers = facts.message.headers
    found: list[Evidence] = []
    if field := headers.first("List-Id"):
        found.append(Evidence(LIST, field.text().strip()[:120]))
    if field := headers.first("List-Unsubscribe"):
        found.append(Evidence(UNSUBSCRIBE))
        signed = any(d.result == "pass" for d in facts.auth.dkim)
        if signed and "one-click" in headers.text("List-Unsubscribe-Post").lower() and b"https:" in field.raw.lower():
            found.append(Evidence(ONE_CLICK))
    if headers.text("Precedence").strip().lower() in ("bulk", "list", "junk"):
        found.append(Evidence(PRECEDENCE))
    automatic = headers.text("Auto-Submitted").strip().lower()
    if automatic and not automatic.startswith("no"):
        found.append(Evidence(AUTOMATIC, automatic[:60]))
    return found


CHECK: PureCheck[DataFacts] = PureCheck("bulk", look, EMITS)
