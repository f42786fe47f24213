"""Mails of a mailbox on an IMAP server, read without a trace: EXAMINE and BODY.PEEK set no flag. RFC 9051."""

import base64
import imaplib
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

from training.corpus.readers import MAIL_OCTETS, UnreadableCorpus
from training.corpus.sample import Label, Mail

MAILS = 20_000  #: read of one mailbox, the newest
SECONDS = 60.0  #: for one answer of the server
_SIZES_AT_ONCE, _MAILS_AT_ONCE = 500, 20
_UID = re.compile(rb"\bUID (\d+)")
_SIZE = re.compile(rb"\bRFC822\.SIZE (\d+)")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class ImapAccount:
    """Where to sign in. Always TLS, except to this machine when ``tls`` is off."""

    host: str
    user: str
    password: str
    port: int = 993
    tls: bool = True
    trust: ssl.SSLContext | None = None  #: None = the system's certificate authorities


def read_imap(account: ImapAccount, mailbox: str, label: Label, most: int = MAILS) -> Iterator[Mail]:
    """The newest mails of a mailbox, oldest first. Raises UnreadableCorpus."""
    try:
        with _connect(account) as server:
            server.login(account.user, account.password)
            answer, count = server.select(_quoted(mailbox), readonly=True)
            if answer != "OK":
                raise UnreadableCorpus(f"{account.host} has no mailbox {mailbox!r} that {account.user} may read")
            total = int(count[0] or b"0")
            if not total:
                raise UnreadableCorpus(f"the mailbox {mailbox!r} at {account.host} holds no mail")
            for uids in _batches(server, max(1, total - most + 1), total):
                for octets in _fetch(server, uids):
                    yield Mail(octets, label, f"imap:{mailbox}")
    except imaplib.IMAP4.error as error:
        raise UnreadableCorpus(f"{account.host} refused: {error}") from error
    except (OSError, ValueError) as error:
        raise UnreadableCorpus(f"{account.host}:{account.port}: {error}") from error


def _connect(account: ImapAccount) -> imaplib.IMAP4:
    if account.tls:
        trust = account.trust or ssl.create_default_context()
        return imaplib.IMAP4_SSL(account.host, account.port, ssl_context=trust, timeout=SECONDS)
    if account.host not in _LOOPBACK:
        raise UnreadableCorpus(f"a password is not sent to {account.host} without TLS: use imaps")
    return imaplib.IMAP4(account.host, account.port, timeout=SECONDS)


def _batches(server: imaplib.IMAP4, first: int, last: int) -> Iterator[list[bytes]]:
    """UIDs of mails that are not too large, few at a time."""
    for start in range(first, last + 1, _SIZES_AT_ONCE):
        _, lines = server.fetch(f"{start}:{min(last, start + _SIZES_AT_ONCE - 1)}", "(UID RFC822.SIZE)")
        uids = []
        for line in lines:
            facts = line[0] if isinstance(line, tuple) else line or b""
            uid, size = _UID.search(facts), _SIZE.search(facts)
            if uid and size and int(size[1]) <= MAIL_OCTETS:
                uids.append(uid[1])
        for at in range(0, len(uids), _MAILS_AT_ONCE):
            yield uids[at : at + _MAILS_AT_ONCE]


def _fetch(server: imaplib.IMAP4, uids: list[bytes]) -> Iterator[bytes]:
    _, lines = server.uid("FETCH", b",".join(uids).decode(), "(BODY.PEEK[])")
    for line in lines:
        if isinstance(line, tuple) and line[1]:
            yield line[1]


def _quoted(mailbox: str) -> str:
    """A mailbox name as RFC 3501 writes it: modified UTF-7 in quotes."""
    pieces = re.split(r"([^\x20-\x7e]+)", mailbox.replace("&", "&-"))
    for at in range(1, len(pieces), 2):
        coded = base64.b64encode(pieces[at].encode("utf-16-be")).rstrip(b"=").replace(b"/", b",")
        pieces[at] = f"&{coded.decode()}-"
    return '"' + "".join(pieces).replace("\\", "\\\\").replace('"', '\\"') + '"'
