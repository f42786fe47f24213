"""Limits of the HTTP server. Every wait has an end and every buffer a size."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HttpSettings:
    connections: int = 1_000  #: open at once in one worker; more are answered 503
    header_s: float = 15.0  #: from the first octet expected to the end of the request's header
    keep_alive_s: int = 75  #: an idle connection is closed after this
    body_s: float = 30.0  #: longest silence while a request's body is read
    send_s: float = 60.0  #: longest wait for a client that does not read
    request_s: float = 120.0  #: from the header to the first octet of the response
    body_octets: int = 50_000_000  #: of any request; routes have smaller limits of their own
    hsts_s: int = 31_536_000  #: Strict-Transport-Security over TLS; 0 leaves it out
