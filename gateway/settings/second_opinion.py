"""Settings of the second opinion: an endpoint that reads doubtful mail, and what it may cost."""

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

import msgspec


class SecondOpinion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A language model elsewhere that may raise suspicion about doubtful mail; without url none is asked."""

    url: str = (
        ""  #: of the chat completions: "https://host/v1/chat/completions"; http only to this or a private network
    )
    model: str = ""  #: its name there
    key_file: str = ""  #: file with the key that is sent as bearer token; empty sends none
    timeout_s: float = 6.0  #: for one mail, everything included; beyond it the verdict stands as it is
    band: tuple[float, float] = (0.30, 0.85)  #: probabilities between which a mail is shown to it
    characters: int = 4_000  #: of the text that are sent, its start and its end
    mask: bool = True  #: local parts of addresses and digits of longer numbers are blanked before
    at_once: int = 2  #: mails of one worker being read there; further ones are not sent
    tokens_per_day: int = 200_000  #: of all workers together, in and out; 0 is without a limit
    price_per_million: float = 0.0  #: tokens, in your currency, for cost_per_day
    cost_per_day: float = 0.0  #: in the same currency; 0 is without a limit


class BadEndpoint(ValueError):
    """The address cannot be asked. The message says what to write."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where chat completions are asked for."""

    host: str
    port: int
    target: str  #: path and query
    is_tls: bool
    authority: str  #: as the Host field has it


def endpoint_of(url: str) -> Endpoint:
    """Raises BadEndpoint."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise BadEndpoint(f"{url!r} is no address of a chat endpoint ({error})") from error
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.fragment or not url.isprintable():
        raise BadEndpoint(f"{url!r}: write https://host/v1/chat/completions")
    if parts.scheme == "http" and not _is_near(host):
        raise BadEndpoint(f"{url!r}: plain http is only for an address of this machine or a private network; use https")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if " " in target or not target.isascii():
        raise BadEndpoint(f"{url!r}: blanks and letters beyond ASCII must be percent-encoded")
    is_tls = parts.scheme == "https"
    authority = parts.netloc.rpartition("@")[2]
    return Endpoint(host, port or (443 if is_tls else 80), target, is_tls, authority)


def _is_near(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return (address.is_private or address.is_loopback) and not (address.is_link_local or address.is_unspecified)


def check_second_opinion(settings: SecondOpinion) -> None:
    """Raises ValueError, whose message says what to write."""
    if not settings.url:
        return
    try:
        endpoint_of(settings.url)
    except BadEndpoint as error:
        raise ValueError(f"second_opinion.url: {error}") from error
    if not settings.model:
        raise ValueError("second_opinion.model: the name of the model that the endpoint is to ask")
    if not 0 <= settings.band[0] < settings.band[1] <= 1:
        raise ValueError("second_opinion.band: two probabilities in rising order")
    if not (0 < settings.timeout_s <= 60 and settings.at_once > 0 and 200 <= settings.characters <= 20_000):
        raise ValueError("second_opinion: timeout_s up to 60, at_once above 0, characters from 200 to 20000")
    if min(settings.tokens_per_day, settings.price_per_million, settings.cost_per_day) < 0:
        raise ValueError("second_opinion: tokens_per_day, price_per_million and cost_per_day: 0 or more")
    if settings.cost_per_day and not settings.price_per_million:
        raise ValueError("second_opinion.cost_per_day needs price_per_million, or nothing can be counted")
