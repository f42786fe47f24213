"""A labelled mail as the models see it, and what a label can be."""

from dataclasses import dataclass
from enum import StrEnum

from models.features import Features, extract
from models.view import MailView, view_of
from store.message.mime import parse_message


class Label(StrEnum):
    """What a mail is. ``legitimate`` and ``unwanted`` are all that some sources can say."""

    HAM = "ham"
    BULK = "bulk"
    SPAM = "spam"
    PHISH = "phish"
    BEC = "bec"
    LEGITIMATE = "legitimate"  #: ham or bulk
    UNWANTED = "unwanted"  #: spam, phish or bec

    @property
    def is_unwanted(self) -> bool:
        return self in (Label.SPAM, Label.PHISH, Label.BEC, Label.UNWANTED)


@dataclass(frozen=True, slots=True)
class Mail:
    """A raw labelled mail."""

    octets: bytes
    label: Label
    source: str  #: corpus it comes from, for weights and for reports
    family: str = ""  #: mails of one family never fall on both sides of a fold; "" = on its own
    name: str = ""  #: where it lies, for people


@dataclass(frozen=True, slots=True)
class Sample:
    """A mail that was read: what the models get, and what they should say."""

    view: MailView
    features: Features
    label: Label
    source: str
    family: str
    key: str  #: of the body; equal for equal bodies
    near: str  #: equal for near copies
    name: str = ""  #: where the mail lies, for people

    @property
    def bucket(self) -> int:
        """0 to 9, from the body alone. 0 to 6 may be trained on, 7 to 9 never are."""
        return int(self.key[:8], 16) % 10


def read(mail: Mail) -> Sample:
    """Parse, view and extract: exactly what happens to a mail in service."""
    from training.corpus.split import body_key, near_key

    view = view_of(parse_message(mail.octets))
    key = body_key(view, mail.octets)
    near = near_key(view, key)
    return Sample(view, extract(view), mail.label, mail.source, mail.family or key, key, near, mail.name)
