"""One worker: the services plus every protocol, on listening sockets it is given."""

import asyncio
import contextlib
import signal
import socket
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from gateway.config import networks_of
from gateway.delivery.commit import Outcome
from gateway.dns.resolver import Resolver
from gateway.learning.closer import CloserLook
from gateway.mailauth.authenticate import warm_up
from gateway.main.memory import Trimmer
from gateway.main.services import Clock, Services, build, utc_now
from gateway.main.work import runner_of
from gateway.net.tls import self_signed, server_context
from gateway.observe.stages import Stages
from gateway.settings import Config
from gateway.work import searching
from protocols.console import routes as console
from protocols.console.services import ConsoleServices, ConsoleSettings
from protocols.http.app import build_app
from protocols.http.metrics import metrics_route
from protocols.http.server import HttpServer
from protocols.http.settings import HttpSettings
from protocols.imap.server import ImapServer
from protocols.imap.settings import ImapSettings
from protocols.jmap import routes as jmap
from protocols.jmap.services import JmapServices
from protocols.jmap.settings import JmapSettings
from protocols.smtp.server import SmtpServer
from protocols.smtp.session import Edge
from protocols.smtp.settings import SmtpSettings
from protocols.smtp.submission import Submission
from store.audit import sealing
from store.schema.version import SchemaNewer
from store.upkeep.presence import attend

log = structlog.get_logger()

GRACE_S = 10.0


@dataclass(slots=True)
class Sockets:
    """Bound sockets by service: smtp, submission, submissions, imap, imaps, http, https."""

    by_service: dict[str, list[socket.socket]] = field(default_factory=dict)

    def of(self, service: str) -> list[socket.socket]:
        return self.by_service.get(service, [])


@dataclass(slots=True)
class Worker:
    """A running worker."""

    services: Services
    console: ConsoleServices
    smtp: SmtpServer
    submission: SmtpServer
    imap: ImapServer
    http: list[HttpServer]
    background: list[asyncio.Task[None]]

    async def close(self) -> None:
        """Finish what is being received, say goodbye, flush. Mail in flight is answered or left unacknowledged."""
        await asyncio.gather(self.smtp.close(GRACE_S), self.submission.close(GRACE_S))
        self.console.close()
        await asyncio.gather(self.imap.close(2.0), *(server.close(2.0) for server in self.http))
        for task in self.background:
            task.cancel()
        await asyncio.gather(*self.background, return_exceptions=True)
        await self.services.close()


async def start(
    config: Config,
    sockets: Sockets,
    *,
    clock: Clock = utc_now,
    announce: Callable[[Outcome, Stages], None] | None = None,
    resolver: Resolver | None = None,
) -> Worker:
    """Open everything and listen: SMTP first. Raises ConfigError, ArtefactError, StoreError, TlsUnusable."""
    services = await build(config, clock=clock, announce=announce, resolver=resolver)
    tls = tls_of(config, clock)
    receive = Trimmer(services.reception.receive).receive
    smtp = SmtpServer(Edge(services.resolve, services.begin, receive, services.admit), smtp_settings(config), tls)
    for sock in sockets.of("smtp"):
        await smtp.start(sock)
    submission = await _start_submission(config, services, sockets, tls)
    imap = ImapServer(
        services.store, services.logins, imap_settings(config), tls, lambda: clock().timestamp(), services.moves
    )
    for sock in sockets.of("imap"):
        await imap.start(sock)
    for sock in sockets.of("imaps"):
        await imap.start(sock, implicit_tls=True)
    look = ConsoleSettings(title=config.console.title, behind_tls_proxy=config.console.behind_tls_proxy)
    closer = CloserLook(services.judging.judge, services.judging.scorer, services.judging.gatherer.protected)
    rooms = ConsoleServices(services.store, services.logins, services.quarantine, look, clock, closer.of_trace)
    http = await _start_http(config, services, rooms, sockets, tls)
    background = [asyncio.create_task(_kept_up(name, work)) for name, work in _background(services)]
    return Worker(services, rooms, smtp, submission, imap, http, background)


async def _start_submission(config: Config, services: Services, sockets: Sockets, tls: ssl.SSLContext) -> SmtpServer:
    out = services.submissions
    receive = Trimmer(out.receive).receive
    submission = Submission(out.authenticate, config.login.plaintext_on_loopback)
    edge = Edge(out.resolve, services.begin, receive, out.admit)
    server = SmtpServer(edge, smtp_settings(config), tls, submission.session())
    for sock in sockets.of("submission"):
        await server.start(sock)
    for sock in sockets.of("submissions"):
        await server.start(sock, implicit_tls=True)
    return server


