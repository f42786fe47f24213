"""What an account's index is made of, and up to where it reaches: one row, read with every question.

Emails are indexed in the order of their ids, so one number says which are in: those up to ``Generation.upto``. Later
ones are the tail, which a search reads itself. An email that is destroyed leaves a mark (``keys.gone``) until the
segments that name it are merged. While an index is made anew, ``serving`` goes on answering.
"""

from collections.abc import Iterator

import msgspec

from store.changes.engine import AccountTxn, AccountView
from store.schema import keys
from store.schema.rows import Reader, pack
from store.search.document import MOST_WORDS
from store.search.words import RULES


class Segment(msgspec.Struct, frozen=True, array_like=True):
    """Postings of the emails ``first`` to ``last``; never changed, only merged with its neighbours."""

    id: int
    first: int
    last: int
    mails: int
    octets: int  #: of its rows


class Generation(msgspec.Struct, frozen=True, array_like=True):
    """An index, by the rules and the limit that made it."""

    rules: int = RULES
    most_words: int = MOST_WORDS  #: of one mail
    upto: int = 0  #: every email with an id up to this is in, or is gone
    segments: tuple[Segment, ...] = ()  #: by id of emails, without overlap


class IndexState(msgspec.Struct, frozen=True, array_like=True):
    """The row of an account."""

    last_segment: int = 0
    serving: Generation = Generation()
    building: Generation | None = None  #: takes the place of ``serving`` when it has reached the last email
    dropping: tuple[int, ...] = ()  #: segments whose rows are to be deleted: replaced, or never finished


read_state = Reader(IndexState)


def get(view: AccountView) -> IndexState:
    """The state; an account without one has an index that reaches nowhere. Raises RowDamaged."""
    row = view.get(keys.SEARCH_STATE)
    return read_state(row) if row is not None else IndexState()


def save(txn: AccountTxn, state: IndexState) -> None:
    txn.index(keys.SEARCH_STATE, pack(state))


def gone(view: AccountView, first: int, last: int) -> Iterator[int]:
    """Emails between these that were destroyed since they may have been indexed."""
    for key, _ in view.scan(keys.gone(first), keys.gone(last) + b"\x00"):
        yield keys.read_u64(key[-8:])
