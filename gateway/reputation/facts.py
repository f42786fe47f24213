"""What is known about a sender before this mail."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SenderHistory:
    """Counts for the authenticated From domain and address; zero when never seen."""

    seen: int = 0  #: mails judged from this address
    ham: int = 0  #: of those delivered and never complained about, or confirmed
    spam: int = 0  #: of those confirmed or judged spam
    is_blocked: bool = False  #: an entry of the block list matches
    is_allowed: bool = False  #: an entry of the allow list matches and the sender authenticates
    trap_hits: int = 0  #: mails from this address or network that went to a spam trap
    trap_campaign: bool = False  #: a spam trap received the same text not long ago

    @property
    def is_first_contact(self) -> bool:
        return self.seen == 0
