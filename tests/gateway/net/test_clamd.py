"""ClamAV through our client, against a real clamd; and everything that may go wrong on the way."""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from gateway.checks import clamav as check
from gateway.net.clamd_client import ClamdClient
from gateway.pipeline.run import ask
from gateway.settings import ClamAv
from tests.support.clamd import EICAR, STREAM_OCTETS, Clamd, clamd
from tests.support.facts import facts, mail, with_attachment

INFECTED = with_attachment("invoice.com", EICAR).replace("\n", "\r\n").encode()
CLEAN = with_attachment("invoice.txt", b"nothing to see").replace("\n", "\r\n").encode()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clamd]:
    with clamd(tmp_path_factory.mktemp("c") / "clamd") as running:
        yield running


@pytest.fixture(params=["socket", "host"])
def client(daemon: Clamd, request: pytest.FixtureRequest) -> ClamdClient:
    return ClamdClient(ClamAv(**{request.param: getattr(daemon, request.param)}))


async def test_malware_in_an_attachment_is_named(client: ClamdClient) -> None:
    assert (await client.scan(INFECTED)).name.startswith("Test.Eicar")
    (found,) = await ask(check.check(client), facts(INFECTED))
    assert found.signal.name == "attachment.virus"
    assert found.detail.startswith("Test.Eicar")


async def test_clean_mail_shows_nothing(client: ClamdClient) -> None:
    assert await ask(check.check(client), facts(CLEAN)) == []


async def test_many_at_once_each_get_their_own_answer(client: ClamdClient) -> None:
    results = await asyncio.gather(*(client.scan(INFECTED if i % 2 else CLEAN) for i in range(20)))
    assert [bool(result.name) for result in results] == [bool(i % 2) for i in range(20)]
    assert {result.error for result in results} == {""}


async def test_a_mail_beyond_clamds_limit_is_evidence(client: ClamdClient) -> None:
    long = mail(base64.encodebytes(bytes(STREAM_OCTETS)).decode()).encode()
    (found,) = await ask(check.check(client), facts(long))
    assert found.signal.name in {"clamav.too-long", "clamav.unreachable"}  # it may close before it says why


async def test_a_mail_beyond_our_limit_is_not_sent() -> None:
    client = ClamdClient(ClamAv(host="127.0.0.1:9", max_octets=100))
    (found,) = await ask(check.check(client), facts(CLEAN))
    assert found.signal.name == "clamav.too-long"


Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def saying(line: bytes) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\0\0\0\0")
        writer.write(line)
        await writer.drain()
        writer.close()

    return answer


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def gone(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


WRONG: dict[str, tuple[Answer, str]] = {
    "silence": (silent, "clamav.unreachable"),
    "closed at once": (gone, "clamav.unreachable"),
    "an empty answer": (saying(b"\0"), "clamav.unreachable"),
    "garbage": (saying(b"\xff\xfe\x01 OK\0"), "clamav.unreachable"),
    "an answer about something else": (saying(b"fd[10]: OK\0"), "clamav.unreachable"),
    "an error": (saying(b"Can't allocate memory ERROR\0"), "clamav.unreachable"),
    "an endless line": (saying(b"stream: " + b"x" * 100_000), "clamav.unreachable"),
    "too long for it": (saying(b"INSTREAM size limit exceeded. ERROR\0"), "clamav.too-long"),
    "a guess": (saying(b"stream: Heuristics.Phishing.Email.SpoofedDomain FOUND\0"), "clamav.suspicious"),
    "merely unwanted": (saying(b"stream: PUA.Win.Packer.Upx FOUND\0"), "clamav.suspicious"),
    "malware": (saying(b"stream: Win.Test.Sample-1 FOUND\0"), "attachment.virus"),
}


@pytest.mark.parametrize(("answer", "signal"), WRONG.values(), ids=WRONG)
async def test_every_answer_is_evidence(answer: Answer, signal: str, tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    server = await asyncio.start_unix_server(answer, path)
    async with server:
        client = ClamdClient(ClamAv(socket=path, timeout_s=0.3))
        (found,) = await ask(check.check(client), facts(CLEAN))
        assert found.signal.name == signal


async def test_a_daemon_that_is_not_there_is_evidence(tmp_path: Path) -> None:
    client = ClamdClient(ClamAv(socket=str(tmp_path / "nobody")))
    (found,) = await ask(check.check(client), facts(CLEAN))
    assert (found.signal.name, found.detail) == ("clamav.unreachable", "no connection: FileNotFoundError")
