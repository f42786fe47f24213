"""A small corpus on disk and a model trained on it, once for all tests that only read them."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from training.main import Options, train
from training.modern.compose import mails

DAY = datetime(2026, 1, 2, tzinfo=UTC)
QUICK = Options(composed=False, created=DAY)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders ham and spam of composed mails."""
    root = tmp_path_factory.mktemp("corpus")
    for name in ("ham", "spam"):
        (root / name).mkdir()
    for number, mail in enumerate(mails(1, 3, held_out=False)):
        folder = "spam" if mail.label.is_unwanted else "ham"
        (root / folder / f"{number:04d}.eml").write_bytes(mail.octets)
    return root


@pytest.fixture(scope="session")
def trained(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory made from ``corpus``."""
    out = tmp_path_factory.mktemp("model")
    train(corpus / "ham", corpus / "spam", out, options=QUICK)
    return out
