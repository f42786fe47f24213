"""How the gateway asks the DNS: servers, patience, memory."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UpstreamSettings:
    """Patience with recursive servers."""

    try_s: float = 2.0  #: for one question to one server
    rounds: int = 2  #: times that every server is asked before giving up
    total_s: float = 8.0  #: for one question, whatever happens
    payload_octets: int = 1232  #: largest UDP answer that is asked for (RFC 9715 §3)


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """What is remembered, and how long."""

    entries: int = 20_000
    min_ttl_s: int = 5
    max_ttl_s: int = 86_400
    min_negative_ttl_s: int = 15
    max_negative_ttl_s: int = 900  #: RFC 2308 §5 allows hours; a new domain's records should be seen sooner
    temporary_s: int = 10  #: RFC 9520 §3.2: 1 to 300 seconds
