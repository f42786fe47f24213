"""Everything known about one mail after DATA, gathered before any check runs."""

from dataclasses import dataclass

from gateway.content.facts import ContentFacts
from gateway.envelope import Envelope
from gateway.mailauth.results import AuthResults
from gateway.reputation.facts import SenderHistory
from gateway.reputation.sending import Sending
from models.view import MailView
from store.message.model import Message


@dataclass(frozen=True, slots=True)
class Protected:
    """Whom we watch over: look-alikes of these domains and names are signs of fraud."""

    domains: tuple[str, ...] = ()  #: ours and our partners', ASCII, lower case
    own_domains: tuple[str, ...] = ()  #: of those, the ones we receive mail for
    names: tuple[tuple[str, str], ...] = ()  #: (display name, its one true address or "")


@dataclass(frozen=True, slots=True)
class DataFacts:
    """The facts of one mail; the same for every recipient."""

    envelope: Envelope
    message: Message
    auth: AuthResults
    view: MailView
    content: ContentFacts
    history: SenderHistory
    protected: Protected
    sending: Sending | None = None  #: of our own people's outgoing mail: how they have been sending
