"""In which order emails come. RFC 8621 §4.4.2, RFC 5256 §3."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np

from store.search.coding import Numbers
from store.search.document import NO_DATE
from store.search.judge import Judge
from store.search.reader import Ids


class SortBy(Enum):
    RECEIVED = auto()
    SENT = auto()
    SIZE = auto()
    FROM = auto()
    TO = auto()
    SUBJECT = auto()
    FROM_BOX = auto()  #: RFC 5256: the local part of the first address
    TO_BOX = auto()
    CC_BOX = auto()
    KEYWORD = auto()
    ALL_IN_THREAD = auto()
    SOME_IN_THREAD = auto()


_TEXTS = {
    SortBy.FROM: "from",
    SortBy.TO: "to",
    SortBy.SUBJECT: "subject",
    SortBy.FROM_BOX: "from-box",
    SortBy.TO_BOX: "to-box",
    SortBy.CC_BOX: "cc-box",
}


@dataclass(frozen=True, slots=True)
class SortKey:
    by: SortBy
    is_ascending: bool = True
    keyword: str = ""  #: of the last three


NEWEST = (SortKey(SortBy.RECEIVED, is_ascending=False),)


def first_of_threads(threads: Numbers) -> Numbers:
    """Where each thread comes first. RFC 8621 §4.4.3."""
    return np.sort(np.unique(threads, return_index=True)[1])


def order(judge: Judge, ids: Numbers, sort: Sequence[SortKey], base: Numbers | None = None) -> Numbers:
    """Where in ``ids`` the sorted emails stand.

    Equal ones are in the order of ``base``; without it by date, the newest first unless the first key says otherwise.
    """
    if len(ids) < 2 or not sort:
        return np.arange(len(ids))
    columns = [_values(judge, ids, key) for key in reversed(sort)]
    if base is not None:
        return np.lexsort((base, *columns))
    sign = 1 if sort[0].by is SortBy.RECEIVED and sort[0].is_ascending else -1
    return np.lexsort((sign * ids, sign * judge.column(ids, "received"), *columns))


def in_front(judge: Judge, ids: Numbers, sort: Sequence[SortKey], enough: int) -> Numbers:
    """The emails among which the first ``enough`` of the sorted ones are: the others are never compared."""
    if not sort or not 0 < enough < len(ids):
        return ids
    key = sort[0]
    values = judge.column(ids, _TEXTS[key.by]) if key.by in _TEXTS else _rising(judge, ids, key)
    values = values if key.is_ascending else -values
    is_in_front: Ids = values <= np.partition(values, enough - 1)[enough - 1]
    return ids[is_in_front]


def _values(judge: Judge, ids: Numbers, key: SortKey) -> Numbers:
    """Numbers that sort as the key does."""
    values = _rising(judge, ids, key)
    return values if key.is_ascending else -values


def _rising(judge: Judge, ids: Numbers, key: SortKey) -> Numbers:
    match key.by:
        case SortBy.RECEIVED:
            return np.array(judge.column(ids, "received"))
        case SortBy.SIZE:
            return np.array(judge.column(ids, "size"))
        case SortBy.SENT:
            sent = judge.column(ids, "sent")
            is_undated = sent == NO_DATE
            sent[is_undated] = judge.column(ids[is_undated], "received")
            return sent
        case SortBy.KEYWORD:
            return _flags(state is not None and key.keyword in state.keywords for state in judge.states(ids))
        case SortBy.ALL_IN_THREAD | SortBy.SOME_IN_THREAD:
            at = 0 if key.by is SortBy.ALL_IN_THREAD else 1
            return _flags(judge.share(thread, key.keyword)[at] for thread in judge.column(ids, "thread").tolist())
        case _:
            texts = judge.texts(ids, _TEXTS[key.by])
            ranks = {text: rank for rank, text in enumerate(sorted(set(texts)))}
            return np.fromiter(map(ranks.__getitem__, texts), dtype=np.int64, count=len(texts))


def _flags(truths: Iterable[bool]) -> Numbers:
    return np.fromiter(truths, dtype=np.int64)
