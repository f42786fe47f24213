"""APPEND. RFC 3501 §6.3.11, RFC 4315 §3 (APPENDUID)."""

import asyncio

from gateway.reputation.relations import record_sent
from protocols.imap.answers.folders import find
from protocols.imap.commands.messages import Append
from protocols.imap.refusal import Refused
from protocols.imap.session import Authenticated, Done, Selected, Session
from store.changes.engine import StoreTxn
from store.mail import emails
from store.mail.emails import NewEmail
from store.mail.parsing import Digest, digest_octets

THREAD_OCTETS = 64 * 1024  #: larger mails are read in a thread


async def append(session: Session, state: Authenticated | Selected, command: Append) -> Done:
    """Durable when it answers: octets, row, UID and change land in one transaction."""
    if not command.octets:
        raise Refused("a mail of no octets", b"CANNOT")
    account_id = state.account.id
    await session.store.read(lambda snapshot: find(snapshot.account(account_id), command.name, b"TRYCREATE"))
    digest = await digest_of(command.octets)
    staged = await session.store.blobs.stage(command.octets)
    received_ms = session.services.now_ms() if command.received_ms is None else command.received_ms
    new = NewEmail(staged.id, digest, received_ms, command.keywords)

    def body(txn: StoreTxn) -> tuple[int, int]:
        account = txn.account(account_id)
        mailbox = find(account, command.name, b"TRYCREATE")
        txn.keep(staged)
        _, made = emails.add(account, new, [mailbox.id])
        if mailbox.role == "sent":
            record_sent(txn, account_id, digest, session.services.now_ms())
        return mailbox.uid_validity, made.placements[mailbox.id]

    uid_validity, uid = await session.store.write(body)
    return Done(code=b"APPENDUID %d %d" % (uid_validity, uid))


async def digest_of(octets: bytes) -> Digest:
    """Read a mail, beside the loop when that takes long."""
    if len(octets) > THREAD_OCTETS:
        return await asyncio.to_thread(digest_octets, octets)
    return digest_octets(octets)
