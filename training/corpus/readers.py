"""Labelled raw mails from a path, as ``store.mailfiles`` reads it, and the SpamAssassin public corpus."""

from collections.abc import Iterator
from pathlib import Path

from store.mailfiles import NoMail, read_mails, without_mbox_line
from training.corpus.sample import Label, Mail

MAIL_OCTETS = 4 * 1024 * 1024  #: larger files are skipped: they are archives or attachments, not training text


class UnreadableCorpus(Exception):
    """The path holds no mail. The message says what was expected."""


def read_path(path: Path, label: Label, source: str = "") -> Iterator[Mail]:
    """Every mail under a path. Raises UnreadableCorpus when there is none."""
    try:
        for found in read_mails(path):
            if found.octets and len(found.octets) <= MAIL_OCTETS:
                yield Mail(found.octets, label, source or path.name)
    except NoMail as error:
        raise UnreadableCorpus(str(error)) from error


def spamassassin(root: Path) -> Iterator[Mail]:
    """The SpamAssassin public corpus: folders easy-ham-1, easy-ham-2, hard-ham-1, spam-1, spam-2 of .txt files."""
    for folder in ("easy-ham-1", "easy-ham-2", "hard-ham-1", "spam-1", "spam-2"):
        label = Label.UNWANTED if folder.startswith("spam") else Label.LEGITIMATE
        for file in sorted((root / folder).glob("*.txt")):
            yield Mail(without_mbox_line(file.read_bytes()), label, "spamassassin")
