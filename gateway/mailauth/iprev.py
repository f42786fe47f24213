"""Does the client's address have a name that leads back to the address? RFC 8601 §2.7.3."""

import asyncio
from ipaddress import IPv4Address, IPv6Address, ip_address

from gateway.dns.resolver import Resolver
from gateway.mailauth.results import IprevResult
from gateway.mailauth.words import printable

_MAX_NAMES = 5  #: PTR records that are followed


async def check_iprev(ip: IPv4Address | IPv6Address, resolver: Resolver) -> IprevResult:
    """Look the address up and back. ``permerror`` says that it has no name at all."""
    pointers = await resolver.query(ip.reverse_pointer, "PTR")
    if pointers.is_temporary:
        return IprevResult("temperror", reason="the name could not be looked up")
    names = pointers.hosts()[:_MAX_NAMES]
    if not names:
        return IprevResult("permerror", reason="the address has no name")
    kind = "AAAA" if ip.version == 6 else "A"
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(resolver.query(name, kind)) for name in names]
    answers = [task.result() for task in tasks]
    for name, answer in zip(names, answers, strict=True):
        if any(_same(text, ip) for text in answer.hosts()):
            return IprevResult("pass", printable(name, 255))
    if any(answer.is_temporary for answer in answers):
        return IprevResult("temperror", printable(names[0], 255), "the name's address could not be looked up")
    return IprevResult("fail", printable(names[0], 255), "the name does not lead back to the address")


def _same(text: str, ip: IPv4Address | IPv6Address) -> bool:
    try:
        return ip_address(text) == ip
    except ValueError:
        return False
