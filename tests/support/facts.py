"""Builds the facts of one mail for tests of checks: real parser, real view, everything else as the test says."""

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from gateway.content.gather import gather
from gateway.envelope import Envelope, Peer, ReceptionId, Recipient
from gateway.mailauth.results import AuthResults, DkimResult, DmarcResult, SpfResult
from gateway.pipeline.facts import DataFacts, Protected
from gateway.reputation.facts import SenderHistory
from models.view import view_of
from store.message.mime import parse_message

NOW = datetime(2026, 3, 2, 9, 0, 0, tzinfo=UTC)

PROTECTED = Protected(
    domains=("example.com", "partner-bank.example"),
    own_domains=("example.com",),
    names=(("Maria Koch", "maria@example.com"),),
)


def envelope(mail_from: str | None = "ana@shop.example", *rcpt: str, trap: bool = False) -> Envelope:
    to = rcpt or ("maria@example.com",)
    return Envelope(
        id=ReceptionId("01jd3k8s7qx7m2wz"),
        peer=Peer(ip_address("192.0.2.7"), 50_000, "mx.shop.example"),
        mail_from=mail_from,
        rcpt_to=tuple(Recipient(address, account=1, is_trap=trap) for address in to),
        received_at=NOW,
    )


def authenticated(domain: str) -> AuthResults:
    """DMARC, SPF and DKIM pass, aligned."""
    return AuthResults(
        spf_mailfrom=SpfResult("pass", domain),
        dkim=(DkimResult("pass", domain, "s1", "rsa-sha256", 2048),),
        dmarc=DmarcResult("pass", "reject", "none", domain, domain, domain, aligned_spf=True, aligned_dkim=True),
    )


def facts(octets: bytes | str, **overrides: Any) -> DataFacts:
    """Facts of a mail; line ends may be LF. ``overrides`` replaces fields of DataFacts."""
    raw = octets.encode() if isinstance(octets, str) else octets
    if b"\r\n" not in raw:
        raw = raw.replace(b"\n", b"\r\n")
    message = parse_message(raw)
    view = view_of(message)
    whole = DataFacts(
        envelope=envelope(),
        message=message,
        auth=AuthResults(),
        view=view,
        content=gather(message, view),
        history=SenderHistory(),
        protected=PROTECTED,
    )
    return replace(whole, **overrides)


def mail(body: str = "Hello Maria, see you tomorrow.", /, **fields: str) -> str:
    """An ordinary mail; keywords replace or add header fields (underscore for hyphen), "" removes one."""
    header = {
        "From": "Ana Ruiz <ana@shop.example>",
        "To": "Maria Koch <maria@example.com>",
        "Subject": "Lunch tomorrow",
        "Date": "Mon, 2 Mar 2026 08:59:00 +0000",
        "Message-ID": "<1@shop.example>",
    }
    header.update({name.replace("_", "-"): value for name, value in fields.items()})
    return "".join(f"{name}: {value}\n" for name, value in header.items() if value) + "\n" + body + "\n"


def html_mail(markup: str, /, **fields: str) -> str:
    return mail(markup, MIME_Version="1.0", Content_Type="text/html; charset=utf-8", **fields)


def with_attachment(filename: str, content: bytes, kind: str = "application/octet-stream", **fields: str) -> str:
    import base64

    encoded = base64.encodebytes(content).decode()
    body = (
        "--b\nContent-Type: text/plain\n\nSee the attached file, please.\n--b\n"
        f"Content-Type: {kind}\nContent-Transfer-Encoding: base64\n"
        f'Content-Disposition: attachment; filename="{filename}"\n\n{encoded}\n--b--'
    )
    return mail(body, MIME_Version="1.0", Content_Type='multipart/mixed; boundary="b"', **fields)
