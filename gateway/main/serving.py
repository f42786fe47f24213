"""``mailward serve``."""

import asyncio
import json
import os
import sys
from pathlib import Path

import structlog

from gateway.config import ConfigError, load
from gateway.main.failures import told_plainly
from gateway.main.migrating import bring_up
from gateway.main.services import load_model, resolver_of, utc_now
from gateway.main.storage import data_folder, refuse_emptied
from gateway.main.supervisor import Addresses, CannotListen, Supervisor, reserve
from gateway.main.worker import tls_of
from gateway.observe.log import configure
from gateway.settings import Config
from store.kv.contract import StoreError

log = structlog.get_logger()


def serve(config_path: Path, *, as_json: bool) -> int:
    """Check everything that can be checked, bind, then keep workers alive until told to stop."""
    with told_plainly():
        config = load(config_path)
        configure(config.server.log)
        data_folder(config)
        refuse_emptied(config)
        load_model(config)
        resolver_of(config)
        tls_of(config, utc_now)  # makes the self-signed pair once, before there are several workers
        try:
            addresses, held = reserve(config.listen)
        except CannotListen as error:
            print(f"mailward: {error}", file=sys.stderr)
            return 3
        code = in_a_process_of_its_own(config)
        if code:
            return code
        workers = config.server.workers or os.cpu_count() or 1
        supervisor = Supervisor(config, addresses, workers)
        code = supervisor.run(lambda: _say_ready(addresses, workers, as_json))
        held.clear()
        return code


def in_a_process_of_its_own(config: Config) -> int:
    """Bring the store up to date before there are workers; what failed is said, and told as an exit code.

    A store must not be carried across a fork: neither SQLite's locks nor RocksDB's threads survive it.
    """
    pid = os.fork()
    if pid == 0:
        code = 3
        try:
            asyncio.run(bring_up(config))
            code = 0
        except (ConfigError, StoreError, OSError) as error:
            print(f"mailward: {error}", file=sys.stderr)
        except BaseException as error:  # the process ends here either way; say why
            log.error("store.not_ready", error=repr(error), exc_info=error)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _say_ready(addresses: Addresses, workers: int, as_json: bool) -> None:
    if as_json:
        listening = {service: [f"{host}:{port}" for host, port in each] for service, each in addresses.items()}
        print(json.dumps({"event": "ready", "pid": os.getpid(), "workers": workers, "listen": listening}), flush=True)
        return
    for service, each in addresses.items():
        print(f"  {service:<6} {', '.join(f'{host}:{port}' for host, port in each)}", flush=True)
    print(f"  ready, {workers} workers", flush=True)