async def _start_http(
    config: Config, services: Services, rooms: ConsoleServices, sockets: Sockets, tls: ssl.SSLContext
) -> list[HttpServer]:
    settings = HttpSettings()
    answers = JmapServices(
        services.store,
        services.logins,
        JmapSettings(),
        services.clock,
        allow_plaintext=config.login.plaintext_on_loopback,
        on_moved=services.moves,
    )
    figures = metrics_route(services.store, networks_of(config.metrics.networks, "metrics.networks"))
    app = build_app([figures, *jmap.routes(answers), *console.routes(rooms)], settings)
    servers: list[HttpServer] = []
    for service, context in (("http", None), ("https", tls)):
        if sockets.of(service):
            server = HttpServer(app, settings, context)
            for sock in sockets.of(service):
                await server.start(sock)
            servers.append(server)
    return servers


def tls_of(config: Config, clock: Clock) -> ssl.SSLContext:
    """The operator's certificate, or our own so that STARTTLS works from the first minute."""
    if config.tls.certificate:
        return server_context(Path(config.tls.certificate), Path(config.tls.key))
    return server_context(*self_signed(Path(config.server.data) / "tls", config.server.hostname, clock()))


def smtp_settings(config: Config) -> SmtpSettings:
    limits = config.limits
    return SmtpSettings(
        hostname=config.server.hostname,
        message_octets=limits.message_octets,
        recipients=limits.recipients,
        hops=limits.hops,
        data_octets_at_once=limits.data_octets_at_once,
        messages_per_connection=limits.messages_per_connection,
        commands_per_connection=limits.commands_per_connection,
        connections=limits.connections,
        connections_per_address=limits.connections_per_address,
        command_s=limits.command_s,
        data_s=limits.data_s,
        xclient_from=networks_of(config.smtp.xclient_from),
    )


def imap_settings(config: Config) -> ImapSettings:
    return ImapSettings(
        allow_plaintext_login=config.login.plaintext_on_loopback, append_octets=config.limits.append_octets
    )


Work = Callable[[], Coroutine[Any, Any, None]]


def _background(services: Services) -> list[tuple[str, Work]]:
    async def warm() -> None:
        # After the first greeting: these imports take a second, and the first mail should not wait for them.
        await asyncio.to_thread(services.judging.scorer.warm_up)
        await warm_up()

    async def index() -> None:
        await searching.follow(services.store)

    async def seal() -> None:
        await sealing.follow(services.store)

    return [
        ("warm", warm),
        ("labels", services.opinions.follow),
        ("moves", services.moves.follow),
        ("models", services.shelf.follow),
        ("shadow", services.shadow.follow),
        ("tally", services.tally.follow),
        ("jobs", runner_of(services).run),
        ("index", index),
        ("seal", seal),
    ]


async def _kept_up(name: str, work: Work) -> None:
    """Run background work; what breaks is logged and started again, never silently gone."""
    while True:
        try:
            await work()
            return
        except Exception as error:  # the boundary of a background task
            log.error("background.failed", work=name, error=repr(error), exc_info=error)
            await asyncio.sleep(5.0)


def bind(address: tuple[str, int], *, shared: bool) -> socket.socket:
    """A bound TCP socket; ``shared`` lets other workers bind the same port and split its connections."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    try:
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


async def run_until_signalled(config: Config, sockets: Sockets, lifeline: int, on_ready: Callable[[], None]) -> None:
    """A worker process's whole life: until a signal, or until the end of its lifeline says the supervisor is gone."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    loop.add_reader(lifeline, stop.set)
    worker = await start(config, sockets)
    serving = asyncio.create_task(attend(worker.services.store, lambda: worker.services.clock().timestamp()))
    serving.add_done_callback(lambda _: stop.set())
    on_ready()
    await stop.wait()
    loop.remove_reader(lifeline)
    serving.cancel()
    (ended,) = await asyncio.gather(serving, return_exceptions=True)
    with contextlib.suppress(asyncio.CancelledError):
        await worker.close()
    if isinstance(ended, SchemaNewer):
        raise ended  # the store belongs to a newer program now: the supervisor stops with this sentence
