"""``mailward evaluate`` as a command: the whole chain over files, without network."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.main.command import main
from gateway.main.evaluating import judging
from gateway.settings import ClamAv, Config, Model, Pyzor
from training.modern.compose import mails


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mail")
    for name in ("ham", "spam"):
        (root / name).mkdir()
    for number, mail in enumerate(list(mails(1, 3, held_out=True))[::4]):
        (root / ("spam" if mail.label.is_unwanted else "ham") / f"{number}.eml").write_bytes(mail.octets)
    return root


def test_figures_a_page_and_no_subjects(folders: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    arguments = ["evaluate", "--ham", str(folders / "ham"), "--mail", f"spam:traps={folders / 'spam'}", "--json"]
    done = CliRunner().invoke(main, [*arguments, "--no-subjects", "--report", str(report)])
    assert done.exit_code == 0, done.output
    told = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    assert list(told["systems"]) == ["words", "words and language", "whole chain"]
    assert {row["name"] for row in told["systems"]["whole chain"]} == {"all", "traps", "yours"}
    assert told["systems"]["whole chain"][0]["auc"]["value"] > 0.9
    assert 0 <= told["language_model_share"] <= 1
    assert {row["stage"] for row in told["cost_ms"]} >= {"parse", "checks", "words", "whole chain"}
    assert str(folders) not in report.read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "there is no mail to judge"),
        (["--mail", "good=x"], "KIND=PATH"),
        (["--mail", "ham=nowhere"], "nowhere"),
        (["--composed", "--model", "nowhere"], "card.json"),
    ],
    ids=["nothing", "no kind", "no path", "no model"],
)
def test_what_is_missing_is_said_in_a_sentence(arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(main, ["evaluate", *arguments])
    assert done.exit_code == 2
    assert said in done.stderr and "Traceback" not in done.stderr


def test_the_chain_asks_nobody_whatever_is_configured() -> None:
    config = Config(
        pyzor=Pyzor(servers=("127.0.0.1:9",)), clamav=ClamAv(host="127.0.0.1:9"), model=Model(language=False)
    )
    text = "Please look at the plan for tomorrow and tell me what you think of it before noon, if you can.\n"
    with judging(config) as chain:
        verdict = chain(f"From: a@b.example\nSubject: Plan\n\n{text}".encode())
    assert verdict.action == "accept"
    assert not any("Pyzor" in said or "scanner" in said for _, said in verdict.reasons)
