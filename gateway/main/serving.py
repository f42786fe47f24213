"""``mailward serve``."""

import json
import os
import sys
from pathlib import Path

from gateway.config import load
from gateway.main.failures import told_plainly
from gateway.main.services import data_folder, load_model, resolver_of, utc_now
from gateway.main.supervisor import Addresses, CannotListen, Supervisor, reserve
from gateway.main.worker import tls_of
from gateway.observe.log import configure


def serve(config_path: Path, *, as_json: bool) -> int:
    """Check everything that can be checked, bind, then keep workers alive until told to stop."""
    with told_plainly():
        config = load(config_path)
        configure(config.server.log)
        data_folder(config)
        load_model(config)
        resolver_of(config)
        tls_of(config, utc_now)  # makes the self-signed pair once, before there are several workers
        try:
            addresses, held = reserve(config.listen)
        except CannotListen as error:
            print(f"mailward: {error}", file=sys.stderr)
            return 3
        workers = config.server.workers or os.cpu_count() or 1
        supervisor = Supervisor(config, addresses, workers)
        code = supervisor.run(lambda: _say_ready(addresses, workers, as_json))
        held.clear()
        return code


def _say_ready(addresses: Addresses, workers: int, as_json: bool) -> None:
    if as_json:
        listening = {service: [f"{host}:{port}" for host, port in each] for service, each in addresses.items()}
        print(json.dumps({"event": "ready", "pid": os.getpid(), "workers": workers, "listen": listening}), flush=True)
        return
    for service, each in addresses.items():
        print(f"  {service:<6} {', '.join(f'{host}:{port}' for host, port in each)}", flush=True)
    print(f"  ready, {workers} workers", flush=True)
