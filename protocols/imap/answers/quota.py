"""GETQUOTA and GETQUOTAROOT: one root, "", for the whole account. RFC 9208."""

from protocols.imap import utf7
from protocols.imap.answers.folders import find
from protocols.imap.commands.account import GetQuota, GetQuotaRoot
from protocols.imap.refusal import Refused
from protocols.imap.session import Authenticated, Done, Selected, Session
from store.changes.engine import StoreView
from store.mail import quota

_STORAGE_UNIT = 1024  # RFC 9208 §5.1


async def get_quota(session: Session, state: Authenticated | Selected, command: GetQuota) -> Done:
    if command.root:
        raise Refused("no such quota root", b"NONEXISTENT")
    standing = await session.store.read(lambda view: quota.standing(view.kv, view.account(state.account.id)))
    session.write(_shown(standing))
    return Done()


async def get_quota_root(session: Session, state: Authenticated | Selected, command: GetQuotaRoot) -> Done:
    def body(view: StoreView) -> quota.Standing:
        account = view.account(state.account.id)
        find(account, command.mailbox)
        return quota.standing(view.kv, account)

    standing = await session.store.read(body)
    session.write(b'* QUOTAROOT %b ""\r\n' % utf7.quoted(command.mailbox))
    session.write(_shown(standing))
    return Done()


def _shown(standing: quota.Standing) -> bytes:
    """Only what is limited is told; storage is in units of 1,024 octets, what is used rounded up."""
    resources: list[bytes] = []
    if standing.most_octets:
        used, most = -(-standing.octets // _STORAGE_UNIT), standing.most_octets // _STORAGE_UNIT
        resources.append(b"STORAGE %d %d" % (used, most))
    if standing.most_mails:
        resources.append(b"MESSAGE %d %d" % (standing.mails, standing.most_mails))
    return b'* QUOTA "" (%b)\r\n' % b" ".join(resources)
