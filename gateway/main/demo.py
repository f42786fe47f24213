"""``mailward demo``: everything on this machine only, with sample mails sent through the front door."""

import asyncio
import json
import signal
import smtplib
import socket
import sys
import tempfile
import webbrowser
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.cli.verdicts import line
from gateway.config import parse
from gateway.demo.scenario import Sample, Scenario, scenario
from gateway.dns.zone import ZoneResolver
from gateway.main import worker
from gateway.main.explaining import trace_json
from gateway.main.failures import told_plainly
from gateway.main.services import utc_now
from gateway.main.supervisor import SWITCH_S, loop_factory
from gateway.main.worker import Sockets, Worker, bind
from gateway.observe.log import configure
from gateway.settings import Config
from store.accounts import account as accounts
from store.accounts.login import hash_password
from store.changes.engine import Store
from store.trace import rows as trace
from store.trace.rows import Trace

PASSWORD = "mailward-demo"  # noqa: S105 - of accounts that exist on loopback only, and printed
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one sample, against what the scenario expects."""

    sample: Sample
    reply: str
    trace: Trace | None

    @property
    def fits(self) -> bool:
        row = self.trace
        return (
            row is not None and row.action in self.sample.expect_action and row.category in self.sample.expect_category
        )


def run(*, exit_after: bool, data: Path | None, open_browser: bool, as_json: bool) -> int:
    """0 when every sample got the verdict the scenario expects."""
    configure("human", level=40)  # the demo's own lines say it; only errors besides
    sys.setswitchinterval(SWITCH_S)
    with told_plainly(), suppress(asyncio.CancelledError), asyncio.Runner(loop_factory=loop_factory()) as runner:
        if data is not None:
            data.mkdir(parents=True, exist_ok=True)
            return runner.run(_run(data, exit_after=exit_after, open_browser=open_browser, as_json=as_json))
        with tempfile.TemporaryDirectory(prefix="mailward-demo-") as folder:
            return runner.run(_run(Path(folder), exit_after=exit_after, open_browser=open_browser, as_json=as_json))
    return 128 + signal.SIGTERM  # told to stop before all samples were sent


async def _run(data: Path, *, exit_after: bool, open_browser: bool, as_json: bool) -> int:
    me = asyncio.current_task()
    assert me is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)  # so that the temporary folder goes, too
    story = scenario(datetime.now(UTC))
    config = configure_demo(story, data)
    sockets = demo_sockets(exit_after=exit_after)
    running = await worker.start(config, sockets, resolver=ZoneResolver(story.zone))
    try:
        await add_accounts(running.services.store, story)
        if not as_json:
            await _introduce(running, sockets, data, story, open_browser=open_browser)
        results = [result async for result in send_all(running, sockets, story, as_json=as_json)]
        wrong = [r for r in results if not r.fits]
        if not as_json:
            _conclude(results, wrong)
        if not exit_after:
            await _until_stopped()
        return 1 if wrong else 0
    finally:
        await running.close()


def configure_demo(story: Scenario, data: Path) -> Config:
    return parse({**story.config, "server": {**story.config.get("server", {}), "data": str(data)}}, data)


def demo_sockets(*, exit_after: bool) -> Sockets:
    """The usual high ports where they are free, any other ones else."""
    wanted = {"smtp": 2525, "imap": 1143, "http": 8025}
    return Sockets({service: [_bound(0 if exit_after else port)] for service, port in wanted.items()})


def _bound(port: int) -> socket.socket:
    try:
        return bind((LOOPBACK, port), shared=False)
    except OSError:
        return bind((LOOPBACK, 0), shared=False)


async def add_accounts(store: Store, story: Scenario) -> None:
    hashed = await asyncio.to_thread(hash_password, PASSWORD)
    now_s = int(utc_now().timestamp())
    for person in story.accounts:
        known = await store.read(lambda view, address=person.address: accounts.find(view, address))  # type: ignore[misc]
        if known is None:
            roles = ("admin",) if person.is_admin else ()
            await store.write(
                lambda txn, person=person, roles=roles: accounts.create(  # type: ignore[misc]
                    txn, person.address, person.name, hashed, now_s, roles=roles
                )
            )


async def _introduce(running: Worker, sockets: Sockets, data: Path, story: Scenario, *, open_browser: bool) -> None:
    admin = next(person for person in story.accounts if person.is_admin)
    token = await running.console.one_time_token(admin.address)
    port = {service: sockets.of(service)[0].getsockname()[1] for service in ("smtp", "imap", "http")}
    others = ", ".join(person.address for person in story.accounts if person is not admin)
    link = f"http://{LOOPBACK}:{port['http']}/login?t={token}"
    print("mailward demo - everything local, nothing leaves this machine")
    print(f"  console  {link}")
    print(f"  smtp     {LOOPBACK}:{port['smtp']}   imap {LOOPBACK}:{port['imap']}   jmap {LOOPBACK}:{port['http']}")
    print(f"  sign in  {admin.address} / {PASSWORD}   (also: {others})")
    print(f"  data     {data}\n\n  sending {len(story.samples)} sample mails over SMTP ...", flush=True)
    if open_browser:
        await asyncio.to_thread(webbrowser.open, link)


async def send_all(running: Worker, sockets: Sockets, story: Scenario, *, as_json: bool) -> AsyncIterator[Result]:
    """Send sample after sample, as a proxy in front would, and yield what became of each."""
    address = sockets.of("smtp")[0].getsockname()[:2]
    for sample in story.samples:
        reply = await asyncio.to_thread(send, address, sample)
        reception = reply.rpartition(" ")[2].strip("()")
        row = await running.services.store.read(lambda view, wanted=reception: trace.get(view, wanted))  # type: ignore[misc]
        result = Result(sample, reply, row)
        print(_json_line(result) if as_json else _plain_line(result), flush=True)
        yield result


def send(address: tuple[str, int], sample: Sample) -> str:
    """One mail over SMTP by Python's own client, the sample's client address told by XCLIENT; the last reply."""
    with smtplib.SMTP(*address, timeout=60) as client:
        client.ehlo("proxy.example")
        ip = sample.client_ip if "." in sample.client_ip else f"IPV6:{sample.client_ip}"
        client.docmd("XCLIENT", f"ADDR={ip} HELO={sample.helo}")
        client.ehlo(sample.helo)
        client.mail(sample.mail_from or "", ["SMTPUTF8"] if needs_utf8(sample) else [])
        for recipient in sample.rcpt_to:
            client.rcpt(recipient)
        code, text = client.data(sample.octets)
        return f"{code} {text.decode('utf-8', 'replace')}"


def needs_utf8(sample: Sample) -> bool:
    return not all(address.isascii() for address in (sample.mail_from or "", *sample.rcpt_to))


def _plain_line(result: Result) -> str:
    row = result.trace
    if row is None:
        return f"  {result.reply}   {result.sample.title}"
    at = datetime.fromtimestamp(row.received_ms / 1000).strftime("%H:%M:%S")
    side = 1 if row.action in ("junk", "quarantine", "reject") else -1
    reasons = [r for r in row.reasons if r.signal == row.rule] + [r for r in row.reasons if r.nats * side > 0.2]
    why = next((r.sentence for r in reasons if r.signal != "prior"), "")
    shown = line(at, row.category, row.action, row.probability, row.header_from, row.subject, why)
    return (
        shown if result.fits else f"{shown}\n           ! the scenario expects {'/'.join(result.sample.expect_action)}"
    )


def _json_line(result: Result) -> str:
    row = result.trace
    told: dict[str, Any] = {"sample": result.sample.name, "reply": result.reply, "fits": result.fits}
    told |= {"expect_action": list(result.sample.expect_action), "expect_category": list(result.sample.expect_category)}
    return json.dumps(told | (trace_json(row) if row is not None else {}), ensure_ascii=False)


def _conclude(results: list[Result], wrong: list[Result]) -> None:
    counts: dict[str, int] = {}
    for result in results:
        if result.trace is not None:
            counts[result.trace.action] = counts.get(result.trace.action, 0) + 1
    told = "   ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    print(f"\n  {len(results)} judged   {told}   {len(wrong)} not as the scenario expects")


async def _until_stopped() -> None:
    print("  running; press Ctrl-C to stop", flush=True)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        print("\n  stopped", file=sys.stderr)
