"""The list of public sources: which files of which commit under which licence are mail, and of what kind."""

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from training.corpus.sample import Label


class BadManifest(Exception):
    """The manifest cannot be read. The message says where and why."""


class Take(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Files of one repository that are read in one way."""

    reader: str  #: "mails" (raw mails), "pages" (HTML or MJML), "texts" (plain text) or "catalogue" (translations)
    paths: list[str]  #: globs; "*" also stands for "/"
    label: Label
    kind: str  #: "notice", "order", "bounce", "reply", "list", "newsletter", "lure" ...
    without: list[str] = []  #: globs of files that are left out
    language: str = ""  #: "" = from the path, by ``language_at``; "mul" = several
    language_at: str = ""  #: regular expression on the path with a group ``language``
    mail: str = ""  #: catalogue: regular expression on the key with a group ``mail``, maybe ``part``
    subject: str = ""  #: texts and pages: regular expression with a group ``subject``; what it matches is removed
    drop: str = ""  #: regular expression of what is removed from a text before it is used
    personal: bool = False  #: from a person and not from a service
    cap: int = 0  #: at most so many mails of one language, spread evenly; 0 = all
    least: int = 60  #: letters that the body has at least


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One public repository at one commit."""

    name: str
    repository: str  #: owner/name
    commit: str
    licence: str  #: SPDX identifier
    era: str  #: years the mails are from
    take: list[Take]
    licence_file: str = "LICENSE"  #: where the repository says so


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    source: list[Source]


def load(path: Path) -> list[Source]:
    """All sources of a manifest. Raises BadManifest."""
    try:
        sources = msgspec.convert(tomllib.loads(path.read_text("utf-8")), _File).source
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise BadManifest(f"{path}: {error}") from error
    for source in sources:
        for number, take in enumerate(source.take):
            _check(f"{path}: {source.name}, take {number}", take)
    return sources


def _check(where: str, take: Take) -> None:
    if take.reader not in ("mails", "pages", "texts", "catalogue"):
        raise BadManifest(f"{where}: no reader is called {take.reader!r}")
    if not take.language and "(?P<language>" not in take.language_at:
        raise BadManifest(f"{where}: give a language, or language_at with a group called language")
    if take.reader == "catalogue" and "(?P<mail>" not in take.mail:
        raise BadManifest(f"{where}: a catalogue needs mail with a group called mail")
    for expression in (take.language_at, take.mail, take.subject, take.drop):
        try:
            re.compile(expression)
        except re.error as error:
            raise BadManifest(f"{where}: {expression!r} is no regular expression: {error}") from error


def read_lock(path: Path) -> dict[str, dict[str, Any]]:
    """What each source gave when the manifest was written, by name; empty when there is no such file."""
    try:
        lock = msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, Any]])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        raise BadManifest(f"{path}: {error}") from error
    return lock
