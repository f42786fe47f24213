"""Registrable domains by the public suffix list, remembered: a mail names the same hosts over and over."""

from functools import lru_cache

from gateway.mailauth.psl import load_suffixes


@lru_cache(maxsize=8_192)
def registrable(host: str) -> str:
    """The domain somebody registered: "mail.example.co.uk" gives "example.co.uk"; "" for a suffix itself.

    Expects lower case; A-labels stay as they are. What lies under a private suffix counts as its own domain
    ("someone.github.io"), because it belongs to someone else than the suffix.
    """
    return load_suffixes().privatesuffix(host.strip(".")) or ""


def public_suffix(domain: str) -> str:
    """The part of a name under which strangers register: "example.co.uk" gives "co.uk"."""
    base = registrable(domain)
    return base.partition(".")[2] if base else domain


def same_organisation(one: str, other: str) -> bool:
    """True when both names lie under one registrable domain."""
    return bool(one) and bool(other) and (one == other or registrable(one) == registrable(other) != "")
