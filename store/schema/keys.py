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
n      n address                           acct of a local address (lower case), Alias, or "g" for a group
d      d name                              Domain that the store knows
g      g address                           Group: its members, and who may send to it
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
x      x acct M digest                     by Message-ID digest (16 octets): subject digest (8) and thread id, repeated
x      x acct J digest                     by subject digest (8 octets): thread id and date of its last mail
x      x acct H kind modseq object         change log: created, updated or destroyed
x      x acct V mailbox modseq uid         "": a uid that vanished from a mailbox
x      x acct P ms blob                    an upload that no email uses yet: its size
x      x acct Q                            Usage: mails and octets, and how many there may be
x      x acct L kind                       History: how far back the change log goes, and how long it is
x      x acct L V mailbox                  History of the vanished uids of a mailbox
x      x acct L M                          Sweep: up to where Message-IDs of dead threads were collected
x      x acct K E email                    Email that was destroyed but is kept back (store/mail/kept)
x      x acct K S email                    Kept: its keywords and mailboxes, when, by whom, why
x      x acct K M mailbox day              uidnext of the mailbox on that day: what came before it is older
A      A acct                              "": the account has mail that its search index does not know yet
x      x acct A                            IndexState: what a search index is made of (store/search)
x      x acct A X email                    "": an email that was destroyed, until the index forgets it
x      x acct W segment T term             search index: a block of the dictionary (store/search/segment)
x      x acct W segment file chunk         search index: postings of these terms; files D, F, P
x      x acct O segment email              search index: what up to 512 emails are sorted by (store/search/columns)
q      q H id                              Held: quarantined mail by reception id
q      q O doubt id                        "": what is still held, most doubtful first
q      q E ms id                           "": when a held copy of the mail expires
q      q R address 00 id                   "": held and settled mail by recipient
q      q A acct id                         "": held and settled mail by the recipient's account
q      q K id                              "": settled, but its octets are kept back
t      t id                                Trace: one row a mail judged, ids sort by time
u      u seq                               audit entry, each sealing the one before
u      u ff ms pid count random            audit entry that waits to be sealed
j      j B id                              Job
j      j R kind 00 ms id                   "": when a job is due (or its lease ends)
j      j D id                              Job that was given up
r      r c kind name                       Standing of an address, domain, network or signer; ends by itself
r      r w digest                          who was written to, by digest of the Message-ID; ends by itself
r      r kind ...                          rate limits, greylisting, people's moves of a day; they end by themselves
k      k i id 00 person                    Label: what a person or a trap said about a mail (person: digest, 8 octets)
k      k s seq                             id 00 person: labels in the order they were made
k      k o scope seq                       id 00 person: what counts for a person, a domain, everybody (store/labels)
k      k b scope digest id 00 person       "": near copies share digests
k      k v scope, k n scope                counter: how often a label came or went; how many there are
f      f digest                            fingerprint of a campaign seen by a trap
s      s token                             console session
p      p kind subject [00 scope]           policy entries made by people (block, allow)
c      c digest                            counter: mails that a policy entry or a rule of the configuration decided
y      y t name                            Trap: a spam trap that people made beside the configuration
y      y h name, y l name                  counter of the mails to a trap; ms of the last one
v      v day kind signal                   counter: mails of a day (0: altogether) that showed a signal; kind 1 unwanted
h      h case                              Hold: a legal hold (store/retention)
o      o name                              Rule: how long mail is kept, and when it goes
z      z m id, z u                         Shelved: a model; InUse: which one judges, which one is on trial
z      z c id 00 was 00 would              counter: mails by what was done and what the model on trial would have done
z      z d id 00 reception                 Difference: one of those; ends by itself
e      e ms key                            "": when the row under the key ends (store/schema/expiring)
i      i A address                         pseudonym of a person in the audit trail (16 octets)
i      i P pseudonym                       the address, as long as it may be told
=====  ==================================  =======================================================
"""

import struct

from store.blob.contract import BlobId

_U32 = struct.Struct(">I")
_U64 = struct.Struct(">Q")

EXPIRY = b"e"
META = b"m"
LINK = b"l"
ACCOUNT = b"a"
ADDRESS = b"n"
DOMAIN = b"d"
GROUP = b"g"
SCOPE = b"x"
TO_INDEX = b"A"
HELD = b"qH"
HELD_ORDER = b"qO"
TRACE = b"t"
AUDIT = b"u"
AUDIT_WAITING = b"u\xff"
JOB = b"jB"
JOB_DUE = b"jR"
JOB_DEAD = b"jD"
REPUTATION = b"r"
LABEL = b"k"
FINGERPRINT = b"f"
SESSION = b"s"
POLICY = b"p"
TRAP = b"y"
POLICY_HITS = b"c"
SIGHTINGS = b"v"
HELD_EXPIRY = b"qE"
HELD_RECIPIENT = b"qR"
HELD_KEPT = b"qK"
HELD_ACCOUNT = b"qA"
HOLD = b"h"
RULE = b"o"
PSEUDONYM = b"iA"
PERSON = b"iP"
MODEL = b"z"


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


def domain(name: str) -> bytes:
    return DOMAIN + name.lower().encode()


def group(email: str) -> bytes:
    return GROUP + email.lower().encode()


def scope(number: int) -> bytes:
    """Prefix of everything that belongs to one account."""
    return SCOPE + u32(number)


def link(blob: BlobId, owner: bytes) -> bytes:
    return LINK + blob + owner


def meta(name: str) -> bytes:
    return META + name.encode()


def expiry(ms: int, key: bytes) -> bytes:
    return EXPIRY + u64(ms) + key


def job(job_id: str) -> bytes:
    return JOB + job_id.encode()


def job_due(kind: str, ms: int, job_id: str) -> bytes:
    return jobs_due(kind) + u64(ms) + job_id.encode()


def jobs_due(kind: str) -> bytes:
    """Prefix of the order in which jobs of one kind come up: kinds do not wait for each other."""
    return JOB_DUE + kind.encode() + b"\x00"


# Below: keys inside an account's scope, without the scope prefix.
MODSEQ = b"N"
LAST_ID = b"I"
USAGE = b"Q"
SWEEP = b"LM"


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


def subject(digest: bytes) -> bytes:
    return b"J" + digest


def history(kind: int) -> bytes:
    return b"L" + bytes([kind])


def vanished_history(mailbox_id: int) -> bytes:
    return b"LV" + u32(mailbox_id)


def change(kind: int, modseq: int, object_id: int) -> bytes:
    return b"H" + bytes([kind]) + u64(modseq) + u64(object_id)


def upload(ms: int, blob: BlobId) -> bytes:
    return b"P" + u64(ms) + blob


def vanished(mailbox_id: int, modseq: int, number: int) -> bytes:
    return b"V" + u32(mailbox_id) + u64(modseq) + u32(number)


def kept_email(number: int) -> bytes:
    return b"KE" + u64(number)


def kept_state(number: int) -> bytes:
    return b"KS" + u64(number)


def mark(mailbox_id: int, day: int) -> bytes:
    return b"KM" + u32(mailbox_id) + u32(day)


SEARCH_STATE = b"A"


def to_index(account: int) -> bytes:
    return TO_INDEX + u32(account)


def gone(email: int) -> bytes:
    return b"AX" + u64(email)


def dictionary(segment: int, term: bytes) -> bytes:
    return b"W" + u32(segment) + b"T" + term


def postings(segment: int, file: bytes, chunk: int) -> bytes:
    return b"W" + u32(segment) + file + u32(chunk)


def postings_of(segment: int) -> bytes:
    """Prefix of the dictionary and the postings of a segment."""
    return b"W" + u32(segment)


def columns(segment: int, email: int) -> bytes:
    return b"O" + u32(segment) + u64(email)


def columns_of(segment: int) -> bytes:
    return b"O" + u32(segment)
