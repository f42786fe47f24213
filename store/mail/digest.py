"""What a mail says about itself, before it is anybody's."""

from dataclasses import dataclass

from store.mail.model import PartRow
from store.message.model import Address


@dataclass(frozen=True, slots=True)
class Digest:
    """Everything an Email row says about the mail itself, account and place aside."""

    size: int
    sent_ms: int | None
    subject: str
    preview: str
    message_ids: tuple[str, ...]
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    addresses: dict[str, tuple[Address, ...]]
    has_attachment: bool
    structure: PartRow
    imap_envelope: bytes
    imap_body: bytes
    imap_bodystructure: bytes
    header_octets: int
