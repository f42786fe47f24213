"""Pyzor through our process, against the real pyzord of the package."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.checks import pyzor as check
from gateway.net.pyzor_client import PyzorClient, PyzorSettings
from gateway.pipeline.run import ask
from tests.support.facts import facts, mail
from tests.support.pyzord import free_port, pyzord

ROOT = Path(__file__).parents[3]

BODY = "\n".join(
    f"This is line number {word} of a mail that many people get." for word in ["one", "two", "three", "four", "five"]
)
SPAM = mail(BODY).replace("\n", "\r\n").encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    with pyzord(tmp_path_factory.mktemp("pyzord")) as address:
        host, _, port = address.rpartition(":")
        yield host, int(port)


@pytest.fixture
async def client(server: tuple[str, int]) -> AsyncIterator[PyzorClient]:
    client = PyzorClient(PyzorSettings(servers=(server,), timeout_s=5.0, digest_s=20.0))
    yield client
    await client.close()


def down(timeout_s: float = 0.3) -> PyzorSettings:
    return PyzorSettings(servers=(("127.0.0.1", free_port()),), timeout_s=timeout_s, digest_s=20.0)


async def test_what_was_reported_is_counted_by_check(client: PyzorClient) -> None:
    before = await client.check(SPAM)
    assert (before.count, before.error) == (0, "")
    for _ in range(4):
        assert (await client.report(SPAM)).error == ""
    after = await client.check(SPAM)
    assert after.count == 4
    assert after.digest == before.digest
    assert len(after.digest) == 40


async def test_reports_become_evidence(client: PyzorClient) -> None:
    octets = mail(BODY.replace("mail", "letter")).replace("\n", "\r\n").encode()
    looking = check.check(client)
    assert await ask(looking, facts(octets)) == []
    for _ in range(5):
        await client.report(octets)
    (found,) = await ask(looking, facts(octets))
    assert (found.signal.name, found.detail) == ("pyzor.listed", "5 times")


async def test_malformed_html_costs_its_own_answer_only(client: PyzorClient) -> None:
    broken = mail("<html><![foo bar " + BODY, Content_Type="text/html").encode()
    assert (await client.check(broken)).error.startswith("no digest")
    assert (await client.check(SPAM)).error == ""


async def test_deep_nesting_costs_its_own_answer_only(client: PyzorClient) -> None:
    levels = "".join(f'--b{i}\nContent-Type: multipart/mixed; boundary="b{i + 1}"\n\n' for i in range(3_000))
    nested = mail(levels, MIME_Version="1.0", Content_Type='multipart/mixed; boundary="b0"').encode()
    await client.check(nested)
    assert (await client.check(SPAM)).error == ""


async def test_a_server_that_is_down_is_evidence() -> None:
    client = PyzorClient(down())
    (found,) = await ask(check.check(client), facts(SPAM))
    assert found.signal.name == "pyzor.unreachable"
    await client.close()


async def test_the_next_server_is_asked_when_one_is_silent(server: tuple[str, int]) -> None:
    settings = down()
    client = PyzorClient(replace(settings, servers=(*settings.servers, server), timeout_s=2.0))
    assert (await client.check(SPAM)).error == ""
    await client.close()


async def test_an_overrun_kills_the_process_and_the_next_mail_gets_its_own_answer(server: tuple[str, int]) -> None:
    client = PyzorClient(PyzorSettings(servers=(server,), timeout_s=0.0, digest_s=0.0, processes=1))
    assert "no answer within" in (await client.check(SPAM)).error
    client.settings = PyzorSettings(servers=(server,), timeout_s=5.0, digest_s=20.0)
    assert (await client.check(SPAM)).error == ""
    await client.close()


async def test_a_cancelled_request_leaves_no_answer_behind(client: PyzorClient) -> None:
    other = await client.check(mail(BODY.replace("line", "row")).encode())
    task = asyncio.create_task(client.check(SPAM))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    again = await client.check(mail(BODY.replace("line", "row")).encode())
    assert again.digest == other.digest


async def test_long_mail_is_not_asked_about(client: PyzorClient) -> None:
    assert "too long" in (await client.check(b"x" * (client.settings.max_octets + 1))).error


async def test_short_text_is_not_asked_about() -> None:
    client = PyzorClient(down())
    assert await ask(check.check(client), facts(mail("Hi"))) == []
    await client.close()


async def test_a_closed_client_says_so(client: PyzorClient) -> None:
    await client.close()
    assert (await client.check(SPAM)).error == "closed"


def test_only_the_process_imports_the_library() -> None:
    importing = [
        str(path.relative_to(ROOT))
        for package in ("gateway", "models", "store", "protocols", "training")
        for path in sorted((ROOT / package).rglob("*.py"))
        if any(line.startswith(("import pyzor", "from pyzor")) for line in path.read_text("utf-8").splitlines())
    ]
    assert importing == ["gateway/net/pyzor_process.py"]
