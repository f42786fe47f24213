"""Limits of the edge."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """Limits of the edge; units in the names."""

    hostname: str
    message_octets: int = 50 * 1024 * 1024
    recipients: int = 100
    hops: int = 50  #: Received fields of a mail, beyond which it is going in circles
    data_octets_at_once: int = 512 * 1024 * 1024  #: of all mails being received or judged
    messages_per_connection: int = 1_000
    commands_per_connection: int = 10_000
    connections: int = 1_000
    connections_per_address: int = 20
    command_s: float = 300.0
    data_s: float = 600.0
    xclient_from: tuple[IPv4Network | IPv6Network, ...] = ()  #: proxies that may say who the client really is
