"""SORT: search keys, and by what to sort the mails that meet them. RFC 5256 §3."""

from dataclasses import dataclass

from protocols.imap.commands.search import Search, charset_named, read_keys
from protocols.imap.refusal import BadCommand
from protocols.imap.scanner import Scanner
from store.search.ordering import SortBy, SortKey

MAX_KEYS = 20
_KEYS = {
    b"ARRIVAL": SortBy.RECEIVED,
    b"CC": SortBy.CC_BOX,
    b"DATE": SortBy.SENT,
    b"FROM": SortBy.FROM_BOX,
    b"SIZE": SortBy.SIZE,
    b"SUBJECT": SortBy.SUBJECT,
    b"TO": SortBy.TO_BOX,
}


@dataclass(frozen=True, slots=True)
class Sort:
    search: Search
    sort: tuple[SortKey, ...]


def sort(scan: Scanner, *, by_uid: bool) -> Sort:
    scan.space()
    keys = _sort_keys(scan.list_of(scan.word))
    scan.space()
    charset = charset_named(scan.astring())
    scan.space()
    return Sort(read_keys(scan, charset, by_uid=by_uid), keys)


def _sort_keys(words: list[bytes]) -> tuple[SortKey, ...]:
    """Each word a key; REVERSE turns the one after it around."""
    if len(words) > MAX_KEYS:
        raise BadCommand("the sort is too complicated")
    keys: list[SortKey] = []
    is_reverse = False
    for word in words:
        if word == b"REVERSE" and not is_reverse:
            is_reverse = True
            continue
        if word not in _KEYS:
            raise BadCommand("unknown sort key")
        keys.append(SortKey(_KEYS[word], is_ascending=not is_reverse))
        is_reverse = False
    if is_reverse or not keys:
        raise BadCommand("a sort key is missing")
    return tuple(keys)
