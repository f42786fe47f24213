"""IDLE. RFC 2177: told by the commit, with a poll behind it."""

from protocols.imap.refusal import BadCommand
from protocols.imap.session import Authenticated, Done, Selected, Session


async def idle(session: Session, state: Authenticated | Selected) -> Done:
    """Until DONE. The subscription starts before the first look, so nothing falls between."""
    channel, settings = session.channel, session.services.settings
    channel.write(b"+ idling\r\n")
    with session.store.subscribe(state.account.id) as listener:
        line: bytes | None = None
        while line is None:
            await session.announce(may_expunge=True)
            await channel.drain()
            line = await channel.line_or_change(listener, settings.poll_s, settings.autologout_s)
    if line.upper() != b"DONE":
        raise BadCommand("DONE was expected")
    return Done()
