"""The keys of the store, drawn once. Nothing else builds a key.

All integers are big-endian, so byte order is number order. ``acct`` is 4 octets, ``mailbox`` 4, ``email``
and ``thread`` 8, ``uid`` 4, ``modseq`` 8, ``ms`` (milliseconds since 1970) 8.

=====  ==================================  =======================================================
space  key                                 value
=====  ==================================  =======================================================
m      m name                              meta: schema version, account counter, secrets
b      b blob 00 | b blob 01 index         blob meta row and chunks (store/blob)
l      l blob owner                        "": a link; a blob without links may be collected
a      a acct                              Account
n      n address                           acct of a local address (lower case)
x      x acct N                            counter: highest modseq of the account
x      x acct I                            counter: last object id given out
x      x acct B mailbox                    Mailbox
x      x acct C mailbox                    MailboxCounts (moves with every delivery)
x      x acct E email                      Email: what never changes
x      x acct S email                      EmailState: keywords, placements, modseq
x      x acct U mailbox uid                email id
x      x acct D mailbox ms email           "": placements by date received
x      x acct T thread email               ""
x      x acct Y mailbox thread             emails of the thread in the mailbox (total, unread)
x      x acct M digest                     thread id by Message-ID digest (16 octets)
x      x acct H kind modseq object         change log: created, updated or destroyed
x      x acct V mailbox modseq uid         "": a uid that vanished from a mailbox
x      x acct P ms blob                    an upload that no email uses yet: its size
q      q H id                              Held: quarantined mail by reception id
q      q O doubt id                        "": what is still held, most doubtful first
t      t id                                Trace: one row a mail judged, ids sort by time
u      u seq                               audit entry, each sealing the one before
j      j B id                              Job
j      j R ms id                           "": when a job is due (or its lease ends)
j      j D id                              Job that was given up
r      r kind name                         reputation counters
k      k id                                Label: what a person or a trap said about a mail
f      f digest                            fingerprint of a campaign seen by a trap
s      s token                             console session
p      p kind ...                          policy entries made by people (block, allow)
=====  ==================================  =======================================================
"""

import struct

from store.blob.contract import BlobId

_U32 = struct.Struct(">I")
_U64 = struct.Struct(">Q")

META = b"m"
LINK = b"l"
ACCOUNT = b"a"
ADDRESS = b"n"
SCOPE = b"x"
HELD = b"qH"
HELD_ORDER = b"qO"
TRACE = b"t"
AUDIT = b"u"
JOB = b"jB"
JOB_DUE = b"jR"
JOB_DEAD = b"jD"
REPUTATION = b"r"
LABEL = b"k"
FINGERPRINT = b"f"
SESSION = b"s"
POLICY = b"p"


def u32(number: int) -> bytes:
    return _U32.pack(number)


def u64(number: int) -> bytes:
    return _U64.pack(number)


def read_u32(octets: bytes) -> int:
    return int(_U32.unpack(octets)[0])


def read_u64(octets: bytes) -> int:
    return int(_U64.unpack(octets)[0])


def prefix_end(prefix: bytes) -> bytes:
    """The first key after every key that starts with ``prefix`` (which must not be all 0xff)."""
    trimmed = prefix.rstrip(b"\xff")
    return trimmed[:-1] + bytes([trimmed[-1] + 1])


def account(number: int) -> bytes:
    return ACCOUNT + u32(number)


def address(email: str) -> bytes:
    return ADDRESS + email.lower().encode()


def scope(number: int) -> bytes:
    """Prefix of everything that belongs to one account."""
    return SCOPE + u32(number)


def link(blob: BlobId, owner: bytes) -> bytes:
    return LINK + blob + owner


def meta(name: str) -> bytes:
    return META + name.encode()


# Below: keys inside an account's scope, without the scope prefix.
MODSEQ = b"N"
LAST_ID = b"I"


def mailbox(number: int) -> bytes:
    return b"B" + u32(number)


def counts(number: int) -> bytes:
    return b"C" + u32(number)


def email(number: int) -> bytes:
    return b"E" + u64(number)


def state(number: int) -> bytes:
    return b"S" + u64(number)


def uid(mailbox_id: int, number: int) -> bytes:
    return b"U" + u32(mailbox_id) + u32(number)


def dated(mailbox_id: int, ms: int, email_id: int) -> bytes:
    return b"D" + u32(mailbox_id) + u64(ms) + u64(email_id)


def thread_member(thread_id: int, email_id: int) -> bytes:
    return b"T" + u64(thread_id) + u64(email_id)


def mailbox_thread(mailbox_id: int, thread_id: int) -> bytes:
    return b"Y" + u32(mailbox_id) + u64(thread_id)


def message_id(digest: bytes) -> bytes:
    return b"M" + digest


def change(kind: int, modseq: int, object_id: int) -> bytes:
    return b"H" + bytes([kind]) + u64(modseq) + u64(object_id)


def upload(ms: int, blob: BlobId) -> bytes:
    return b"P" + u64(ms) + blob


def vanished(mailbox_id: int, modseq: int, number: int) -> bytes:
    return b"V" + u32(mailbox_id) + u64(modseq) + u32(number)
