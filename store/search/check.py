"""Proves an index, row by row, with what must be true of its neighbours: each look is short.

A damaged index loses nothing: questions are answered from the mails until it is made anew.
"""

from collections.abc import Iterator

import numpy as np
from msgspec.structs import replace

from store.changes.engine import AccountTxn, AccountView
from store.kv.contract import counter
from store.schema import keys
from store.search import segment
from store.search import state as states
from store.search.coding import Damaged
from store.search.columns import ColumnsBlock
from store.search.postings import LANGUAGE
from store.search.state import Generation, IndexState, Segment

_STATE, _GONE, _POSTINGS, _COLUMNS = b"A", b"AX", b"W", b"O"


def check_index(view: AccountView) -> Iterator[str]:
    """Everything that is wrong with an account's index, in one snapshot: for tests and small accounts."""
    for prefix in (_STATE, _POSTINGS, _COLUMNS):
        for key, value in view.scan_prefix(prefix):
            yield from check_row(view, key, value)


def check_row(view: AccountView, key: bytes, value: bytes) -> Iterator[str]:
    """What is wrong with one row. Raises RowDamaged for a state that cannot be read."""
    if key == keys.SEARCH_STATE:
        yield from _check_state(view, states.read_state(value))
    elif key.startswith(_GONE):
        if view.get(keys.email(keys.read_u64(key[2:10]))) is not None:
            yield "says that an email is gone which is there"
    else:
        yield from _check_part(view, key, value)


def _check_state(view: AccountView, state: IndexState) -> Iterator[str]:
    last = counter(view.get(keys.LAST_ID))
    for generation in _generations(state):
        if generation.upto > last:
            yield f"reaches email {generation.upto}, but the last one was {last}"
        before = 0
        for one in generation.segments:
            if not before < one.first <= one.last <= generation.upto:
                yield f"segment {one.id} is out of order"
            if one.id > state.last_segment or one.id in state.dropping:
                yield f"segment {one.id} is in use and free at once"
            before = one.last
            start = next(view.scan_prefix(keys.dictionary(one.id, b""), limit=1), None)
            if start is None or next(view.scan_prefix(keys.columns_of(one.id), limit=1), None) is None:
                yield f"segment {one.id} is not there"
            elif not start[0].startswith(keys.dictionary(one.id, LANGUAGE.encode())):
                yield f"segment {one.id}: the start of its dictionary is not there"


def _check_part(view: AccountView, key: bytes, value: bytes) -> Iterator[str]:
    """A row of a segment."""
    state = states.get(view)
    number = keys.read_u32(key[1:5])
    if number in state.dropping:
        return
    found = [(generation, one) for generation in _generations(state) for one in generation.segments if one.id == number]
    if not found:
        yield f"segment {number} is part of no index"
        return
    try:
        if key[:1] == _COLUMNS:
            yield from _check_columns(view, found[0], key, ColumnsBlock(value))
        elif key[5:6] == b"T":
            yield from _check_block(view, number, key, segment.read_block(value))
        else:
            segment.decompress(value)
    except Damaged as error:
        yield f"segment {number} cannot be read: {error}"


def _check_block(view: AccountView, number: int, key: bytes, block: segment.Block) -> Iterator[str]:
    """Terms are in order, and the next block goes on where this one ends; the last one where the file does."""
    terms, where = block.row.terms.split(b"\n"), block.terms()
    end = block.row.mail_start + int(where.mail_octets.sum())
    for file, start, octets in (
        (segment.MAILS, block.row.mail_start, where.mail_octets),
        (segment.FIELDS, block.row.field_start, where.mails),
        (segment.PLACES, block.row.place_start, where.place_octets),
    ):
        last = (start + int(octets.sum()) - 1) // segment.CHUNK_OCTETS
        for chunk in range(start // segment.CHUNK_OCTETS, last + 1):
            if view.get(keys.postings(number, file, chunk)) is None:
                yield f"segment {number}: a part of its postings is not there"
    if terms[0] != key[6:] or sorted(set(terms)) != terms:
        yield f"segment {number}: its terms are out of order"
    follower = next(view.scan(key + b"\x00", keys.prefix_end(keys.dictionary(number, b"")), limit=1), None)
    if follower is not None:
        goes_on = segment.read_block(follower[1]).row.mail_start == end
    else:
        at_end = keys.postings(number, segment.MAILS, end // segment.CHUNK_OCTETS)
        chunks = list(view.scan(at_end, keys.prefix_end(at_end[:6]), limit=2))
        rest = end % segment.CHUNK_OCTETS
        goes_on = [len(segment.decompress(value)) for _, value in chunks] == ([rest] if rest else [])
    if not goes_on:
        yield f"segment {number}: a part of its dictionary is not there"


def _check_columns(
    view: AccountView, where: tuple[Generation, Segment], key: bytes, block: ColumnsBlock
) -> Iterator[str]:
    """Every email between this block and the next is in it."""
    one, ids = where[1], block.table["id"]
    for name in ("from", "subject"):
        block.texts(name)
    if int(ids[0]) != keys.read_u64(key[5:13]) or (len(ids) > 1 and np.diff(ids).min() <= 0):
        yield f"segment {one.id}: its emails are out of order"
        return
    follower = next(view.scan(key + b"\x00", keys.prefix_end(keys.columns_of(one.id)), limit=1), None)
    end = keys.read_u64(follower[0][5:13]) if follower is not None else one.last + 1
    there = {keys.read_u64(row[1:9]) for row, _ in view.scan(keys.state(int(ids[0])), keys.state(end))}
    known = set(ids.tolist())
    gone = set(states.gone(view, int(ids[0]), end))
    for email in sorted(there - known):
        yield f"segment {one.id} misses email {email}"
    for email in sorted(known - there - gone):
        yield f"segment {one.id} has email {email}, which is not there"


def _generations(state: IndexState) -> tuple[Generation, ...]:
    return (state.serving,) if state.building is None else (state.serving, state.building)


def discard(txn: AccountTxn) -> None:
    """Give the index up: the mails answer until a job has made a new one."""
    state = states.get(txn)
    segments = tuple(one.id for generation in _generations(state) for one in generation.segments)
    states.save(txn, replace(IndexState(state.last_segment), dropping=(*state.dropping, *segments)))
    txn.store.kv.put(keys.to_index(txn.account), b"")
