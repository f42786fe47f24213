"""The demo scenario is an end-to-end test: real SMTP, real signatures, the verdicts it promises."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.demo.scenario import scenario
from tests.support.gateway import mailward


@pytest.fixture(scope="module")
def demo() -> tuple[int, list[dict[str, Any]]]:
    done = mailward("demo", "--exit", "--json", check=False)
    assert done.stdout, done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def test_every_sample_gets_the_verdict_that_the_scenario_promises(demo: tuple[int, list[dict[str, Any]]]) -> None:
    code, rows = demo
    wrong = [
        f"{r['sample']}: {r.get('action')} {r.get('category')} {r.get('probability')}" for r in rows if not r["fits"]
    ]
    assert wrong == []
    assert code == 0
    assert len(rows) >= 40


def test_the_samples_are_authenticated_as_they_were_made(demo: tuple[int, list[dict[str, Any]]]) -> None:
    expected = {s.name: s for s in scenario(datetime(2026, 11, 22, 10, 0, tzinfo=UTC)).samples}
    for row in demo[1]:
        sample, auth = expected[row["sample"]], row["auth"]
        assert auth["spf_mailfrom"]["result"] == sample.expect_spf, sample.name
        assert auth["dmarc"]["result"] == sample.expect_dmarc, sample.name
        assert auth["arc"]["result"] == sample.expect_arc, sample.name
