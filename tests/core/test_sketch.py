"""The rateless sketch: it tells the differences of two sets, or that it cannot (A2)."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.core.sketch import Sketch, difference, enough, indices

ELEMENTS = st.sets(st.integers(1, 2**64 - 1), max_size=60)


def cells(elements: set[int], size: int) -> list[int]:
    sketch = Sketch(size)
    sketch.toggle(elements)
    return sketch.cells


def random_elements(count: int, seed: int = 1) -> set[int]:
    rng = Random(seed)
    return {rng.getrandbits(64) for _ in range(count)}


@given(ELEMENTS, ELEMENTS, ELEMENTS)
def test_a2_the_differences_of_two_sets_are_found(
    common: set[int], ours: set[int], theirs: set[int]
) -> None:
    one, other = common | ours, common | theirs
    found = difference(cells(one, 400), cells(other, 400))
    assert found == one ^ other


@pytest.mark.parametrize("differing", [1, 2, 5, 20, 100, 1_000])
def test_a2_about_one_and_a_half_cells_a_difference_are_enough(differing: int) -> None:
    common = random_elements(1_000)
    size = int(1.5 * differing + 3 * differing**0.5)
    told = 0
    for seed in range(2, 22):
        theirs = random_elements(differing, seed)
        told += difference(cells(common, size), cells(common | theirs, size)) == theirs
    assert told >= 18


@given(st.sets(st.integers(1, 2**64 - 1), min_size=9, max_size=60))
def test_a2_too_few_cells_never_tell_a_wrong_difference(elements: set[int]) -> None:
    found = difference(cells(elements, 8), cells(set(), 8))
    assert found is None


def test_a2_a_longer_sketch_begins_with_the_shorter_one() -> None:
    elements = random_elements(50)
    assert cells(elements, 300)[:40] == cells(elements, 40)


def test_a2_an_element_added_twice_is_gone() -> None:
    sketch = Sketch(64)
    sketch.toggle([5, 7])
    sketch.toggle([7, 5])
    assert not any(sketch.cells)


def test_a2_every_element_is_in_the_first_cell_and_ever_fewer_of_the_others() -> None:
    elements = random_elements(2_000)
    taken = [0] * 400
    for element in elements:
        for index in indices(element, 400):
            taken[index] += 1
    assert taken[0] == 2_000
    # A share of 1/(1 + i/2) of the elements, in the mean of twenty cells.
    for start in (10, 100, 300):
        expected = sum(2_000 / (1 + index / 2) for index in range(start, start + 20))
        assert sum(taken[start : start + 20]) == pytest.approx(expected, rel=0.25)


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        (0, [0]),
        (1, [0, 1, 2, 3, 6, 11, 19, 44]),
        (0x0123456789ABCDEF, [0, 1, 2, 4, 6, 8, 20, 24, 34, 36]),
        (2**64 - 1, [0, 3, 29, 59]),
    ],
)
def test_a2_vectors_for_a_second_implementation(element: int, expected: list[int]) -> None:
    assert list(indices(element, 64)) == expected


@given(st.lists(st.integers(0, 2**88 - 1), min_size=1, max_size=40))
def test_r2_made_up_cells_end_in_an_answer(made_up: list[int]) -> None:
    found = difference([0] * len(made_up), made_up)
    assert found is None or len(found) <= len(made_up)


@pytest.mark.parametrize("differing", [30, 100, 300, 1_000])
def test_a2_cells_that_are_too_few_tell_how_many_are_enough(differing: int) -> None:
    ours, theirs = cells(set(), 4_096), cells(random_elements(differing), 4_096)
    size, steps = 24, 0
    while difference(ours[:size], theirs[:size]) is None:
        size = enough(ours[:size], theirs[:size])
        steps += 1
    assert steps <= 4
    assert size < 2.2 * differing + 40
