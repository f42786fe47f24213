"""Labelled raw mails from a path, as ``store.mailfiles`` reads it, and two layouts of public corpora."""

from collections.abc import Iterator
from pathlib import Path

from store.mailfiles import NoMail, read_mails, without_mbox_line
from training.corpus.sample import Label, Mail

MAIL_OCTETS = 4 * 1024 * 1024  #: larger files are skipped: they are archives or attachments, not training text
INDEX_OCTETS = 64 * 1024 * 1024


class UnreadableCorpus(Exception):
    """There is no mail where some was expected, or it cannot be read. The message says what to do."""


def read_path(path: Path, label: Label, source: str = "", skipped: list[str] | None = None) -> Iterator[Mail]:
    """Every mail under a path. Raises UnreadableCorpus when there is none, or none that can be read.

    ``skipped`` gets a line for each file that is too large or cannot be read.
    """
    good, faults = 0, []
    try:
        for found in read_mails(path):
            if found.error:
                faults.append(f"{found.path}: {found.error}")
            elif len(found.octets) <= MAIL_OCTETS:
                good += 1
                yield Mail(found.octets, label, source or path.name, name=found.path)
            elif skipped is not None:
                skipped.append(f"{found.path}: larger than {MAIL_OCTETS >> 20} MB")
    except NoMail as error:
        raise UnreadableCorpus(str(error)) from error
    if skipped is not None:
        skipped += faults
    if faults and not good:
        raise UnreadableCorpus(f"none of the {len(faults)} mails in {path} can be read; the first: {faults[0]}")


def spamassassin(root: Path) -> Iterator[Mail]:
    """The SpamAssassin public corpus: folders easy-ham-1, easy-ham-2, hard-ham-1, spam-1, spam-2 of .txt files."""
    for folder in ("easy-ham-1", "easy-ham-2", "hard-ham-1", "spam-1", "spam-2"):
        label = Label.UNWANTED if folder.startswith("spam") else Label.LEGITIMATE
        for file in sorted((root / folder).glob("*.txt")):
            yield Mail(without_mbox_line(file.read_bytes()), label, "spamassassin")


def trec(index: Path, source: str = "trec") -> Iterator[Mail]:
    """A corpus in the layout of the TREC spam track: lines ``spam ../data/inmail.1`` in ``full/index``.

    Mails lie beside or below the parent of the index's folder; a line that leads elsewhere is refused. Files that are
    missing are passed over as long as some are there. Raises UnreadableCorpus.
    """
    try:
        if index.stat().st_size > INDEX_OCTETS:
            raise UnreadableCorpus(f"{index} is larger than {INDEX_OCTETS} octets: it is no index")
        lines = index.read_text("utf-8", "replace").splitlines()
    except OSError as error:
        raise UnreadableCorpus(f"{index}: {error.strerror}: give the file full/index of the corpus") from error
    root = index.resolve().parent.parent
    good = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        said, _, name = line.strip().partition(" ")
        path = (index.parent / name.strip()).resolve()
        if said.lower() not in ("spam", "ham") or not name.strip() or not path.is_relative_to(root):
            raise UnreadableCorpus(f"{index}, line {number}: expected 'spam' or 'ham' and a path inside {root}")
        octets = _octets(path)
        if octets:
            good += 1
            label = Label.UNWANTED if said.lower() == "spam" else Label.LEGITIMATE
            yield Mail(without_mbox_line(octets), label, source)
    if not good:
        raise UnreadableCorpus(f"none of the mails that {index} names is there: keep the folders as they were unpacked")


def _octets(path: Path) -> bytes:
    """The file; nothing when it is missing, unreadable or too large."""
    try:
        return path.read_bytes() if path.stat().st_size <= MAIL_OCTETS else b""
    except OSError:
        return b""
