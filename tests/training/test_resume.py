"""A run that was interrupted goes on; what is wrong with the mail is said."""

from pathlib import Path

import numpy as np
import pytest

from models import artefact
from tests.training.conftest import DAY, QUICK
from training import main
from training.corpus.sample import Label, Mail, Sample, read
from training.feedback import ENOUGH, compare, figures_of
from training.fit.words import FittedWords, UnlearnableInput
from training.main import Options, read_samples, train_on
from training.modern.compose import mails
from training.resume import FOLDER, Unfinished, mark_of, words_of_arrays, words_to_arrays


@pytest.fixture(scope="module")
def samples(corpus: Path) -> list[Sample]:
    return read_samples(corpus / "ham", corpus / "spam")


def stop_at(step: str) -> main.Progress:
    def progress(what: str, done: int, of: int) -> None:
        if what == step and done:
            raise KeyboardInterrupt

    return progress


def test_a_run_that_was_interrupted_goes_on_and_ends_the_same(
    samples: list[Sample], trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        train_on(samples, out, stop_at("language model reads"), options=QUICK)
    assert not (out / "card.json").exists()

    def never(*_: object) -> FittedWords:
        raise AssertionError("fitted again")

    monkeypatch.setattr(main, "fit_words", never)
    done = train_on(samples, out, options=QUICK)
    assert done.has_gone_on
    assert done.card == artefact.read_card(trained)
    assert (out / "bayes.npz").read_bytes() == (trained / "bayes.npz").read_bytes()
    assert (out / "calibration.json").read_bytes() == (trained / "calibration.json").read_bytes()
    assert not (out / FOLDER).exists()


def test_what_another_run_left_is_not_used(samples: list[Sample], tmp_path: Path) -> None:
    step = {"said": np.arange(3.0)}
    Unfinished(tmp_path, mark_of(samples, 1)).keep("said", step)
    assert Unfinished(tmp_path, mark_of(samples, 2)).get("said") is None
    assert Unfinished(tmp_path, mark_of(samples[1:], 1)).get("said") is None
    kept = Unfinished(tmp_path, mark_of(samples, 1)).get("said")
    assert kept is not None and kept["said"].tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("octets", [b"", b"PK\x03\x04", b"PK\x05\x06" + bytes(18), bytes(1000)])
def test_a_step_that_was_half_written_is_done_again(tmp_path: Path, octets: bytes) -> None:
    unfinished = Unfinished(tmp_path, "mark")
    unfinished.keep("words", {"a": np.zeros(3)})
    (tmp_path / FOLDER / "words.npz").write_bytes(octets)
    assert unfinished.get("words") is None


def test_fitted_words_survive_the_way_to_disk(trained: Path) -> None:
    model = artefact.load(trained)
    fitted = FittedWords(model.bayes.weights, model.bayes.calibration, np.arange(3.0))
    again = words_of_arrays(words_to_arrays(fitted))
    assert again.calibration == fitted.calibration
    assert np.array_equal(again.weights.linear, fitted.weights.linear)
    assert again.weights.linear_bias == fitted.weights.linear_bias
    assert np.array_equal(again.out_of_fold, fitted.out_of_fold)


@pytest.mark.parametrize(("label", "sentence"), [(Label.SPAM, "unwanted"), (Label.HAM, "wanted")])
def test_one_class_only_is_refused(tmp_path: Path, label: Label, sentence: str) -> None:
    alike = [read(Mail(mail.octets, label, "yours")) for mail in list(mails(1, 3, held_out=False))[:30]]
    with pytest.raises(UnlearnableInput, match=f"all 30 mails are {sentence}: give some"):
        train_on(alike, tmp_path / "out", options=Options(created=DAY))


def test_labels_that_look_wrong_are_named(tmp_path: Path) -> None:
    """Every fortieth spam is called wanted; its copies are not."""
    given = [
        Mail(mail.octets, Label.HAM if (is_wrong := mail.label.is_unwanted and number % 40 == 0) else mail.label,
             "yours", name=f"{'wrong' if is_wrong else 'right'}-{number}")
        for number, mail in enumerate(mails(4, 3, held_out=False))
    ]  # fmt: skip
    samples = [read(mail) for mail in given]
    done = train_on(samples, tmp_path / "out", options=QUICK)
    wrong = {each.name for each in samples if each.name.startswith("wrong") and each.bucket <= 6}
    named = [doubt.name for doubt in done.doubts]
    assert len(wrong & set(named)) * 3 >= len(wrong) * 2
    assert len(named) < done.given / 10
    assert all(not doubt.is_unwanted and doubt.nats > 0 for doubt in done.doubts if doubt.name in wrong)


def test_huge_and_unreadable_files_are_passed_over_and_named(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(next((corpus / "ham").iterdir()).read_bytes())
    (tmp_path / "b.eml").write_bytes(b"Subject: x\r\n\r\n" + bytes(5 << 20))
    (tmp_path / "c.eml").symlink_to(tmp_path / "c.eml")
    skipped: list[str] = []
    found = read_samples(tmp_path, None, skipped=skipped)
    assert [Path(each.name).name for each in found] == ["a.eml"]
    assert len(skipped) == 1 and "larger than 4 MB" in skipped[0]


def test_a_worse_model_is_seen_and_too_few_mails_prove_nothing(samples: list[Sample], trained: Path) -> None:
    good = artefact.load(trained)
    held = [each for each in samples if each.bucket > 6]
    turned = artefact.Artefact(good.path, good.card, good.bayes, good.stack, good.weights)
    assert not compare(good, turned, held, language=False).is_worse
    bad = artefact.Artefact(good.path, good.card, _lying(good), good.stack, good.weights)
    found = compare(good, bad, held, language=False)
    assert found.is_enough and found.is_worse
    assert "is worse" in found.sentence and str(found.current) in found.sentence
    few = compare(good, bad, held[: ENOUGH - 1], language=False)
    assert not few.is_enough and not few.is_worse
    assert "too few" in few.sentence


def _lying(model: artefact.Artefact) -> object:
    from models.bayes import Bayes, WordCalibration

    scale = model.bayes.calibration
    return Bayes(model.bayes.weights, WordCalibration(-scale.complement, -scale.linear, -scale.window, -scale.bias))


def test_figures_count_both_classes_alike() -> None:
    found = figures_of("m", [-3.0, 1.0, 3.0, 3.0, -1.0], [False, False, True, True, True])
    assert (found.wanted, found.junked, found.unwanted, found.missed) == (2, 1, 3, 1)
    assert found.loss == pytest.approx(
        np.mean([np.logaddexp(0, [-3.0, 1.0]).mean(), np.logaddexp(0, [-3.0, -3.0, 1.0]).mean()])
    )
