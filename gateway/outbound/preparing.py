"""What a submission agent does to a mail before anybody else sees it. RFC 6409 §8.

Date and Message-ID are added where a program forgot them. Bcc goes, for its readers are nobody's business; so does what
only we may say. Nothing else is touched.
"""

from email.utils import format_datetime

from gateway.envelope import Envelope
from gateway.mailauth.seal import FIELD_START
from gateway.mailauth.stamp import is_forged, render_field

_REMOVED = frozenset({b"bcc", b"resent-bcc", b"return-path"})
HIDDEN = "client.invalid"  #: stands for a client that is nobody's business, in a name that nobody can have (RFC 2606)


def prepared(octets: bytes, envelope: Envelope, hostname: str) -> bytes:
    """The mail as it may leave. Linear; never raises for what a mail holds."""
    block, blank, body = _divided(octets)
    fields = [field for field in FIELD_START.split(block) if field]
    names = [field.partition(b":")[0].strip().lower() for field in fields]
    new = []
    if b"date" not in names:
        new.append(render_field("Date", format_datetime(envelope.received_at)))
    if b"message-id" not in names:
        domain = (envelope.mail_from or "").rpartition("@")[2] or hostname
        new.append(render_field("Message-ID", f"<{envelope.id}@{domain}>"))
    kept = (
        field + b"\r\n"
        for name, field in zip(names, fields, strict=True)
        if name not in _REMOVED and not is_forged(field, hostname)
    )
    return b"".join((*new, *kept, blank, body))


def _divided(octets: bytes) -> tuple[bytes, bytes, bytes]:
    """Header, the empty line behind it, body."""
    if octets.startswith(b"\r\n"):
        return b"", b"\r\n", octets[2:]
    block, found, body = octets.partition(b"\r\n\r\n")
    return (block, b"\r\n", body) if found else (block.removesuffix(b"\r\n"), b"\r\n", b"")


def received(envelope: Envelope, hostname: str, *, hide_client: bool) -> bytes:
    """Our trace field. RFC 5321 §4.4; the protocol's name by RFC 3848 and RFC 6531 §4.3."""
    peer = envelope.peer
    literal = f"[{peer.ip}]" if peer.ip.version == 4 else f"[IPv6:{peer.ip}]"
    client = HIDDEN if hide_client else f"{_harmless(peer.helo) or 'unknown'} ({literal})"
    protocol = f"{'UTF8SMTP' if envelope.smtputf8 else 'ESMTP'}{'S' if peer.tls else ''}A"
    secured = f" ({peer.tls})" if peer.tls else ""
    at = format_datetime(envelope.received_at)
    return render_field("Received", f"from {client} by {hostname} with {protocol}{secured} id {envelope.id}; {at}")


def _harmless(helo: str) -> str:
    """A client's name for itself must not write clauses of its own."""
    return "".join(c if c.isalnum() or c in ".-_:[]" else "?" for c in helo)
