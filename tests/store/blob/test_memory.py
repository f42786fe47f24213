"""A large mail passes through a few chunks of memory, wherever it is kept. Each in a process of its own."""

import json
import subprocess
import sys

import pytest

OCTETS = 50 * 1024 * 1024
MOST = 16 * 1024 * 1024


@pytest.mark.parametrize("place", ["", "files:"], ids=["here", "files"])
@pytest.mark.parametrize("more", [[], ["--key"]], ids=["in clear", "encrypted"])
def test_fifty_megabytes_pass_in_and_out(place: str, more: list[str]) -> None:
    command = [sys.executable, "-m", "benchmarks.blob_memory", "--here", f"--octets={OCTETS}", *more, "--", place]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["octets"] >= OCTETS * 0.99
    assert found["in_growth"] < MOST
    assert found["out_growth"] < MOST
