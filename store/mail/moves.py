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


JUNK, NOT_JUNK = frozenset({"$junk", "junk"}), frozenset({"$notjunk", "nonjunk"})


def marked(account: AccountId, email: EmailId, before: frozenset[str], after: frozenset[str]) -> Moved | None:
    """What new keywords say, as a move would have; None when they say nothing, or two things at once.

    "$junk" and "$notjunk" are IANA's names; some programs write them without the "$", and "nonjunk".
    """
    new = after - before
    is_junk, is_not = bool(new & JUNK), bool(new & NOT_JUNK)
    if is_junk == is_not:
        return None
    return Moved(account, (email,), *(("", "junk") if is_junk else ("junk", "")), "keyword")
