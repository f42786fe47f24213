"""Registrable domains by the public suffix list, loaded at first use and shared by everything in the process."""

from functools import cache, lru_cache

from publicsuffixlist import PublicSuffixList


@cache
def _rules() -> PublicSuffixList:
    return PublicSuffixList()


@lru_cache(maxsize=8_192)
def registrable(host: str) -> str:
    """The domain somebody registered: "mail.example.co.uk" gives "example.co.uk"; "" for a suffix itself.

    Expects lower case; A-labels stay as they are. What lies under a private suffix counts as its own domain
    ("someone.github.io"), because it belongs to someone else than the suffix.
    """
    found = _rules().privatesuffix(host.strip("."))
    return str(found) if found else ""


@lru_cache(maxsize=8_192)
def public_suffix(domain: str) -> str:
    """The part of a name under which strangers register: "example.co.uk" gives "co.uk"."""
    return str(_rules().publicsuffix(domain.strip(".")) or "")


def same_organisation(one: str, other: str) -> bool:
    """True when both names lie under one registrable domain."""
    return bool(one) and bool(other) and (one == other or registrable(one) == registrable(other) != "")
