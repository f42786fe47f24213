"""Several processes on one SQLite file: nothing acknowledged is lost, whoever is killed."""

import asyncio
import signal
import sys
import textwrap
from pathlib import Path

from store.kv.contract import WriteTxn, counter
from store.kv.sqlite import SqliteKeyValueStore

_COUNTER = """
    import asyncio, sys
    from pathlib import Path
    from store.kv.sqlite import SqliteKeyValueStore

    async def main():
        kv = await SqliteKeyValueStore.open(Path(sys.argv[1]))
        async def some():
            for _ in range(125):
                await kv.write(lambda txn: txn.add(b"n", 1))
        await asyncio.gather(*(some() for _ in range(4)))
        await kv.close()

    asyncio.run(main())
"""

_ACKNOWLEDGER = """
    import asyncio, os, sys
    from pathlib import Path
    from store.kv.sqlite import SqliteKeyValueStore

    async def main():
        kv = await SqliteKeyValueStore.open(Path(sys.argv[1]))
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


async def _child(code: str, path: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(code), str(path), stdout=asyncio.subprocess.PIPE
    )


async def test_two_processes_count_to_the_same_counter_and_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    children = [await _child(_COUNTER, path) for _ in range(2)]  # both also race to create the file
    assert [await child.wait() for child in children] == [0, 0]
    kv = await SqliteKeyValueStore.open(path)
    assert await kv.read(lambda txn: counter(txn.get(b"n"))) == 1000
    assert await kv.integrity() == []
    await kv.close()


async def test_every_acknowledged_write_survives_kill_9_and_no_transaction_is_half_there(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    child = await _child(_ACKNOWLEDGER, path)
    assert child.stdout is not None
    acknowledged = [(await child.stdout.readline()).strip() for _ in range(400)]
    child.send_signal(signal.SIGKILL)
    acknowledged += (await child.stdout.read()).split(b"\n")[:-1]  # a line cut short was not acknowledged
    await child.wait()
    kv = await SqliteKeyValueStore.open(path)
    keys = await kv.read(lambda txn: {key for key, _ in txn.scan(b"", b"\xff")})
    await kv.close()
    assert len(acknowledged) >= 400
    assert {b"a" + name for name in acknowledged} <= keys
    assert {key[1:] for key in keys if key[:1] == b"a"} == {key[1:] for key in keys if key[:1] == b"b"}


async def test_the_lock_of_a_killed_writer_is_free_at_once(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    child = await _child(_ACKNOWLEDGER, path)
    assert child.stdout is not None
    await child.stdout.readline()
    kv = await SqliteKeyValueStore.open(path)
    child.send_signal(signal.SIGKILL)
    await child.wait()

    def body(txn: WriteTxn) -> None:
        txn.put(b"mine", b"v")

    async with asyncio.timeout(10):
        await kv.write(body)
    assert await kv.integrity() == []
    await kv.close()
