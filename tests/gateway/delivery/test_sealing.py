"""Mail that goes on to another host carries our seal; mail that stays does not."""

from dataclasses import replace

import msgspec
import pytest

from gateway.config import ConfigError, parse
from gateway.delivery.commit import Commit
from gateway.envelope import Recipient, RelayTarget
from gateway.learning.labels import label_of_view
from gateway.mailauth.arc import check_arc
from gateway.mailauth.seal import load_sealer
from gateway.mailauth.settings import AuthSettings
from gateway.main.sealing import sealer_of
from gateway.observe.stages import Stages
from gateway.outbound.relay import RelayBody
from gateway.pipeline.judge import Judgement
from gateway.pipeline.verdict import Action, Verdict
from store.blob.contract import BlobId
from store.changes.engine import Store
from store.queue import jobs
from tests.gateway.mailauth.mailroom import parsed, resolver, rsa_key
from tests.support.facts import envelope, facts, mail
from tests.support.mail_store import new_account

SEALER = load_sealer(rsa_key().private, "us.test", "sel")
KEYS = {"sel._domainkey.us.test": {"TXT": [rsa_key().record]}}
PARTS = {"seal_key": "arc.pem", "seal_domain": "us.test", "seal_selector": "sel"}


async def test_a_relayed_mail_is_sealed_and_the_seal_holds(store: Store) -> None:
    bob = await new_account(store)
    rcpt_to = (Recipient(bob.address, account=bob.id), Recipient("a@out.test", relay=RelayTarget("mail.test", 25)))
    mailed = facts(mail(), envelope=replace(envelope(), rcpt_to=rcpt_to))
    verdict = Verdict(Action.ACCEPT, "ham", 0.01, ())
    commit = Commit(
        store,
        "mx.us.test",
        30,
        (0.6, 0.85, 1.0),
        lambda i, f, s, b, t: label_of_view(i, f.view, s, b, t),
        sealer=SEALER,
    )
    await commit.act(mailed, Judgement(verdict, (), False), Stages())
    [job] = await store.read(jobs.waiting)
    octets = await store.blobs.read(BlobId(msgspec.msgpack.decode(job.body, type=RelayBody).blob))
    assert octets.startswith(b"ARC-Seal: i=1; cv=none;") and b"\r\nReturn-Path:" in octets
    found = await check_arc(parsed(octets), resolver(KEYS), AuthSettings())
    assert (found.result, found.sealers) == ("pass", ("us.test",))
    assert "mx.us.test" in found.oldest_results


async def test_a_mail_that_stays_is_not(store: Store) -> None:
    bob = await new_account(store)
    mailed = facts(mail(), envelope=replace(envelope(), rcpt_to=(Recipient(bob.address, account=bob.id),)))
    commit = Commit(
        store,
        "mx.us.test",
        30,
        (0.6, 0.85, 1.0),
        lambda i, f, s, b, t: label_of_view(i, f.view, s, b, t),
        sealer=SEALER,
    )
    octets, _ = commit._stamped(mailed, Verdict(Action.ACCEPT, "ham", 0.01, ()))
    assert b"ARC-Seal" not in octets


def test_the_key_is_read_from_beside_the_configuration(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("config")
    config = parse({"domain": {"us.test": {}}, "auth": PARTS}, folder)
    with pytest.raises(ConfigError, match="cannot be read"):
        sealer_of(config)
    (folder / "arc.pem").write_bytes(b"hello")
    with pytest.raises(ConfigError, match="no private key"):
        sealer_of(config)
    (folder / "arc.pem").write_bytes(rsa_key().private)
    sealer = sealer_of(config)
    assert sealer is not None and (sealer.domain, sealer.selector) == ("us.test", "sel")
    assert sealer_of(parse({"domain": {"us.test": {}}}, folder)) is None


@pytest.mark.parametrize(
    "auth",
    [
        pytest.param({"seal_key": "arc.pem"}, id="half"),
        pytest.param({**PARTS, "seal_domain": "us test"}, id="no-domain"),
        pytest.param({"trusted_sealers": ["a b"]}, id="no-sealer"),
    ],
)
def test_a_slip_of_the_pen_is_told(auth: dict[str, object], tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(ConfigError, match="auth"):
        parse({"domain": {"us.test": {}}, "auth": auth}, tmp_path_factory.mktemp("config"))
