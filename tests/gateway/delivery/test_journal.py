"""The canonical log line: its fields are those of the documentation, one line a recipient."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from gateway.delivery.commit import Outcome
from gateway.delivery.journal import auth_summary, journal, strongest
from gateway.mailauth.results import AuthResults, DkimResult, DmarcResult, SpfResult
from gateway.observe.stages import Stages
from gateway.pipeline.verdict import Action
from store.trace.rows import OutcomeRow, ReasonRow, Trace

DOCUMENTED = Path(__file__).parents[3] / "docs" / "log.md"
AUTH = AuthResults(
    spf_mailfrom=SpfResult("pass", "shop.example"),
    dkim=(DkimResult("fail", "list.example"), DkimResult("pass", "shop.example"), DkimResult("pass", "esp.example")),
    dmarc=DmarcResult("pass"),
)
AUTH_SAID = {
    "spf": "pass", "dkim": "pass shop.example,esp.example", "dmarc": "pass", "arc": "none", "iprev": "none",
}  # fmt: skip
REASONS = (
    ReasonRow("model.words", 2.3456, "The words say: pills"),
    ReasonRow("prior", -0.8, "What mail from strangers looks like on average"),
    ReasonRow("spf.pass", -0.2, "The host may send for shop.example"),
    ReasonRow("iprev.pass", -0.01, "The host has a name"),
)
TRACE = Trace(
    "01jd3k8s7qx7m2wz", 1_770_000_000_000, "192.0.2.7", "mx.shop.example", "TLSv1.3", "b@shop.example",
    "Shop <news@shop.example>", "Sale", 4_200, None, "spam", "junk", 0.79, "", REASONS, ("m-1",), "default",
    msgspec.json.encode(AUTH),
    (
        OutcomeRow("ana@example.com", 3, "", "junk", 17, "only-ana", "Ana does not want it"),
        OutcomeRow("bob@relayed.example", None, "10.0.0.5:25", "accept"),
    ),
    {"parse": 0.4},
)  # fmt: skip


def lines() -> list[Any]:
    stages = Stages()
    stages.ms = {"parse": 0.4, "store": 1.5}
    with capture_logs() as found:
        journal(Outcome(Action.JUNK, "spam", TRACE, "<1@shop.example>"), stages)
    return found


def test_there_is_a_line_for_each_recipient() -> None:
    first, second = lines()
    assert first == {
        "event": "message",
        "log_level": "info",
        "id": "01jd3k8s7qx7m2wz",
        "message_id": "<1@shop.example>",
        "ip": "192.0.2.7",
        "helo": "mx.shop.example",
        "tls": "TLSv1.3",
        "mail_from": "b@shop.example",
        "from": "Shop <news@shop.example>",
        "size": 4_200,
        "auth": AUTH_SAID,
        "verdict": "spam",
        "p": 0.79,
        "score": 6.9,
        "signals": {"model.words": 2.35, "spf.pass": -0.2},
        "rcpt": "ana@example.com",
        "act": "junk",
        "rule": "only-ana",
        "why": "Ana does not want it",
        "relay": "",
        "email": 17,
        "model": ["m-1"],
        "policy": "default",
        "ms": {"parse": 0.4, "store": 1.5},
    }  # fmt: skip
    assert (second["rcpt"], second["act"], second["rule"]) == ("bob@relayed.example", "accept", "")
    assert (second["relay"], second["email"]) == ("10.0.0.5:25", None)


def test_every_field_is_documented_and_nothing_else() -> None:
    text = DOCUMENTED.read_text("utf-8")
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    documented = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    logged = [name for name in lines()[0] if name not in {"event", "log_level"}]
    assert documented == [*logged, "t", "level"]


def test_only_the_strongest_signals_are_named() -> None:
    many = tuple(ReasonRow(f"url.{n}", n / 10 * (-1) ** n, "") for n in range(1, 30))
    found = strongest(many)
    assert list(found.items())[:2] == [("url.29", -2.9), ("url.28", 2.8)]
    assert len(found) == 8


@pytest.mark.parametrize(
    ("auth", "dkim"),
    [
        (AuthResults(), "none"),
        (AuthResults(dkim=(DkimResult("temperror", "a.example"),)), "temperror"),
        (AuthResults(dkim=(DkimResult("fail", "a.example"), DkimResult("pass", "b.example"))), "pass b.example"),
    ],
    ids=["unsigned", "unknown", "one passes"],
)
def test_a_signature_that_passes_is_what_counts(auth: AuthResults, dkim: str) -> None:
    assert auth_summary(msgspec.json.encode(auth))["dkim"] == dkim
