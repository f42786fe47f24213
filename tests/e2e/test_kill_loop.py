"""The short form of ``python -m benchmarks.kill_workers``: a worker killed again and again under load."""

import os
from pathlib import Path

import pytest

from benchmarks.kill_workers import torment

STORES = [("sqlite", "files:blobs")]
if os.environ.get("MAILWARD_NIGHTLY"):
    STORES.append(("postgres", ""))


@pytest.mark.parametrize(("backend", "blobs"), STORES)
def test_workers_killed_again_and_again_lose_no_acknowledged_mail(
    backend: str, blobs: str, tmp_path: Path, dns: str, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("postgres_url") if backend == "postgres" else ""
    counts = torment(tmp_path, dns, seconds=3.0, url=url, blobs=blobs, every_s=0.7)
    print(counts)
    assert counts.kills >= 3 and counts.acknowledged > 0
    assert (counts.missing, counts.twice) == (0, 0)
    assert "sound" in counts.fsck
