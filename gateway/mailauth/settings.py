"""How far authentication goes for one mail."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """Limits and choices. Times in seconds."""

    authserv_id: str = "localhost"  #: our name in Authentication-Results (RFC 8601 §2.5)
    deadline_s: float = 20.0  #: for everything together
    spf_s: float = 12.0  #: RFC 7208 §4.6.4 asks for at least 20 s; a sender's slow DNS is not worth that to us
    dkim_s: float = 12.0
    arc_s: float = 12.0
    iprev_s: float = 6.0
    dmarc_s: float = 8.0
    max_queries: int = 120  #: DNS questions for one mail
    max_signatures: int = 10  #: DKIM signatures that are verified, from the top; the rest is ignored (RFC 6376 §6.1)
    max_arc_sets: int = 50  #: RFC 8617 §4.2.1; a longer chain fails
    min_rsa_bits: int = 1024  #: below it a signature does not count (RFC 8301 §3.2)
    good_rsa_bits: int = 2048  #: below it the key is noted as weak
    clock_skew_s: int = 300
    trusted_sealers: frozenset[str] = frozenset()  #: domains whose ARC seals we believe
    suffix_fallback: bool = True  #: public-suffix list where the tree walk finds no record (RFC 7489 §3.2)
