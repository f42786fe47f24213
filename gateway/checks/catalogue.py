"""Every signal as a row: what it says, what it speaks for and what it is worth. ``docs/signals.md`` is this table."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby

from gateway.checks import ALL_SIGNALS

_FAMILIES = {
    "arc": "Forwarders that vouch (ARC)",
    "attachment": "Attached files",
    "body": "The text",
    "bounce": "Delivery reports",
    "bulk": "Lists and newsletters",
    "calendar": "Invitations",
    "campaign": "The same text elsewhere",
    "check": "Checks that could not answer",
    "clamav": "ClamAV",
    "connection": "The sending host",
    "display_name": "The sender's name",
    "dkim": "Signatures (DKIM)",
    "dmarc": "The author's domain (DMARC)",
    "dlp": "What may not leave",
    "dnslist": "DNS lists",
    "flood": "Floods",
    "greylist": "Greylisting",
    "gtube": "Tests",
    "header": "The header",
    "history": "What is known of the sender",
    "html": "HTML",
    "iprev": "The host's name in the DNS",
    "lists": "Block and allow entries",
    "lure": "What the text wants",
    "message_id": "The mail's number",
    "mime": "Structure (MIME)",
    "model": "Models",
    "opinion": "A second opinion",
    "outbound": "How our own accounts send",
    "pyzor": "Pyzor",
    "received": "The way the mail came",
    "sender": "The author's address",
    "spf": "Hosts that may send (SPF)",
    "subject": "The subject",
    "trap": "Spam traps",
    "url": "Links",
}
_START = """\
# Signals

Everything Mailward can see in a mail, and what each sighting is worth in nats (log-odds) with the model that is
shipped: 0.3 is a hint, 1 is clear, 2 is strong, 3 and more is near proof; below zero speaks for the mail. Two numbers
add up; 0.7 doubles the odds. A sighting may count for a part of its weight, or up to double, when it is weaker or
stronger than usual.

A signal counts once a mail, at its strongest. `model.*` give their own log-odds, for which 1.0 is the factor.
This page is printed by `mailward signals --markdown`.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One signal."""

    name: str
    nats: float
    category: str  #: what it speaks for, "" for nothing by itself
    about: str  #: the sentence, with "{detail}" where what was seen stands
    rfc: str

    @property
    def family(self) -> str:
        return self.name.partition(".")[0]


def rows(weights: Mapping[str, float]) -> list[Row]:
    """All signals by name, with their weights; 0.0 for one that has none."""
    return sorted(
        (Row(s.name, weights.get(s.name, 0.0), s.category, s.about, s.rfc) for s in ALL_SIGNALS if s.name),
        key=lambda row: row.name,
    )


def markdown(table: Iterable[Row]) -> str:
    """The page, one table a family."""
    sections = [_START]
    for family, members in groupby(table, key=lambda row: row.family):
        sections.append(
            f"\n## {_FAMILIES.get(family, family)}\n\n| signal | nats | for | says | RFC |\n|---|--:|---|---|---|\n"
        )
        for row in members:
            about = row.about.replace("{detail}", "*…*")
            sections.append(f"| `{row.name}` | {row.nats:+.1f} | {row.category} | {about} | {row.rfc} |\n")
    return "".join(sections)
