"""A URL opens the backend it names; what is wrong with one is said."""

import subprocess
import sys
from pathlib import Path

import pytest

from store.kv.contract import StoreUnavailable, WriteTxn
from store.kv.opening import check_url, open_kv


def _count(txn: WriteTxn) -> int:
    return txn.add(b"n", 1)


@pytest.mark.parametrize(
    ("scheme", "name", "is_kept"),
    [
        ("sqlite", "SqliteKeyValueStore", True),
        ("rocksdb", "RocksKeyValueStore", True),
        ("postgresql", "PostgresKeyValueStore", True),
        ("memory", "MemoryKeyValueStore", False),
    ],
)
async def test_a_url_opens_its_backend(
    scheme: str, name: str, is_kept: bool, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    rest = {"memory": ""}.get(scheme, str(tmp_path / "store"))
    url = request.getfixturevalue("postgres_url") if scheme == "postgresql" else f"{scheme}:{rest}"
    counted = []
    for _ in range(2):
        kv = await open_kv(url)
        assert type(kv).__name__ == name
        counted.append(await kv.write(_count))
        await kv.close()
    assert counted == ([1, 2] if is_kept else [1, 1])


@pytest.mark.parametrize("scheme", ["sqlite", "rocksdb"])
async def test_a_limit_is_handed_on(scheme: str, tmp_path: Path) -> None:
    kv = await open_kv(f"{scheme}:{tmp_path / 'store'}", max_octets=1_000_000)
    with pytest.raises(StoreUnavailable, match=r"(?i)full"):
        for number in range(60):
            await kv.write(lambda txn, n=number: txn.put(b"%d" % n, bytes(90_000)))
    await kv.close()


@pytest.mark.parametrize(
    "url", ["", "sqlite", "sqlite:", "rocksdb:", "postgresql:x", "memory:x", "mysql://h/d", "/var/lib/mailward"]
)
async def test_a_malformed_url_is_refused_with_the_forms_that_are_not(url: str) -> None:
    with pytest.raises(ValueError, match="rocksdb:PATH"):
        check_url(url)
    with pytest.raises(ValueError, match="rocksdb:PATH"):
        await open_kv(url)


@pytest.mark.parametrize(
    ("library", "url", "extra"),
    [("rocksdict", "rocksdb:x", "mailward[rocksdb]"), ("psycopg", "postgresql://h/d", "mailward[postgres]")],
)
def test_a_missing_extra_is_named_and_the_default_needs_none(library: str, url: str, extra: str) -> None:
    code = (
        f"import sys, asyncio; sys.modules[{library!r}] = None\n"
        "from store.kv.opening import open_kv\n"
        "from store.kv.contract import StoreError\n"
        f"try: asyncio.run(open_kv({url!r}))\nexcept StoreError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert extra in done.stdout, done.stderr
