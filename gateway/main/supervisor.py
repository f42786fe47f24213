"""Keeps N equal workers alive. They are forked, so code and models are in memory once, and share only the store."""

import asyncio
import os
import select
import signal
import sys
from collections.abc import Callable

import structlog

from gateway.config import ConfigError, host_and_port
from gateway.main import worker
from gateway.main.memory import give_back_large_blocks
from gateway.main.worker import Sockets, bind
from gateway.net.tls import TlsUnusable
from gateway.settings import Config, Listen
from models.errors import ArtefactError
from store.kv.contract import StoreError, StoreUnavailable

log = structlog.get_logger()

SERVICES = ("smtp", "submission", "submissions", "imap", "imaps", "http", "https")
STILLBIRTHS = 5  #: workers in a row that died before they were ready, after which the supervisor gives up
STOP_S = 20.0
PAUSES_S = (1.0, 2.0, 5.0, 10.0, 30.0)  #: of a worker that found the store away, before it looks again; the last stays

#: How long a thread may keep the interpreter. SQLite's thread gives it up at every step, so with Python's 5 ms a
#: write beside a busy loop takes 60 ms; with this, 20.
SWITCH_S = 0.0005

Addresses = dict[str, list[tuple[str, int]]]


class CannotListen(Exception):
    """An address is taken or not ours; the text says which."""


def reserve(listen: Listen) -> tuple[Addresses, list[object]]:
    """Bind every address once, so that port 0 gets a number all workers use and a taken port is refused now.

    The reserved sockets are bound but never listen; the kernel gives connections only to those that do.
    """
    addresses: Addresses = {}
    held: list[object] = []
    for service in SERVICES:
        for text in getattr(listen, service):
            try:
                sock = bind(host_and_port(text), shared=True)
            except OSError as error:
                raise CannotListen(f"listen.{service} {text}: {error.strerror or error}") from error
            held.append(sock)
            addresses.setdefault(service, []).append(sock.getsockname()[:2])
    return addresses, held


class Supervisor:
    """Starts workers, replaces the ones that die, passes on the signal to stop."""

    def __init__(self, config: Config, addresses: Addresses, workers: int) -> None:
        self._config = config
        self._addresses = addresses
        self._workers = workers
        self._pids: dict[int, int] = {}
        self._pipes: dict[int, int] = {}  #: on which workers that replaced others say they are ready
        self._stillbirths = 0
        self._turned_away: dict[int, int] = {}  #: how often in a row a worker's replacements found no store
        self._stopping = False
        #: Nothing is ever written to it: when the supervisor is gone, however it went, workers read its end and stop.
        self._lifeline, self._held_open = os.pipe()

    def run(self, on_ready: Callable[[], None]) -> int:
        """Until told to stop; the exit code of the program."""
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self._stop)
        pipes = [self._spawn(number) for number in range(self._workers)]
        answers = [_is_ready(pipe) for pipe in pipes]  # every pipe is read and closed, whatever the first says
        code = 0
        if not all(answers):
            self._stop()  # the worker said why
            code = 1
        elif not self._stopping:
            on_ready()
        while self._pids:
            try:
                pid, status = os.wait()
            except InterruptedError:
                continue
            number = self._pids.pop(pid, None)
            if number is not None and not self._stopping:
                code = self._replace(number, status, was_ready=self._was_ready(pid))
        return code

    def _was_ready(self, pid: int) -> bool:
        """Whether a worker that is dead now had begun to serve; the first ones had."""
        pipe = self._pipes.pop(pid, None)
        if pipe is None:
            return True
        os.set_blocking(pipe, False)  # a process that the worker started may still hold the other end
        return _is_ready(pipe)

    def _replace(self, number: int, status: int, *, was_ready: bool) -> int:
        """Start another worker. One that served may die as often as it likes: killed, out of memory, a bad mail."""
        exit_code = os.waitstatus_to_exitcode(status)
        if exit_code == worker_refused:
            self._stop()  # it said why; starting it again would only repeat it
            return 1
        if exit_code == store_away:
            self._spawn_replacement(number, self._pause(number, was_ready=was_ready))
            return 0
        log.error("worker.died", worker=number, exit_code=exit_code)
        self._stillbirths = 0 if was_ready else self._stillbirths + 1
        if self._stillbirths == STILLBIRTHS:
            log.error("supervisor.gives_up", never_ready=STILLBIRTHS)
            self._stop()
            return 1
        self._spawn_replacement(number)
        return 0

    def _pause(self, number: int, *, was_ready: bool) -> float:
        """Seconds until this worker's next replacement looks for the store: the others may still serve meanwhile."""
        times = 0 if was_ready else self._turned_away.get(number, -1) + 1
        self._turned_away[number] = times
        pause_s = PAUSES_S[min(times, len(PAUSES_S) - 1)]
        log.error("worker.store_away", worker=number, again_in_s=pause_s)
        return pause_s

    def _spawn_replacement(self, number: int, pause_s: float = 0.0) -> None:
        pipe = self._spawn(number, pause_s)
        pid = next(pid for pid, its_number in self._pids.items() if its_number == number)
        self._pipes[pid] = pipe

    def _stop(self, *_: object) -> None:
        self._stopping = True
        for pid in list(self._pids):
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                continue

    def _spawn(self, number: int, pause_s: float = 0.0) -> int:
        """Fork a worker; the read end of the pipe on which it says it is ready. It waits before it starts."""
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            os.close(self._held_open)
            _live(self._config, self._addresses, number, writing, self._lifeline, pause_s)
        os.close(writing)
        self._pids[pid] = number
        return reading


worker_refused = 3  #: exit code of a worker that cannot start for a reason only the operator can mend
store_away = 4  #: exit code of one that found the store away, which may be back in a moment


def _live(config: Config, addresses: Addresses, number: int, pipe: int, lifeline: int, pause_s: float) -> None:
    """A forked worker's life. Never returns."""
    code = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        select.select([lifeline], [], [], pause_s)  # a signal to stop, or the supervisor's end, ends it
        sys.setswitchinterval(SWITCH_S)
        give_back_large_blocks()
        sockets = Sockets({s: [bind(a, shared=True) for a in each] for s, each in addresses.items()})
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(worker.run_until_signalled(config, sockets, lifeline, lambda: _tell(pipe)))
        code = 0
    except StoreUnavailable as error:
        print(f"mailward: {error}", file=sys.stderr)
        code = store_away
    except (ConfigError, ArtefactError, TlsUnusable, StoreError, OSError) as error:
        print(f"mailward: {error}", file=sys.stderr)
        code = worker_refused
    except BaseException as error:  # the process ends here either way; say why
        log.error("worker.failed", worker=number, error=repr(error), exc_info=error)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _tell(pipe: int) -> None:
    try:
        os.write(pipe, b"1")
    except BrokenPipeError:
        log.debug("worker.ready.unheard")  # a replacement: nobody waits for it
    os.close(pipe)


def _is_ready(pipe: int) -> bool:
    try:
        return os.read(pipe, 1) == b"1"
    except BlockingIOError:
        return False
    finally:
        os.close(pipe)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed; asyncio's own loop does the same, slower."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
