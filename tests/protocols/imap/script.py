"""Runs a dialogue written as lines. ``C: `` is sent, ``S: `` is expected; ``C bob: `` and ``S bob: `` name a client.

``<*>`` in an expected line stands for anything. ``S*: `` skips lines until one fits. ``<<name>>`` at the end of
a sent line is a mail of ``MAILS`` as a literal. ``D: name`` delivers one to INBOX. ``close`` after S expects the end.
"""

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

from tests.protocols.imap.house import House

WAIT_S = 10.0
_LINE = re.compile(r"(?P<who>[CS])(?P<skip>\*)?(?: (?P<name>\w+))?: ?(?P<text>.*)")

PLAIN = (
    b"From: Bob Builder <bob@example.test>\r\nTo: alice@example.test\r\nSubject: Plans\r\n"
    b"Date: Mon, 2 Feb 2026 10:00:00 +0100\r\nMessage-ID: <plans@example.test>\r\n\r\nCan we fix it?\r\n"
)
UMLAUT = (
    b"From: =?utf-8?q?J=C3=BCrgen?= <juergen@example.test>\r\nTo: Alice <alice@example.test>\r\n"
    b"Cc: carol@example.test\r\nSubject: =?utf-8?b?R3LDvMOfZQ==?=\r\nDate: Sun, 1 Feb 2026 10:00:00 +0000\r\n"
    b"X-Colour: green\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\nU2Now7ZuZSBHcsO8w59lIQ==\r\n"
)
NESTED = (
    b"From: a@example.test\r\nSubject: outer\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\nfirst\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
    b"From: inner@example.test\r\nSubject: inner\r\n\r\nhidden words\r\n--b--\r\n"
)
MAILS = {"plain": PLAIN, "umlaut": UMLAUT, "nested": NESTED}


@dataclass(slots=True)
class Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def line(self) -> str:
        async with asyncio.timeout(WAIT_S):
            octets = await self.reader.readline()
        return octets.decode("utf-8", "replace").removesuffix("\r\n") if octets else "close"


def _fits(pattern: str, line: str) -> bool:
    return re.fullmatch(".*".join(re.escape(piece) for piece in pattern.split("<*>")), line) is not None


def _sent(text: str) -> bytes:
    match = re.fullmatch(r"(.*)<<(\w+)>>", text)
    if match is None:
        return text.encode() + b"\r\n"
    mail = MAILS[match[2]]
    return match[1].encode() + b"{%d+}\r\n" % len(mail) + mail + b"\r\n"


async def run_script(path: Path, house: House) -> None:
    """Play a script; the first line that differs fails with its number."""
    clients: dict[str, Client] = {}
    try:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            if line.startswith("D: "):
                await house.deliver(MAILS[line[3:]])
                continue
            match = _LINE.fullmatch(line)
            assert match is not None, f"{path.name}:{number}: not a script line"
            name = match["name"] or ""
            if name not in clients:
                clients[name] = Client(*await asyncio.open_connection("127.0.0.1", house.port))
            if match["who"] == "C":
                clients[name].writer.write(_sent(match["text"]))
            else:
                await _expect(clients[name], match["text"], f"{path.name}:{number}", bool(match["skip"]))
    finally:
        for client in clients.values():
            client.writer.close()


async def _expect(client: Client, pattern: str, where: str, skips: bool) -> None:
    seen: list[str] = []
    while True:
        seen.append(await client.line())
        if _fits(pattern, seen[-1]):
            return
        if not skips or seen[-1] == "close":
            raise AssertionError(f"{where}: expected {pattern!r}, got {seen!r}")
