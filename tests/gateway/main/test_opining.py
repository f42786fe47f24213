"""The second opinion from the configuration to a verdict, over loopback."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.config import ConfigError
from gateway.main.offline import Told, envelope_of
from gateway.main.opining import second_reader_of
from gateway.main.services import build
from gateway.main.storage import open_store
from gateway.observe.stages import Stages
from gateway.settings import Config, Domain, Model
from gateway.settings.second_opinion import SecondOpinion
from tests.support.chat_server import chat_server, opinion
from tests.support.facts import mail

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


async def test_what_serves_asks_and_hears(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("secret-1\n")
    async with chat_server(opinion("suspicious", "fraud", 1.0)) as server:
        wishes = SecondOpinion(url=server.url, model="tiny", key_file=str(key), band=(0.0, 1.0))
        config = Config(domain={"example.com": Domain()}, second_opinion=wishes, model=Model(language=False))
        services = await build(config, clock=lambda: NOW, store=await open_store(None))
        try:
            octets = mail("Please buy gift cards for me today.").replace("\n", "\r\n").encode()
            envelope, stages = envelope_of(octets, Told()), Stages()
            facts = await services.judging.gatherer.facts(envelope, octets, stages)
            verdict = (await services.judging.judge.judge(facts, stages)).verdict
        finally:
            await services.close()
    (said,) = (r for r in verdict.reasons if r.signal == "opinion.suspicious")
    assert said.nats == 1.2 and said.sentence == "A second opinion finds it suspicious: fraud (100%)"
    assert "Bearer secret-1" in server.heads[0]


async def test_without_an_address_nobody_is_asked() -> None:
    assert second_reader_of(Config(), await open_store(None), lambda: NOW) is None


@pytest.mark.parametrize(
    "contents", [None, b"", b"two words", b"\xff\xfe"], ids=["missing", "empty", "words", "no text"]
)
async def test_a_key_that_is_none_is_told(contents: bytes | None, tmp_path: Path) -> None:
    if contents is not None:
        (tmp_path / "key").write_bytes(contents)
    wishes = SecondOpinion(url="http://127.0.0.1:9/v1", model="m", key_file=str(tmp_path / "key"))
    with pytest.raises(ConfigError, match=r"second_opinion\.key_file"):
        second_reader_of(Config(second_opinion=wishes), await open_store(None), lambda: NOW)
