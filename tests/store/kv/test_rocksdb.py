"""RocksDB's folder: one process, what survives kill -9, what a full disk does."""

import asyncio
import signal
import stat
import sys
import textwrap
from pathlib import Path

import pytest

from store.kv.contract import StoreError, StoreUnavailable, WriteTxn, counter
from store.kv.rocksdb import RocksKeyValueStore, RocksSettings

_OPENER = """
    import asyncio, sys
    from pathlib import Path
    from store.kv.rocksdb import RocksKeyValueStore
    from store.kv.contract import StoreError

    try:
        asyncio.run(RocksKeyValueStore.open(Path(sys.argv[1])))
    except StoreError as error:
        print(type(error).__name__, error)
"""

_ACKNOWLEDGER = """
    import asyncio, os, sys
    from pathlib import Path
    from store.kv.rocksdb import RocksKeyValueStore, RocksSettings

    async def main():
        kv = await RocksKeyValueStore.open(Path(sys.argv[1]), RocksSettings(write_buffer_octets=1 << 16))
        async def some(writer):
            number = 0
            while True:
                def body(txn):
                    txn.put(b"a%d.%d" % (writer, number), b"v" * 300)
                    txn.put(b"b%d.%d" % (writer, number), b"v" * 300)
                await kv.write(body)
                os.write(1, b"%d.%d\\n" % (writer, number))
                number += 1
        await asyncio.gather(*(some(writer) for writer in range(8)))

    asyncio.run(main())
"""


def _count(txn: WriteTxn) -> int:
    return txn.add(b"n", 1)


async def _child(code: str, path: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(code), str(path), stdout=asyncio.subprocess.PIPE
    )


async def test_a_second_process_is_told_what_to_do(tmp_path: Path) -> None:
    kv = await RocksKeyValueStore.open(tmp_path / "rocks")
    child = await _child(_OPENER, tmp_path / "rocks")
    said = (await child.communicate())[0].decode()
    await kv.close()
    assert said.startswith("StoreError ")
    assert "set server.workers = 1" in said


async def test_a_second_opening_in_one_process_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    kv = await RocksKeyValueStore.open(tmp_path / "rocks")
    with pytest.raises(StoreError, match=r"server\.workers = 1"):
        await RocksKeyValueStore.open(tmp_path / "rocks")
    assert await kv.write(_count) == 1
    await kv.close()


async def test_every_acknowledged_write_survives_kill_9_and_no_transaction_is_half_there(tmp_path: Path) -> None:
    child = await _child(_ACKNOWLEDGER, tmp_path / "rocks")
    assert child.stdout is not None
    acknowledged = [(await child.stdout.readline()).strip() for _ in range(600)]
    child.send_signal(signal.SIGKILL)
    acknowledged += (await child.stdout.read()).split(b"\n")[:-1]  # a line cut short was not acknowledged
    await child.wait()
    kv = await RocksKeyValueStore.open(tmp_path / "rocks")  # the lock of the dead is free
    keys = await kv.read(lambda txn: {key for key, _ in txn.scan(b"", b"\xff")})
    await kv.close()
    assert len(acknowledged) >= 600
    assert {b"a" + name for name in acknowledged} <= keys
    assert {key[1:] for key in keys if key[:1] == b"a"} == {key[1:] for key in keys if key[:1] == b"b"}


async def test_a_kept_transaction_or_traceback_does_not_keep_the_lock(tmp_path: Path) -> None:
    kv = await RocksKeyValueStore.open(tmp_path / "rocks")
    kept: list[object] = [await kv.read(lambda txn: (txn, txn.scan(b"", b"\xff")))]

    def raising(txn: WriteTxn) -> None:
        next(txn.scan(b"", b"\xff"))  # StopIteration, with the frames of the transaction behind it

    with pytest.raises(RuntimeError) as caught:
        await kv.write(raising)
    kept.append(caught.value)
    await kv.close()
    again = await RocksKeyValueStore.open(tmp_path / "rocks")
    await again.close()


async def test_the_folder_is_private(tmp_path: Path) -> None:
    kv = await RocksKeyValueStore.open(tmp_path / "rocks")
    await kv.close()
    assert stat.S_IMODE((tmp_path / "rocks").stat().st_mode) == 0o700


