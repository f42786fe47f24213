"""Who is at the other end: read from the socket, or from what a trusted proxy says."""

from dataclasses import replace
from ipaddress import ip_address

from gateway.envelope import Peer

UNKNOWN = frozenset({"[UNAVAILABLE]", "[TEMPUNAVAIL]"})  #: XCLIENT's words for a value it does not have


def parse_xclient(arg: str) -> Peer:
    """The client a proxy tells of. Raises ValueError."""
    words = (word.partition("=") for word in arg.split()[:10])
    attributes = {name.upper(): "" if value in UNKNOWN else value for name, _, value in words}
    address = attributes.get("ADDR", "")
    if address[:5].upper() == "IPV6:":
        address = address[5:]
    port = int(attributes.get("PORT", "") or 0)
    if not 0 <= port <= 65_535:
        raise ValueError(port)
    return replace(peer_of(address, port), helo=legible(attributes.get("HELO", "")))


def legible(name: str) -> str:
    """A client's name for itself as text that can be kept and shown, whatever octets it sent."""
    return "".join(c if c.isprintable() else "?" for c in name[:255])


def peer_of(address: str, port: int) -> Peer:
    ip = ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    return Peer(mapped or ip, port, "")
