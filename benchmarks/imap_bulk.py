"""What one IMAP command over very many mails costs, and what others wait meanwhile; one JSON object a URL.

    python -m benchmarks.imap_bulk URL... [--mails 100000]

A real IMAP server and two clients on loopback, in one process; URLs as in ``store.url``, each new and empty.
``other_ms_p99`` is the time of a NOOP of another client while the command runs, ``anonymous_mb`` the most memory
held that is not a mapped file, of everything in the process.
"""

import argparse
import asyncio
import json
import socket
import time
from pathlib import Path

from benchmarks.bulk import START_MS, fill, opened
from protocols.imap.server import ImapServer
from protocols.imap.settings import ImapSettings
from store.accounts import account as accounts
from store.accounts.login import Logins, hash_password
from store.changes.engine import AccountId, Store, StoreTxn
from store.kv.opening import check_url

PASSWORD = "correct horse"
COMMANDS = (
    ("flag", b"UID STORE 1:* +FLAGS.SILENT (\\Flagged)"),
    ("seen", b"UID STORE 1:* +FLAGS.SILENT (\\Seen)"),
    ("copy", b"UID COPY 1:* Archive"),
    ("move", b"UID MOVE 1:* Trash"),
    ("select", b"SELECT Trash"),
    ("delete", b"UID STORE 1:* +FLAGS.SILENT (\\Deleted)"),
    ("expunge", b"EXPUNGE"),
)


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def signed_in(cls, port: int) -> "Client":
        client = cls(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 24))
        await client._reader.readline()
        await client.command(f'LOGIN bob@b.example "{PASSWORD}"'.encode())
        return client

    async def command(self, text: bytes) -> bytes:
        """The tagged answer. Raises RuntimeError when it is not OK."""
        self._writer.write(b"t " + text + b"\r\n")
        while not (line := await self._reader.readline()).startswith(b"t "):
            if not line:
                raise RuntimeError("the server closed the connection")
        if not line.startswith(b"t OK"):
            raise RuntimeError(line.decode())
        return line


def anonymous_mb() -> int:
    """Memory of this process that is no mapped file, in MB."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) // 1024


async def timed(text: bytes, acting: Client, other: Client) -> dict[str, float]:
    waits: list[float] = []
    most = anonymous_mb()

    async def somebody_else() -> None:
        nonlocal most
        while True:
            began = time.perf_counter()
            await other.command(b"NOOP")
            waits.append(time.perf_counter() - began)
            most = max(most, anonymous_mb())
            await asyncio.sleep(0.02)

    task = asyncio.create_task(somebody_else())
    began, cpu = time.perf_counter(), time.process_time()
    answer = await acting.command(text)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    waits.sort()
    return {
        "seconds": round(seconds, 2),
        "cpu_s": round(cpu, 2),
        "anonymous_mb": max(most, anonymous_mb()),
        "other_ms_p99": round(waits[len(waits) * 99 // 100] * 1000, 1) if waits else 0.0,
        "answer_octets": len(answer),
    }


async def measure(url: str, mails: int) -> dict[str, object]:
    store: Store = await opened(url)
    await fill(store, mails, 500)

    def give_password(txn: StoreTxn) -> None:
        account = accounts.get(txn.kv, AccountId(1))
        assert account is not None
        accounts.save(txn, type(account)(account.id, account.address, account.name, hash_password(PASSWORD)))

    await store.write(give_password)
    settings = ImapSettings(allow_plaintext_login=True)
    server = ImapServer(store, Logins(store), settings, None, lambda: START_MS / 1000)
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    await server.start(sock)
    acting, other = [await Client.signed_in(sock.getsockname()[1]) for _ in range(2)]
    results: dict[str, object] = {"mails": mails, "anonymous_mb_before": anonymous_mb()}
    await acting.command(b"SELECT INBOX")
    for name, text in COMMANDS:
        results[name] = await timed(text, acting, other)
    await server.close(2.0)
    await store.close()
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure IMAP commands over very many mails.")
    parser.add_argument("urls", nargs="+", metavar="URL")
    parser.add_argument("--mails", type=int, default=100_000)
    given = parser.parse_args()
    for url in given.urls:
        print(json.dumps({check_url(url): asyncio.run(measure(url, given.mails))}, indent=2))


if __name__ == "__main__":
    main()
