"""Why a mail was judged as it was, from outside: `mailward explain --words`, `mailward signals --hits`, /metrics."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.test_one_message import send
from tests.support.gateway import MAILWARD, Gateway, serving
from tests.support.letters import PHISH


@pytest.fixture
def alone(tmp_path: Path, dns: str) -> Any:
    """A gateway that lets this machine read its figures."""
    with serving(tmp_path, dns, more='\n[metrics]\nnetworks = ["127.0.0.1"]\n') as running:
        running.add_user("ana@example.com")
        yield running


def in_german(gateway: Gateway, *arguments: str) -> str:
    done = subprocess.run(
        [*MAILWARD, *arguments, "--config", str(gateway.config)],
        env=os.environ | {"LC_ALL": "de_DE.UTF-8"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_mail_is_explained_and_counted(alone: Gateway) -> None:
    reception = send(alone, PHISH, sender="x@phish.test", ip="203.0.113.5")
    told = json.loads(alone.command("explain", reception, "--json", "--words").stdout)
    assert told["log_odds"] == pytest.approx(sum(r["nats"] for r in told["reasons"]), abs=1e-6)
    named = sum(word["nats"] for word in told["words"])
    assert named + told["words_rest"] == pytest.approx(told["words_nats"], abs=1e-6)
    assert told["judged_again"]["action"] == told["action"]
    assert told["judged_again"]["probability"] == pytest.approx(told["probability"], abs=0.02)
    assert told["sentences"]
    seen = {reason["signal"] for reason in told["reasons"]}
    assert set(told["what_if"]["without"]) <= seen

    english = alone.command("explain", reception, "--words").stdout
    assert "words, in nats:" in english
    german = in_german(alone, "explain", reception, "--words")
    assert "Wörter, in nats:" in german
    assert "Wie Post von Fremden im Durchschnitt aussieht" in german

    host, port = alone.listen["http"]
    assert httpx.get(f"http://{host}:{port}/metrics").text.startswith("# HELP mailward_mails_total")


def test_what_was_seen_is_told_after_the_server_stopped(tmp_path: Path, dns: str) -> None:
    with serving(tmp_path, dns) as running:
        running.add_user("ana@example.com")
        send(running, PHISH, sender="x@phish.test", ip="203.0.113.5")
        host, port = running.listen["http"]
        assert httpx.get(f"http://{host}:{port}/metrics").status_code == 404
    lines = running.command("signals", "--hits", "--json").stdout.splitlines()
    rows = {row["signal"]: row for row in map(json.loads, lines)}
    assert rows["model.words"]["by_verdict"]["unwanted"] == 1
    assert rows["model.words"]["by_label"]["unwanted"] == 0
    assert "1 not" in running.command("signals", "--hits").stdout
