"""The labelled mails of an evaluation: from paths, from a collected corpus, or composed ones that no model learns."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from store.mailfiles import NoMail, read_mails
from training.corpus.readers import MAIL_OCTETS, UnreadableCorpus
from training.corpus.sample import Label, Mail, Sample, read
from training.corpus.split import TRAIN_BUCKETS, Seen

_AUTHOR_HOST = re.compile(rb"^From:[^@]{0,500}@([A-Za-z0-9.-]{1,200})>", re.MULTILINE)
_MESSAGE_ID = re.compile(rb"^message-id:", re.MULTILINE | re.IGNORECASE)

YOURS = "yours"  #: source of mail that was given without a name


@dataclass(frozen=True, slots=True)
class Case:
    """A mail to judge, and what it truly is."""

    octets: bytes
    label: Label
    source: str
    language: str = ""  #: ISO 639-1, where its source says; "" is told by its text
    family: str = ""
    path: str = ""  #: where it lies; "" for a composed one

    @property
    def mail(self) -> Mail:
        return Mail(self.octets, self.label, self.source, self.family)


class BadKind(ValueError):
    """``--mail`` names no kind of mail. The message says what may stand there."""


@dataclass(frozen=True, slots=True)
class Given:
    """One path of mail as the command line names it."""

    path: Path
    label: Label
    source: str = YOURS


def given(text: str) -> Given:
    """``KIND=PATH`` or ``KIND:SOURCE=PATH``. Raises BadKind."""
    head, equals, path = text.partition("=")
    kind, _, source = head.partition(":")
    try:
        label = Label(kind.strip())
    except ValueError:
        label = None
    if label is None or not equals or not path:
        kinds = ", ".join(each.value for each in Label)
        raise BadKind(f"--mail {text}: write KIND=PATH or KIND:SOURCE=PATH, where KIND is one of {kinds}")
    return Given(Path(path), label, source.strip() or Path(path).name)


def of_paths(paths: Iterable[Given]) -> Iterator[Case]:
    """Every mail under the paths. Raises UnreadableCorpus for a path without any."""
    for each in paths:
        good, fault = 0, ""
        try:
            for found in read_mails(each.path):
                if found.error:
                    fault = fault or f"{found.path}: {found.error}"
                elif len(found.octets) <= MAIL_OCTETS:
                    good += 1
                    yield Case(found.octets, each.label, each.source, path=found.path)
        except NoMail as error:
            raise UnreadableCorpus(str(error)) from error
        if not good:
            raise UnreadableCorpus(f"no mail in {each.path} can be read: {fault or 'all are too large'}")


def of_collected(root: Path) -> Iterator[Case]:
    """What ``training.corpus.collect`` wrote, with its languages. Raises UnreadableCorpus."""
    from training.corpus.collect import NotCollected, read_collected

    try:
        for entry, mail in read_collected(root):
            where = str(root / entry.path)
            yield Case(mail.octets, mail.label, mail.source, entry.language, mail.family, where)
    except NotCollected as error:
        raise UnreadableCorpus(str(error)) from error


def composed(copies: int, seed: int) -> Iterator[Case]:
    """The project's own modern mail, of families that no model may learn from, numbered as all mail is."""
    from training.modern import compose, letter

    for scenario in compose.scenarios():
        if compose.is_held_out(scenario.family):
            rng = Random(f"{seed}/{scenario.family}/{scenario.label}/{scenario.language}")
            for _ in range(copies):
                made = _numbered(compose.compose(scenario, rng), rng)
                yield Case(made, scenario.label, compose.SOURCE, scenario.language, scenario.family)
    for each in letter.letters():
        if letter.is_held_out(each.family):
            rng = Random(f"{seed}/{each.family}/{each.label}/{each.sender}/{each.subject}")
            source = f"{letter.SOURCE}, {each.family.split('-')[0]}"
            for _ in range(max(1, copies // 4)):
                yield Case(_numbered(letter.compose(each, rng), rng), each.label, source, each.language, each.family)


def _numbered(octets: bytes, rng: Random) -> bytes:
    """With a Message-ID of the author's host, wanted or not: the sender's program writes it, not the author."""
    head = octets.partition(b"\n\n")[0]
    host = _AUTHOR_HOST.search(head)
    if host is None or _MESSAGE_ID.search(head) is not None:
        return octets
    return b"Message-ID: <%020x@%s>\n" % (rng.getrandbits(80), host[1]) + octets


def without_copies(cases: Iterable[Case], *, held_out: bool = False) -> Iterator[tuple[Case, Sample]]:
    """Each mail read, near copies left out; with ``held_out`` only the buckets that no model may be trained on.

    Composed families are held out whole, so their mails stay whatever their bucket.
    """
    seen = Seen()
    for case in cases:
        sample = read(case.mail)
        if held_out and not case.family and sample.bucket in TRAIN_BUCKETS:
            continue
        if not seen.is_copy(sample.key, sample.near, sample.view.text, sample.family):
            yield case, sample
