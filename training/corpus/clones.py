"""Files of a public source, out of a clone or a wheel that somebody fetched: nothing here opens a connection.

A source is ``owner/name`` at a commit, or ``pypi:name==version`` with the SHA-256 of its wheel in place of a commit.
"""

import hashlib
import subprocess
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

FILE_OCTETS = 2 * 1024 * 1024  #: larger files are attachments or archives, not mail text
TOTAL_OCTETS = 512 * 1024 * 1024  #: of all files taken from one repository
SECONDS = 120  #: for one answer of git


class MissingClone(Exception):
    """There is no clone, or it lacks the commit. The message says which one is expected where."""


@dataclass(frozen=True, slots=True)
class Blob:
    """One file of a commit."""

    path: str
    octets: bytes


def locate(root: Path, repository: str, commit: str) -> Path:
    """The git directory or the wheel of a source under ``root``, made sure to hold the commit. Raises MissingClone."""
    if repository.startswith("pypi:"):
        return _wheel(root, repository.removeprefix("pypi:"), commit)
    owner, _, name = repository.partition("/")
    for folder in (f"{owner}+{name}", f"{owner}/{name}", name):
        for inner in ("repo/.git", "repo", ".git", ""):
            path = root / folder / inner
            if (path / "HEAD").is_file() and (path / "objects").is_dir():
                if _git(path, "cat-file", "-e", f"{commit}^{{commit}}") is None:
                    raise MissingClone(f"{path} lacks commit {commit[:12]} of {repository}: fetch it and try again")
                return path
    raise MissingClone(f"no clone of {repository}: git clone it to {root / f'{owner}+{name}'} and try again")


def files(clone: Path, commit: str, wanted: Sequence[str], unwanted: Sequence[str] = ()) -> Iterator[Blob]:
    """Files whose path matches a glob, sorted by path; "*" also stands for "/". Links and huge files are left out."""
    if clone.suffix == ".whl":
        yield from _zipped(clone, wanted, unwanted)
        return
    listing = _git(clone, "ls-tree", "-r", "-z", "-l", commit) or b""
    chosen: list[tuple[str, str]] = []
    total = 0
    for entry in listing.split(b"\0"):
        facts, tab, raw = entry.partition(b"\t")
        if not tab or not facts.startswith(b"100"):
            continue
        path = raw.decode("utf-8", "replace")
        name, size = facts.split()[2].decode(), facts.split()[3]
        if not size.isdigit() or int(size) > FILE_OCTETS or not _matches(path, wanted) or _matches(path, unwanted):
            continue  # a clone may lack its largest files: git has no size for them
        total += int(size)
        if total > TOTAL_OCTETS:
            raise MissingClone(f"{clone} holds more than {TOTAL_OCTETS} octets that match {', '.join(wanted)}")
        chosen.append((path, name))
    chosen.sort()
    contents = _git(clone, "cat-file", "--batch", feed="".join(f"{name}\n" for _, name in chosen).encode()) or b""
    at = 0
    for path, _ in chosen:
        end = contents.index(b"\n", at)
        length = int(contents[at:end].split()[2])
        yield Blob(path, contents[end + 1 : end + 1 + length])
        at = end + 2 + length


def _wheel(root: Path, pinned: str, digest: str) -> Path:
    name, _, version = pinned.partition("==")
    path = next(iter(sorted(root.glob(f"{name.replace('-', '_').replace('.', '_')}-{version}-*.whl"))), None)
    if path is None:
        raise MissingClone(f"no wheel of {pinned}: pip download --no-deps {pinned} in {root} and try again")
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != digest:
            raise MissingClone(f"{path} is not the wheel of the manifest: its SHA-256 is not {digest[:12]}...")
    return path


def _zipped(wheel: Path, wanted: Sequence[str], unwanted: Sequence[str]) -> Iterator[Blob]:
    total = 0
    try:
        with zipfile.ZipFile(wheel) as archive:
            for entry in sorted(archive.infolist(), key=lambda e: e.filename):
                path = entry.filename
                if entry.file_size > FILE_OCTETS or not _matches(path, wanted) or _matches(path, unwanted):
                    continue
                total += entry.file_size
                if total > TOTAL_OCTETS:
                    raise MissingClone(f"{wheel} holds more than {TOTAL_OCTETS} octets that match {', '.join(wanted)}")
                yield Blob(path, archive.read(entry))
    except (zipfile.BadZipFile, NotImplementedError, OSError) as error:
        raise MissingClone(f"{wheel}: {error}") from error


def _matches(path: str, globs: Sequence[str]) -> bool:
    return any(fnmatchcase(path, glob) for glob in globs)


def _git(clone: Path, *arguments: str, feed: bytes = b"") -> bytes | None:
    """What git answers; None when it refuses."""
    command = ["git", "--git-dir", str(clone), *arguments]
    done = subprocess.run(command, input=feed, capture_output=True, timeout=SECONDS, check=False)
    return done.stdout if done.returncode == 0 else None
