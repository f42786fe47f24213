"""What a large mail took goes back to the system, once, some time after it."""

import asyncio
from datetime import UTC, datetime
from ipaddress import ip_address

import pytest

from gateway.envelope import Envelope, Peer, ReceptionId
from gateway.main import memory
from gateway.reply import Reply

ENVELOPE = Envelope(
    ReceptionId("id1"),
    Peer(ip_address("192.0.2.1"), 50_000, "mx.partner.example"),
    None,
    (),
    datetime(2026, 11, 22, tzinfo=UTC),
)
TAKEN = Reply(250, "2.0.0", "ok")


@pytest.mark.parametrize(
    ("sizes", "trims"), [((10,), 0), ((memory.LARGE_OCTETS,), 1), ((memory.LARGE_OCTETS,) * 3, 1)], ids=str
)
async def test_only_large_mails_are_followed_by_one_trim(
    sizes: tuple[int, ...], trims: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    done = asyncio.Event()

    def trim(pad: int) -> int:
        asked.append(pad)
        loop.call_soon_threadsafe(done.set)
        return 1

    async def receive(_: Envelope, octets: bytes) -> Reply:
        return TAKEN

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(memory, "QUIET_S", 0.0)
    monkeypatch.setattr(memory, "_malloc_trim", lambda: trim)
    trimmer = memory.Trimmer(receive)
    for size in sizes:
        assert await trimmer.receive(ENVELOPE, b"x" * size) == TAKEN
    if trims:
        await asyncio.wait_for(done.wait(), 5)
    assert len(asked) == trims


async def test_a_c_library_that_cannot_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async def receive(_: Envelope, octets: bytes) -> Reply:
        return TAKEN

    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: object())
    assert not memory.give_back_large_blocks()
    assert await memory.Trimmer(receive).receive(ENVELOPE, b"x" * memory.LARGE_OCTETS) == TAKEN
