"""A row that cannot be decoded is RowDamaged, whatever is wrong with it."""

import msgspec
import pytest

from store.schema.rows import Reader, RowDamaged, pack


class Row(msgspec.Struct, frozen=True, array_like=True):
    name: str


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x7f" + pack(Row("abc"))[1:], id="another version"),
        pytest.param(pack(Row("abc"))[:-1], id="cut short"),
        pytest.param(pack(Row("abc"))[:-2] + b"\xff\xff", id="text that is no UTF-8"),
        pytest.param(pack(Row("abc"))[:2] + b"\x07", id="a number for a text"),
    ],
)
def test_damage_is_told_as_such(value: bytes) -> None:
    with pytest.raises(RowDamaged):
        Reader(Row)(value)
