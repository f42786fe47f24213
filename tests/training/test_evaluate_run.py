"""An evaluation from folders to figures and a page, with a chain that the caller brings."""

import json
import re
from pathlib import Path
from types import MappingProxyType

import pytest

from models import artefact
from training.corpus.readers import UnreadableCorpus
from training.corpus.sample import Label
from training.evaluate.cases import BadKind, Case, Given, composed, given, of_paths
from training.evaluate.page import Shown, page
from training.evaluate.report import Report
from training.evaluate.run import Wishes, evaluate
from training.evaluate.scoring import BOTH, CHAIN, WORDS, ChainVerdict, Systems
from training.evaluate.text import attacks_markdown, figures_markdown, text

LURE = "<script>alert(1)</script>"


def chain(octets: bytes) -> ChainVerdict:
    """Judges by one word, and says why."""
    nats = 3.0 if b"verify" in octets.lower() else -3.0
    action = "quarantine" if nats > 0 else "accept"
    return ChainVerdict(
        nats, action, "phish", ((nats, f"It says verify {LURE}"),), nats > 0, MappingProxyType({"checks": 1.5})
    )


@pytest.fixture(scope="module")
def found(corpus: Path, trained: Path) -> Report:
    mails = of_paths([Given(corpus / "ham", Label.LEGITIMATE), Given(corpus / "spam", Label.UNWANTED, "spam trap")])
    systems = Systems(artefact.load(trained), chain=chain, language=False)
    return evaluate(mails, systems, Wishes(seed=3, attacks=True, attacked=5), "test", lambda *_: None)


def test_systems_stand_side_by_side(found: Report) -> None:
    assert found.systems == (WORDS, CHAIN)
    assert [row.name for row in found.figures[WORDS]] == ["all", "spam trap", "yours"]
    (auc,) = (row.auc for row in found.figures[WORDS] if row.name == "all")
    assert auc is not None and auc.value > 0.97
    assert found.read_share is not None and 0 < found.read_share < 1
    assert {row.stage for row in found.costs} >= {"words alone", "checks"}


def test_every_attack_is_tried_on_every_system(found: Report) -> None:
    assert len(found.attacks) == 14 * 2
    assert {hit.at_rate.of for hit in found.attacks} == {5}
    clean = [hit for hit in found.attacks if hit.attack == "as it was"]
    assert [hit.lost_at_junk for hit in clean] == [0.0, 0.0]


def test_the_page_holds_all_it_needs_and_nothing_of_a_mail_unescaped(found: Report) -> None:
    shown = page(found, Shown())
    assert "<script" not in shown and "src=" not in shown and "@import" not in shown and "url(" not in shown
    assert "&lt;script&gt;" in shown
    assert shown.count("<svg") == 3 and "prefers-color-scheme:dark" in shown and 'name="viewport"' in shown
    assert not re.search(r"\bnan\b|>None<", shown)


def test_subjects_and_paths_stay_out_when_asked(found: Report) -> None:
    (mistake, *_) = (m for side in found.worst for m in side)
    whole, without = page(found, Shown()), page(found, Shown(subjects=False))
    assert mistake.case.path in whole and mistake.case.path not in without
    told = json.dumps(found.as_json(subjects=False))
    assert mistake.case.path not in told and '"subject"' not in told


def test_the_same_mail_and_seed_give_the_same_report(corpus: Path, trained: Path) -> None:
    def once() -> str:
        mails = of_paths([Given(corpus / "ham", Label.HAM), Given(corpus / "spam", Label.SPAM)])
        got = evaluate(mails, Systems(artefact.load(trained), language=False), Wishes(seed=3, limit=40), "test")
        return figures_markdown(got.figures[WORDS])

    assert once() == once()


def test_words_for_a_terminal_and_tables_for_a_document(found: Report) -> None:
    assert "whole chain" in text(found) and "junked wrongly" in text(found)
    assert len(attacks_markdown(found.attacks).splitlines()) == 2 + 14
    assert figures_markdown(found.figures[CHAIN]).count("|\n") == 2 + 3


def test_without_the_chain_the_best_model_is_what_is_shown(trained: Path) -> None:
    systems = Systems(artefact.load(trained))
    assert systems.names == (WORDS, BOTH)
    got = evaluate(list(composed(1, 1))[:12], systems, Wishes(), "test")
    assert got.main == BOTH and got.read_share is None
    assert "need both" in page(evaluate([Case(b"Subject: a\n\nb", Label.HAM, "x")], systems, Wishes(), "t"), Shown())


def test_a_limit_takes_mail_of_every_source_and_side(corpus: Path, trained: Path) -> None:
    mails = of_paths([Given(corpus / "ham", Label.HAM, "a"), Given(corpus / "spam", Label.SPAM, "b")])
    got = evaluate(mails, Systems(artefact.load(trained), language=False), Wishes(limit=5), "t")
    assert [m.case.source for m in got.mails] == ["a"] * 5 + ["b"] * 5


def test_held_out_buckets_alone(corpus: Path, trained: Path) -> None:
    systems = Systems(artefact.load(trained), language=False)
    given_mail = [Given(corpus / "ham", Label.HAM)]
    every = evaluate(of_paths(given_mail), systems, Wishes(), "t").mails
    held = evaluate(of_paths(given_mail), systems, Wishes(held_out=True), "t").mails
    assert 0 < len(held) < len(every) / 2


def test_composed_mail_says_its_language_and_is_never_one_that_is_learnt() -> None:
    from training.modern.compose import is_held_out as scenario_held
    from training.modern.letter import is_held_out as letter_held

    mails = list(composed(1, 1))
    assert len({m.language for m in mails}) > 8
    assert all(scenario_held(m.family) or letter_held(m.family) for m in mails)


@pytest.mark.parametrize(
    ("text_", "label", "source"),
    [
        ("phish=/m/new", Label.PHISH, "new"),
        ("ham:2002, old=/m", Label.HAM, "2002, old"),
        ("bulk=a=b", Label.BULK, "a=b"),
    ],
)
def test_kinds_and_sources_on_the_command_line(text_: str, label: Label, source: str) -> None:
    assert (given(text_).label, given(text_).source) == (label, source)


@pytest.mark.parametrize("text_", ["good=/m", "ham", "ham=", "=x", ""])
def test_what_is_no_kind_of_mail(text_: str) -> None:
    with pytest.raises(BadKind, match="KIND=PATH"):
        given(text_)


def test_a_path_without_mail_and_nothing_held_out_are_told(tmp_path: Path, trained: Path) -> None:
    systems = Systems(artefact.load(trained), language=False)
    with pytest.raises(UnreadableCorpus, match="holds no mail"):
        evaluate(of_paths([Given(tmp_path, Label.HAM)]), systems, Wishes(), "t")
    with pytest.raises(UnreadableCorpus, match="no mail is left"):
        evaluate([], systems, Wishes(), "t")
