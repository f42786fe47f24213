"""Keys as text, and frames that are bound to their place."""

import pytest

from store.blob.contract import BlobId
from store.blob.frames import FrameDamaged
from store.blob.sealing import (
    IN_CLEAR,
    OVERHEAD_OCTETS,
    KeyFileWrong,
    KeyMissing,
    Keyring,
    key_id,
    key_of_frame,
    new_key,
    read_keys,
    written,
)

BLOB, OTHER = BlobId(bytes(32)), BlobId(bytes([1]) * 32)
KEY = bytes(range(32))


def test_a_key_that_was_made_is_read_and_the_first_one_writes() -> None:
    first, second = new_key(), new_key()
    assert first != second
    ring = read_keys(f"# the new one\n{first}\n\n{second}  # until the rekey is through\n")
    assert len(ring.ids) == 2
    assert ring.current.hex() == first.split()[1]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no key"),
        ("# nothing\n", "no key"),
        ("secret", "line 1 is no key"),
        (f"{written(KEY)}\nmailward-key abc", "line 2 is no key"),
        (written(KEY)[:-8], "mistyped or cut"),
        (written(KEY).replace("A", "B"), "mistyped or cut"),
        (f"mailward-key {key_id(KEY).hex()} !!!", "mistyped or cut"),
    ],
    ids=["empty", "comment", "password", "too short", "cut", "typo", "no base64"],
)
def test_what_is_no_key_is_told_by_its_line_without_showing_it(text: str, why: str) -> None:
    with pytest.raises(KeyFileWrong, match=why) as told:
        read_keys(text)
    assert "secret" not in str(told.value)
    assert written(KEY).split()[2] not in str(told.value)


def test_a_frame_is_what_was_sealed_and_longer_by_what_is_said() -> None:
    ring = Keyring([KEY])
    sealed = ring.seal(b"\x01frame", BLOB, 3, 7)
    assert len(sealed) == len(b"\x01frame") + OVERHEAD_OCTETS
    assert key_of_frame(sealed) == ring.current
    assert ring.unseal(sealed, BLOB, 3, 7, may_be_clear=False) == b"\x01frame"
    assert sealed != ring.seal(b"\x01frame", BLOB, 3, 7)


@pytest.mark.parametrize(
    ("blob", "index", "count"), [(OTHER, 3, 7), (BLOB, 4, 7), (BLOB, 3, 8)], ids=["blob", "index", "count"]
)
def test_a_frame_elsewhere_is_not_that_frame(blob: BlobId, index: int, count: int) -> None:
    ring = Keyring([KEY])
    with pytest.raises(FrameDamaged):
        ring.unseal(ring.seal(b"\x01frame", BLOB, 3, 7), blob, index, count, may_be_clear=True)


@pytest.mark.parametrize("at", range(0, 43, 6))
def test_a_changed_or_cut_frame_is_refused(at: int) -> None:
    ring = Keyring([KEY])
    sealed = bytearray(ring.seal(b"\x01frame", BLOB, 0, 1))
    cut = bytes(sealed[:at])
    sealed[at] ^= 1
    for each in (bytes(sealed), cut):
        with pytest.raises((FrameDamaged, KeyMissing)):
            ring.unseal(each, BLOB, 0, 1, may_be_clear=False)


def test_in_clear_nothing_changes_and_a_sealed_frame_names_its_key() -> None:
    assert IN_CLEAR.seal(b"\x01frame", BLOB, 0, 1) == b"\x01frame"
    with pytest.raises(KeyMissing, match=key_id(KEY).hex()):
        IN_CLEAR.unseal(Keyring([KEY]).seal(b"\x01frame", BLOB, 0, 1), BLOB, 0, 1, may_be_clear=True)
