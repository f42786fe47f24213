"""Mails as people keep them: an mbox file, a Maildir, a folder of .eml files, or one file."""

import mailbox
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAX_OCTETS = 64 * 1024 * 1024
_NOT_MAIL = frozenset({".json", ".toml", ".md", ".gz", ".zip", ".tar", ".py", ".html", ".css", ".js", ".idx", ".lock"})


@dataclass(frozen=True, slots=True)
class MailFile:
    """One raw mail and where it lies: a path, with "#number" for the mails of an mbox."""

    path: str
    octets: bytes
    error: str = ""  #: why it could not be read; ``octets`` is empty then


class NoMail(Exception):
    """The path holds no mail. The message says what was expected."""


def read_mails(path: Path) -> Iterator[MailFile]:
    """Every mail under a path, sorted by name. Raises NoMail."""
    count = 0
    for found in _read(path):
        count += 1
        yield found
    if not count:
        raise NoMail(f"{path} holds no mail: give an mbox file, a Maildir, or a folder of .eml files")


def count_mails(path: Path) -> int | None:
    """How many there are, where that costs no reading; None for an mbox."""
    return None if path.is_file() else len(list(_files(path)))


def without_mbox_line(octets: bytes) -> bytes:
    """A mail without the ``From `` line that mbox and some collectors put before it."""
    return octets.partition(b"\n")[2] if octets.startswith(b"From ") else octets


def _read(path: Path) -> Iterator[MailFile]:
    for file in _files(path):
        yield from _of_file(file)


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    elif (path / "cur").is_dir():
        for folder in ("cur", "new"):
            yield from (file for file in sorted((path / folder).glob("*")) if file.is_file())
    elif path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.is_file() and not file.name.startswith(".") and file.suffix.lower() not in _NOT_MAIL:
                yield file


def _of_file(path: Path) -> Iterator[MailFile]:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            is_mbox = file.read(5) == b"From " and path.suffix.lower() not in {".eml", ".txt"}
        if not size:
            return  # an empty mbox holds no mail, and neither does an empty file
        if is_mbox:
            yield from _of_mbox(path)
        elif size > MAX_OCTETS:
            yield MailFile(str(path), b"", f"larger than {MAX_OCTETS} octets")
        else:
            yield MailFile(str(path), without_mbox_line(path.read_bytes()))
    except OSError as error:
        yield MailFile(str(path), b"", error.strerror or str(error))


def _of_mbox(path: Path) -> Iterator[MailFile]:
    box = mailbox.mbox(path, create=False)
    try:
        for number, key in enumerate(box.keys(), 1):  # mailbox iterates over parsed messages, not keys
            yield MailFile(f"{path}#{number}", box.get_bytes(key))
    finally:
        box.close()
