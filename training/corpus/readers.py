"""Raw mails from a path: mbox file, Maildir, MH or plain folder of files. Order is stable: sorted by name."""

import mailbox
from collections.abc import Iterator
from pathlib import Path

from training.corpus.sample import Label, Mail

MAIL_OCTETS = 4 * 1024 * 1024  #: larger files are skipped: they are archives or attachments, not training text
_NOT_MAIL = frozenset((".json", ".toml", ".md", ".gz", ".zip", ".tar", ".py", ".html", ".css", ".js", ".idx", ".lock"))


class UnreadableCorpus(Exception):
    """The path holds no mail. The message says what was expected."""


def read_path(path: Path, label: Label, source: str = "") -> Iterator[Mail]:
    """Every mail under a path. Raises UnreadableCorpus when there is none."""
    name = source or path.name
    count = 0
    for octets in _raw(path):
        count += 1
        yield Mail(octets, label, name)
    if not count:
        raise UnreadableCorpus(f"{path} holds no mail: give an mbox file, a Maildir, or a folder of .eml files")


def _raw(path: Path) -> Iterator[bytes]:
    if path.is_file():
        yield from _of_file(path)
    elif (path / "cur").is_dir():
        for folder in ("cur", "new"):
            for file in sorted((path / folder).glob("*")):
                yield from _of_file(file)
    elif path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.is_file() and not file.name.startswith(".") and file.suffix.lower() not in _NOT_MAIL:
                yield from _of_file(file)


def _of_file(path: Path) -> Iterator[bytes]:
    if path.stat().st_size == 0:
        return
    with path.open("rb") as file:
        start = file.read(5)
    if start == b"From " and path.suffix.lower() not in (".eml", ".txt"):
        yield from _of_mbox(path)
    elif path.stat().st_size <= MAIL_OCTETS:
        yield without_mbox_line(path.read_bytes())


def _of_mbox(path: Path) -> Iterator[bytes]:
    box = mailbox.mbox(path, create=False)
    try:
        for key in box.keys():  # noqa: SIM118 - mailbox iterates over messages, not keys
            octets = box.get_bytes(key)
            if len(octets) <= MAIL_OCTETS:
                yield octets
    finally:
        box.close()


def without_mbox_line(octets: bytes) -> bytes:
    """A mail without the ``From `` line that mbox and some collectors put before it."""
    return octets.partition(b"\n")[2] if octets.startswith(b"From ") else octets


def spamassassin(root: Path) -> Iterator[Mail]:
    """The SpamAssassin public corpus: folders easy-ham-1, easy-ham-2, hard-ham-1, spam-1, spam-2 of .txt files."""
    for folder in ("easy-ham-1", "easy-ham-2", "hard-ham-1", "spam-1", "spam-2"):
        label = Label.UNWANTED if folder.startswith("spam") else Label.LEGITIMATE
        for file in sorted((root / folder).glob("*.txt")):
            yield Mail(without_mbox_line(file.read_bytes()), label, "spamassassin")
