"""``mailward pyzor``: asking the configured servers about a mail, and telling them, by hand."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from gateway.config import ConfigError, load
from gateway.main.administration import COMMAND_LINE
from gateway.main.failures import told_plainly
from gateway.main.services import pyzor_of
from gateway.main.storage import open_store
from gateway.net.pyzor_client import PyzorClient, PyzorResult
from gateway.observe.log import configure
from gateway.settings import Config
from store.audit import chain
from store.changes.engine import StoreTxn
from store.mailfiles import MailFile, without_mbox_line

_DONE = {"report": "reported as spam", "whitelist": "reported as wanted"}


def tell_pyzor(config_path: Path, act: str, files: tuple[str, ...], *, as_json: bool) -> int:
    """``act`` is "check", "report" or "whitelist"; 1 when a server did not answer or a file cannot be read."""
    configure("human")
    with told_plainly():
        config = load(config_path)
        client = pyzor_of(config)
        if client is None:
            raise ConfigError('pyzor.servers: name a server to ask, as in servers = ["public.pyzor.org:24441"]')
        return asyncio.run(_tell(config, client, act, _opened(files), as_json=as_json))


def _opened(files: tuple[str, ...]) -> Iterator[MailFile]:
    for name in files:
        try:
            octets = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        except OSError as error:
            yield MailFile(name, b"", error.strerror or str(error))
        else:
            yield MailFile(name, without_mbox_line(octets))


async def _tell(config: Config, client: PyzorClient, act: str, files: Iterator[MailFile], *, as_json: bool) -> int:
    ask: dict[str, Callable[[bytes], Awaitable[PyzorResult]]] = {
        "check": client.check,
        "report": client.report,
        "whitelist": client.whitelist,
    }
    failed = 0
    told: list[PyzorResult] = []
    try:
        for mail in files:
            result = PyzorResult(error=mail.error) if mail.error else await ask[act](mail.octets)
            if result.error:
                failed = 1
            else:
                told.append(result)
            _show(mail.path, act, result, as_json)
    finally:
        await client.close()
    if told and act in _DONE:
        await _note(config, act, told)
    return failed


async def _note(config: Config, act: str, told: list[PyzorResult]) -> None:
    """What left the machine stands in the audit trail."""
    store = await open_store(config)

    def body(txn: StoreTxn) -> None:
        for result in told:
            chain.record(txn, txn.now_ms, COMMAND_LINE, f"pyzor.{act}", result.digest)

    try:
        await store.write(body)
    finally:
        await store.close()


def _show(name: str, act: str, result: PyzorResult, as_json: bool) -> None:
    if as_json:
        row = {"file": name, "digest": result.digest or None, "error": result.error or None}
        print(json.dumps(row | ({"spam": result.count, "wanted": result.whitelisted} if act == "check" else {})))
    elif result.error:
        print(f"mailward: {name}: {result.error}", file=sys.stderr)
    elif act == "check":
        print(f"  {name}: reported {result.count} times as spam, {result.whitelisted} times as wanted")
    else:
        print(f"  {name}: {_DONE[act]}")
