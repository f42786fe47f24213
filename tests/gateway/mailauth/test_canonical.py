"""Canonical bodies against dkimpy's own, where that is quick enough to compare with."""

import pytest
from dkim.canonicalization import Relaxed, Simple
from hypothesis import given
from hypothesis import strategies as st

from gateway.mailauth import canonical
from gateway.mailauth.canonical import relaxed_body, simple_body

BODIES = st.lists(st.sampled_from([b"\r\n", b" ", b"\t", b"a", b"bc", b"\r", b"\n"]), max_size=40).map(b"".join)


@given(BODIES)
def test_simple_is_what_dkimpy_makes(body: bytes) -> None:
    assert simple_body(body) == Simple.canonicalize_body(body)


@given(BODIES)
def test_relaxed_is_what_dkimpy_makes(body: bytes) -> None:
    assert relaxed_body(body) == Relaxed.canonicalize_body(body)


@given(BODIES, st.integers(1, 5))
def test_pieces_do_not_show(body: bytes, piece: int) -> None:
    whole = relaxed_body(body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(canonical, "_PIECE", piece)
        assert relaxed_body(body) == whole
