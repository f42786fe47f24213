"""What people do with their mail, told to whoever learns from it."""

from dataclasses import dataclass

from store.changes.engine import AccountId
from store.mail.model import EmailId


@dataclass(frozen=True, slots=True)
class Moved:
    """Mail that its owner moved or copied from one mailbox to another: a judgement, when one of them is Junk."""

    account: AccountId
    emails: tuple[EmailId, ...]
    source_role: str
    target_role: str
    how: str = "move"  #: or "keyword": they said so without moving it