async def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        await RocksKeyValueStore.open(tmp_path / "absent" / "rocks")


async def test_a_damaged_folder_is_refused(tmp_path: Path) -> None:
    kv = await RocksKeyValueStore.open(tmp_path / "rocks")
    await kv.close()
    (tmp_path / "rocks" / "CURRENT").write_bytes(b"MANIFEST-999999\n")
    with pytest.raises(StoreError):
        await RocksKeyValueStore.open(tmp_path / "rocks")


async def test_a_full_disk_is_unavailable_writes_nothing_and_lets_deletions_through(tmp_path: Path) -> None:
    kv = await RocksKeyValueStore.open(tmp_path / "rocks")
    await kv.write(lambda txn: [txn.put(b"%02d" % n, b"old") for n in range(10)])
    await kv.close()
    full = await RocksKeyValueStore.open(tmp_path / "rocks", RocksSettings(reserve_octets=1 << 60))
    with pytest.raises(StoreUnavailable, match="disk is full"):
        await full.write(_count)
    await full.write(lambda txn: txn.delete_range(b"05", b"99"))
    assert await full.read(lambda txn: [key for key, _ in txn.scan(b"", b"\xff")]) == [b"%02d" % n for n in range(5)]
    await full.close()


async def test_a_store_at_its_limit_is_unavailable_and_writes_nothing(tmp_path: Path) -> None:
    kv = await RocksKeyValueStore.open(tmp_path / "rocks", RocksSettings(max_octets=2_000_000))
    with pytest.raises(StoreUnavailable, match="full"):
        for number in range(100):
            await kv.write(lambda txn, n=number: (txn.put(b"%03d" % n, bytes([n]) * 90_000), txn.add(b"n", 1)))
    rows = await kv.read(lambda txn: [key for key, _ in txn.scan(b"", b"n")])
    assert 5 < len(rows) < 40
    assert await kv.read(lambda txn: counter(txn.get(b"n"))) == len(rows)
    await kv.close()


async def test_rows_go_through_files_and_compaction(tmp_path: Path) -> None:
    kv = await RocksKeyValueStore.open(tmp_path / "rocks", RocksSettings(write_buffer_octets=1 << 16))
    for number in range(60):
        await kv.write(lambda txn, n=number: [txn.put(b"%04d" % (m * 7), b"%d" % n * 200) for m in range(40)])
    expected = [(b"%04d" % (m * 7), b"59" * 200) for m in range(40)]
    assert list((tmp_path / "rocks").glob("*.sst"))
    assert await kv.read(lambda txn: list(txn.scan(b"", b"\xff"))) == expected
    backwards = await kv.read(lambda txn: list(txn.scan(b"0007", b"0050", reverse=True)))
    assert backwards == [row for row in expected if b"0007" <= row[0] < b"0050"][::-1]
    await kv.close()


_FILLER = """
    import asyncio, resource, sys
    from pathlib import Path
    from store.kv.contract import StoreUnavailable
    from store.kv.rocksdb import RocksKeyValueStore

    async def main():
        kv = await RocksKeyValueStore.open(Path(sys.argv[1]))
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        number = 0
        try:
            while number < 100:
                await kv.write(lambda txn: txn.put(b"%03d" % number, bytes([number]) * 50_000))
                number += 1
        except StoreUnavailable:
            print(number, flush=True)
        try:
            await kv.write(lambda txn: txn.put(b"again", b"v"))
        except StoreUnavailable as error:
            print("again", flush=True)
        await kv.close()

    asyncio.run(main())
"""


async def test_a_log_that_cannot_grow_is_unavailable_and_loses_nothing_acknowledged(tmp_path: Path) -> None:
    child = await _child(_FILLER, tmp_path / "rocks")
    said = (await child.communicate())[0].split()
    assert said[1:] == [b"again"]
    kv = await RocksKeyValueStore.open(tmp_path / "rocks")
    rows = await kv.read(lambda txn: dict(txn.scan(b"", b"\xff")))
    await kv.close()
    assert 10 < int(said[0]) < 25
    assert [rows[b"%03d" % n] for n in range(int(said[0]))] == [bytes([n]) * 50_000 for n in range(int(said[0]))]
