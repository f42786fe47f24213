"""DKIM keys, fetched before anything is verified, so that verification needs no network. RFC 6376 §3.6."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.dns.resolver import Resolver
from gateway.mailauth.words import read_tags

_MAX_RECORD = 8_192  #: octets; a 16,384-bit RSA key needs 2,800

KeyName = tuple[str, str]  #: (selector, domain), lower case


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What the DNS holds for a selector."""

    text: bytes = b""  #: b"" when there is no key
    is_unknown: bool = False  #: the DNS could not tell


def key_name(tags: Mapping[str, str]) -> KeyName | None:
    """Which key a signature names, None when it names none."""
    selector, domain = tags.get("s", "").lower(), tags.get("d", "").lower()
    return (selector, domain) if selector and domain else None


async def fetch_keys(names: Iterable[KeyName], resolver: Resolver) -> dict[KeyName, KeyRecord]:
    """All keys together, each asked for once."""
    wanted = list(dict.fromkeys(names))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_fetch(selector, domain, resolver)) for selector, domain in wanted]
    return dict(zip(wanted, (task.result() for task in tasks), strict=True))


async def _fetch(selector: str, domain: str, resolver: Resolver) -> KeyRecord:
    answer = await resolver.query(f"{selector}._domainkey.{domain}", "TXT")
    if answer.is_temporary:
        return KeyRecord(is_unknown=True)
    # RFC 6376 §3.6.2.2: several records are undefined; the first that holds a key is as good as any
    usable = (text for text in answer.txt() if len(text) <= _MAX_RECORD and "p" in read_tags(text))
    return KeyRecord(next(usable, b""))
