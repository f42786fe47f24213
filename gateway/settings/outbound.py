"""How mail of our own people is judged, signed and handed on."""

import re
from typing import Literal

import msgspec

from gateway.settings.patterns import BadPattern, bounded

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class Outbound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    relay: str = ""  #: "host:port" that takes mail for other domains; without it such mail is refused
    tls: str = "try"  #: to the relay: "try" (if offered, unchecked), "starttls" or "implicit" (checked), or "none"
    user: str = ""  #: login at the relay; wants "starttls" or "implicit"
    password_file: str = ""  #: file with its password
    ca_file: str = ""  #: PEM file of who may have signed the relay's certificate; empty is whom the system trusts
    relay_s: float = 120.0  #: that handing one mail to the relay may take altogether
    hide_client: bool = True  #: keep the client's name and address out of Received
    hold: float = 0.85  #: probability from which outgoing mail is held
    refuse: float = 0.995  #: and from which it is refused
    per_hour: int = 500  #: recipients an hour of one account, beyond which it is told to come later; 0 is any number
    per_day: int = 2_000  #: likewise a day
    suspend_after: int = 5  #: mails in a day held or refused as unwanted, after which an account may not send; 0 never
    return_path_days: int = 7  #: how long a signed return path takes reports (domains with return_path)


class DkimKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key that signs outgoing mail of a domain; with two keys it gets two signatures (RFC 8463 §3)."""

    selector: str  #: the DNS holds the public key at SELECTOR._domainkey.DOMAIN; `mailward dkim show` prints it
    key: str  #: PEM file with an RSA key of 2048 bits or more, or an Ed25519 key


class DlpRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What must not leave unseen; exactly one of ``find``, ``words`` and ``pattern`` says what that is."""

    name: str  #: small letters, digits and hyphens; stands in logs, traces and replies
    then: Literal["note", "hold", "refuse"]
    find: Literal["", "iban", "card", "private-key"] = ""  #: what we can tell for sure: checksums are checked
    words: tuple[str, ...] = ()  #: marks such as "confidential": whole words, however they are written
    pattern: str = ""  #: a regular expression without groups that refer back, over each line of the text
    at_least: int = 1  #: different findings in one mail, below which nothing is done
    internal: bool = False  #: also for mail that nobody outside of our domains gets


def check_outbound(outbound: Outbound, dlp: tuple[DlpRule, ...]) -> None:
    """Raises ValueError with a sentence that names the key."""
    if outbound.tls not in {"try", "starttls", "implicit", "none"}:
        raise ValueError('outbound.tls: write "try", "starttls", "implicit" or "none"')
    if bool(outbound.user) != bool(outbound.password_file):
        raise ValueError("outbound: user and password_file belong together; one of them is missing")
    if outbound.user and outbound.tls not in {"starttls", "implicit"}:
        raise ValueError('outbound.user: a password goes only over checked TLS; set outbound.tls to "starttls"')
    if not 0 < outbound.hold <= outbound.refuse <= 1:
        raise ValueError("outbound: hold and refuse must be probabilities in rising order")
    if not 0 < outbound.relay_s <= 500:
        raise ValueError("outbound.relay_s: seconds, at most 500; people's mail programs wait for it")
    if min(outbound.per_hour, outbound.per_day, outbound.suspend_after) < 0:
        raise ValueError("outbound.per_hour, per_day and suspend_after: numbers, or 0 for no limit")
    if not 1 <= outbound.return_path_days <= 90:
        raise ValueError("outbound.return_path_days: from 1 to 90")
    names = [rule.name for rule in dlp]
    for rule in dlp:
        if not _NAME.fullmatch(rule.name) or names.count(rule.name) > 1:
            raise ValueError(f"dlp: {rule.name!r}: a name of its own, of small letters, digits and hyphens")
        if sum(map(bool, (rule.find, rule.words, rule.pattern))) != 1:
            raise ValueError(f"dlp: {rule.name}: write one of find, words and pattern")
        if rule.at_least < 1 or len(rule.words) > 100 or any(not 2 <= len(word) <= 100 for word in rule.words):
            raise ValueError(f"dlp: {rule.name}: at_least is 1 or more, and words have 2 to 100 characters")
        try:
            bounded(rule.pattern or "x")
        except BadPattern as error:
            raise ValueError(f"dlp: {rule.name}: the pattern {error}") from error
