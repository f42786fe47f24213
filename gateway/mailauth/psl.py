"""Organisational domains by the public-suffix list, for where the DNS does not say. RFC 7489 §3.2.

The list is bundled and dated; it is read on first use (about 0.1 s).
"""

from functools import cache
from typing import Protocol, cast


class _SuffixList(Protocol):
    def privatesuffix(self, domain: str) -> str | None: ...


@cache
def load_suffixes() -> _SuffixList:
    from publicsuffixlist import PublicSuffixList

    return cast(_SuffixList, PublicSuffixList())


def is_loaded() -> bool:
    return load_suffixes.cache_info().currsize > 0


def registered_domain(domain: str) -> str:
    """The name one label below the public suffix; the domain itself where it is a public suffix or unknown."""
    return load_suffixes().privatesuffix(domain) or domain
