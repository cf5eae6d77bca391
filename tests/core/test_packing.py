"""Numbers as text (section 10)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.core.packing import CELL, ITEM, pack, unpack


@given(st.lists(st.integers(0, 2**88 - 1)))
def test_cells_survive_the_way(cells: list[int]) -> None:
    assert unpack(pack(cells, CELL), CELL) == cells


def test_numbers_are_big_endian_one_after_another() -> None:
    assert pack([1, 2**119], ITEM) == "AAAAAAAAAAAAAAAAAAABgAAAAAAAAAAAAAAAAAAA"


@pytest.mark.parametrize("text", ["AAAA", "*", "AAAAAAAAAAAAAAA", "é"])
def test_what_is_no_such_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"multiple|base64|ASCII|padding"):
        unpack(text, CELL)
