"""Limits and deadlines of the IMAP server."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImapSettings:
    """How much one client may ask for. Sizes in octets, times in seconds."""

    allow_plaintext_login: bool = False  #: for peers on the loopback interface only, as in the demo
    line_octets: int = 64 * 1024  #: of a command without its literals
    literal_octets: int = 64 * 1024  #: of all literals of one command, APPEND's mail aside
    preauth_literal_octets: int = 4 * 1024  #: the same before login
    append_octets: int = 50 * 1024 * 1024  #: of a mail given to APPEND
    preauth_s: float = 60.0  #: from the greeting to a successful login
    autologout_s: float = 1_800.0  #: without a command (RFC 3501 §5.4: at least 30 minutes)
    write_stall_s: float = 300.0  #: a client that reads nothing for this long is cut off
    poll_s: float = 30.0  #: IDLE looks for itself this often, should a hint be lost
    connections: int = 10_000
    connections_per_address: int = 50
    login_failures: int = 3  #: on one connection, before BYE
    bad_commands: int = 20  #: on one connection, before BYE
    rows_per_read: int = 500  #: emails looked at in one transaction
    search_octets: int = 64_000_000  #: of mails one SEARCH may read: those not indexed yet, and headers
    search_s: float = 20.0  #: the same in time
