"""Training from folders to a directory that the run time loads, and what it refuses."""

import json
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from models import artefact
from models.bayes import Bayes
from models.errors import ArtefactDamaged, ArtefactMissing, ArtefactOutdated
from tests.training.conftest import QUICK
from training.corpus.readers import UnreadableCorpus
from training.corpus.sample import read
from training.fit.words import UnlearnableInput, as_matrix, balance, fit_words
from training.main import evaluate, train
from training.modern.compose import mails


def test_a_trained_directory_scores_with_the_run_time(corpus: Path, trained: Path) -> None:
    model = artefact.load(trained)
    assert model.card.schema == artefact.SCHEMA
    assert {s.name for s in model.card.sources} == {"yours"}
    measured = evaluate(trained, corpus / "ham", corpus / "spam", language=False)["yours"]
    assert measured.accuracy > 0.9
    assert measured.auc > 0.97


def test_the_same_seed_gives_the_same_octets(corpus: Path, trained: Path, tmp_path: Path) -> None:
    again = train(corpus / "ham", corpus / "spam", tmp_path / "again", options=QUICK)
    assert again == artefact.read_card(trained)
    assert (tmp_path / "again" / "bayes.npz").read_bytes() == (trained / "bayes.npz").read_bytes()


def test_progress_is_reported_to_the_end(corpus: Path, tmp_path: Path) -> None:
    seen: dict[str, tuple[int, int]] = {}
    train(
        corpus / "ham",
        corpus / "spam",
        tmp_path / "out",
        lambda what, n, of: seen.update({what: (n, of)}),
        options=QUICK,
    )
    assert seen["word model folds"] == (5, 5)
    assert seen["reading mail"][0] == seen["reading mail"][1] > 50


def test_arrays_score_as_scikit_learn_does() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import ComplementNB

    samples = [read(m) for m in mails(1, 5, held_out=False)]
    bad = np.array([s.label.is_unwanted for s in samples])
    weights = fit_words(samples, seed=1).weights
    scorer = Bayes(weights, fit_words(samples, seed=1).calibration)
    matrix = as_matrix(scorer, [s.features for s in samples])
    worth = balance(samples)
    linear = LogisticRegression(C=300.0, max_iter=300, random_state=1).fit(matrix, bad, sample_weight=worth)
    naive = ComplementNB(alpha=0.05).fit(matrix, bad, sample_weight=worth)
    log = naive.predict_joint_log_proba(matrix)
    raw = [scorer.raw(s.features) for s in samples]
    assert np.allclose([r.linear for r in raw], linear.decision_function(matrix), rtol=1e-4, atol=1e-4)
    assert np.allclose([r.complement for r in raw], log[:, 1] - log[:, 0], atol=1e-4)


def test_explanations_name_words_of_the_mail(trained: Path) -> None:
    model = artefact.load(trained)
    lure = next(read(m) for m in mails(1, 9, held_out=False) if m.label == "phish" and m.family == "statement")
    pulls = model.bayes.top_words(lure.view, lure.features)
    assert 0 < len(pulls) <= 10
    assert all(abs(a.nats) >= abs(b.nats) for a, b in pairwise(pulls))
    assert any(p.nats > 0 and p.words.split()[0] in lure.view.normal for p in pulls)


def test_too_few_mails_are_refused(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "few").mkdir()
    shutil.copy(next((corpus / "spam").iterdir()), tmp_path / "few")
    with pytest.raises(UnlearnableInput, match="at least 10 of each"):
        train(corpus / "ham", tmp_path / "few", tmp_path / "out", options=QUICK)


def test_mails_without_text_are_refused(tmp_path: Path) -> None:
    for kind in ("ham", "spam"):
        (tmp_path / kind).mkdir()
        for n in range(60):
            (tmp_path / kind / f"{n}.eml").write_bytes(b"X-%d: %s\r\n\r\n" % (n, kind.encode()))
    with pytest.raises(UnlearnableInput, match="readable text"):
        train(tmp_path / "ham", tmp_path / "spam", tmp_path / "out", options=QUICK)


def test_a_path_without_mail_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableCorpus, match="holds no mail"):
        train(tmp_path, tmp_path, tmp_path / "out", options=QUICK)


def _copy(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "model"))


def test_another_feature_schema_is_refused(trained: Path, tmp_path: Path) -> None:
    model = _copy(trained, tmp_path)
    card = json.loads((model / "card.json").read_text())
    (model / "card.json").write_text(json.dumps(card | {"schema": "0" * 16}))
    with pytest.raises(ArtefactOutdated, match="mailward train"):
        artefact.load(model)


@pytest.mark.parametrize("name", ["bayes.npz", "calibration.json"])
def test_a_damaged_file_is_refused(trained: Path, tmp_path: Path, name: str) -> None:
    model = _copy(trained, tmp_path)
    (model / name).write_bytes((model / name).read_bytes()[:-1] + b"~")
    with pytest.raises(ArtefactDamaged, match=name):
        artefact.load(model)


@pytest.mark.parametrize("name", ["card.json", "bayes.npz", "weights.json"])
def test_a_missing_file_is_refused(trained: Path, tmp_path: Path, name: str) -> None:
    model = _copy(trained, tmp_path)
    (model / name).unlink()
    with pytest.raises(ArtefactMissing, match=name):
        artefact.load(model)


@pytest.mark.parametrize(
    "contents", ['{"prior": 1}', '{"prior": 0, "signals": {"a": "x"}}', "[", '{"prior":1e999,"signals":{}}']
)
def test_weights_that_make_no_sense_are_refused(trained: Path, tmp_path: Path, contents: str) -> None:
    model = _copy(trained, tmp_path)
    (model / "weights.json").write_text(contents)
    with pytest.raises(ArtefactDamaged, match=r"weights\.json"):
        artefact.load(model)
