"""How policy is written in the configuration: rules with their tests, and thresholds for some recipients."""

from typing import Literal

import msgspec

Names = tuple[str, ...] | str  #: one, or a list that means any of them
Then = Literal["deliver", "junk", "hold", "defer", "refuse"]


class When(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """What must hold, all of it. A list means any of its members; names and texts are globs (``*`` and ``?``)."""

    from_: Names = ()  #: the author's address (the first in From)
    from_domain: Names = ()  #: its domain
    to: Names = ()  #: the recipient that the envelope names
    helo: Names = ()  #: the client's name for itself, which it can choose
    ip: Names = ()  #: networks or addresses of the client
    subject: Names = ()  #: the whole subject
    attachment: Names = ()  #: a file name, also inside of archives
    url_host: Names = ()  #: a host that is linked to
    header: dict[str, Names] = {}  #: name = glob over the whole of a header field
    signals: Names = ()  #: any of these signals was seen
    all_signals: Names = ()  #: all of these
    without: Names = ()  #: none of these
    category: Names = ()  #: what the evidence says the mail is
    probability_above: float | None = None  #: of being unwanted
    probability_below: float | None = None  #: likewise
    size_over: int | None = None  #: octets of the whole mail
    authenticated: bool | None = None  #: the author proves who it is: DMARC passes, or aligned SPF or DKIM
    first_contact: bool | None = None  #: nobody by this address was seen before
    language: Names = ()  #: of the text, as far as it can be told: "en", "de", "ru", ...


class RuleTest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """A mail, in a file or told, and what the rules make of it."""

    expect: str  #: "deliver", "junk", "hold", "defer", "refuse", or "other": this rule does not decide
    mail: str = ""  #: a file, relative to the configuration; what is told beside it overrides what is in it
    from_: str = ""  #: the author's address
    to: str = ""  #: the recipient
    helo: str = ""
    ip: str = "192.0.2.1"
    subject: str = ""
    attachments: tuple[str, ...] = ()
    url_hosts: tuple[str, ...] = ()
    header: dict[str, str] = {}
    signals: tuple[str, ...] = ()  #: seen, beside those of the mail
    probability: float | None = None  #: of being unwanted; without it the signals' weights are summed
    category: str = ""
    size: int = 0
    authenticated: bool = False
    first_contact: bool = False
    language: str = ""


class RuleSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"for_": "for"}):
    """One rule: when this holds, then do that, because."""

    name: str  #: small letters, digits and hyphens; stands in headers, logs and traces
    when: When
    then: Then
    because: str  #: a sentence, shown as the reason
    for_: Names = ()  #: recipients, "@domain" or "group:name"; empty is everybody
    shadow: bool = False  #: only counted and shown
    test: tuple[RuleTest, ...] = ()


class RecipientSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Thresholds of one recipient; what is not set is the group's, the domain's, or everybody's."""

    junk: float | None = None  #: as in [verdict]
    hold: float | None = None  #: likewise
    refuse: float | None = None  #: likewise


class GroupSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Recipients that rules name together as "group:name", and who may have thresholds of their own."""

    members: tuple[str, ...]  #: addresses, or "@domain"
    junk: float | None = None  #: as in [verdict]
    hold: float | None = None  #: likewise
    refuse: float | None = None  #: likewise
