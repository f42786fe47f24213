"""What is known about a sender before this mail."""

from dataclasses import dataclass

from store.policy.entries import PolicyEntry


@dataclass(frozen=True, slots=True)
class SenderHistory:
    """Counts for the authenticated From domain and address; zero when never seen. They fade (``standing``)."""

    seen: int = 0  #: mails judged from this address
    ham: int = 0  #: of those judged wanted
    spam: int = 0  #: of those judged unwanted
    is_blocked: bool = False  #: an entry of the block list for everybody matches
    is_allowed: bool = False  #: likewise of the allow list, and the sender authenticates or its network is trusted
    trap_hits: float = 0  #: mails from this address or network that went to a spam trap
    trap_campaign: bool = False  #: a spam trap received the same text not long ago
    confirmed_ham: float = 0  #: mails from this address that people called wanted
    confirmed_spam: float = 0  #: and that they called spam
    network_ham: float = 0  #: mails from the client's network judged wanted
    network_spam: float = 0  #: and judged unwanted
    signer_ham: float = 0  #: mails signed by the same domain, where that is not the author's, judged wanted
    signer_spam: float = 0  #: and judged unwanted
    near_trap: bool = False  #: a spam trap received nearly the same text not long ago
    strangers: int = 0  #: domains of unproven strangers that wrote nearly the same text within a day
    flood: int = 0  #: for automatic mail: how many by strangers' programs one recipient had in two hours
    is_automatic: bool = False  #: a program wrote the mail (``bombing.is_by_program``)
    is_reply: bool = False  #: answers a mail that one of the recipients wrote to this proven address
    is_foreign_reply: bool = False  #: answers such a mail and comes from an address that it was not written to
    near: tuple[bytes, ...] = ()  #: by what the text is known again (``nearness.bands``), for whoever remembers it
    entries: tuple[PolicyEntry, ...] = ()  #: all that match and count, those for some recipients of the mail, too

    @property
    def is_first_contact(self) -> bool:
        return self.seen == 0
