"""How much memory a large mail takes on its way in and out, and how fast it goes, wherever blobs are kept.

    python -m benchmarks.blob_memory [--octets N] [--key] PLACE...

A place is "" (in SQLite), "files:" or an S3 URL (keys from the environment); each is measured in a process of its own.
"""

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from pathlib import Path

PIECE = 64 * 1024  #: as a socket gives them
WARM = 48 * 1024 * 1024  #: so that SQLite has filled its cache, which is bounded


@dataclass(frozen=True, slots=True)
class Measured:
    """Octets in all; growth of memory at its peak, in octets; seconds."""

    octets: int
    in_growth: int
    out_growth: int
    in_s: float
    out_s: float


class Peak:
    """The most memory of its own (RssAnon) a process had while this was open, over what it had before.

    Pages of files that SQLite maps are not counted: they are the system's cache, which it takes back when it wants.
    """

    def __init__(self) -> None:
        self.before = self.most = own()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._is_over.wait(0.002):
            self.most = max(self.most, own())

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    @property
    def growth(self) -> int:
        return max(self.most, own()) - self.before


def own() -> int:
    """Octets of resident memory that is no file's."""
    return int(Path("/proc/self/status").read_text("ascii").partition("RssAnon:")[2].split()[0]) * 1024


async def pieces(octets: int, seed: int) -> AsyncIterator[bytes]:
    """Half noise, half what compresses."""
    source = random.Random(seed)
    for _ in range(0, octets, PIECE):
        yield source.randbytes(PIECE // 2) + b"a line of text, as in mail\r\n" * (PIECE // 2 // 28)


async def measure(place: str, folder: Path, octets: int, *, with_key: bool) -> Measured:
    from store.blob.chunks import keep
    from store.blob.contract import BlobId
    from store.blob.opening import open_blobs
    from store.blob.sealing import Keyring
    from store.kv.sqlite import SqliteKeyValueStore

    kv = await SqliteKeyValueStore.open(folder / "store.sqlite")
    url = f"files:{folder / 'blobs'}" if place == "files:" else place
    blobs = await open_blobs(kv, url, keyring=Keyring([bytes(32)] if with_key else []), spool=folder)

    async def put(size: int, seed: int) -> BlobId:
        staged = await blobs.stage_stream(pieces(size, seed), 2 * size)
        await kv.write(lambda txn: keep(txn, staged))
        return staged.id

    async def take(blob: BlobId) -> int:
        return sum([len(piece) async for piece in blobs.open(blob)])

    await take(await put(WARM, 1))  # imports, threads, buffers that stay
    began = time.perf_counter()
    with Peak() as coming:
        blob = await put(octets, 2)
    in_s, began = time.perf_counter() - began, time.perf_counter()
    with Peak() as going:
        size = await take(blob)
    out_s = time.perf_counter() - began
    await blobs.close()
    await kv.close()
    return Measured(size, coming.growth, going.growth, in_s, out_s)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("places", nargs="*", default=["", "files:"])
    parser.add_argument("--octets", type=int, default=50 * 1024 * 1024)
    parser.add_argument("--key", action="store_true", help="encrypted")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(asdict(asyncio.run(
                measure(given.places[0], Path(folder), given.octets, with_key=given.key)
            ))))  # fmt: skip
        return
    for place in given.places:
        command = [sys.executable, "-m", "benchmarks.blob_memory", "--here", f"--octets={given.octets}", "--", place]
        if given.key:
            command.insert(-2, "--key")
        found = Measured(**json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        mib = 1024 * 1024
        name = place.partition("?")[0] or "in SQLite"
        print(
            f"{name:<12} {found.octets / mib:.0f} MiB{', encrypted' if given.key else ''}: "
            f"in {found.in_s:.2f} s, +{found.in_growth / mib:.1f} MiB; "
            f"out {found.out_s:.2f} s, +{found.out_growth / mib:.1f} MiB"
        )


if __name__ == "__main__":
    main()
