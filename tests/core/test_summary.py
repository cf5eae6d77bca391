"""What is said of a set stays true as it changes (A1, A2)."""

from hypothesis import given
from hypothesis import strategies as st

from gossip.core.entries import Entry
from gossip.core.roots import Root
from gossip.core.sketch import CELLS, Sketch
from gossip.core.summary import Summary, element_of, same_key

ENTRIES = [Entry(f"key {number}", 1, b"1") for number in range(300)]


def summary(*entries: Entry) -> Summary:
    counted = Summary()
    for entry in entries:
        counted.replace(None, entry)
    return counted


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.integers(1, 9)), max_size=30))
def test_a1_a_summary_is_that_of_what_is_left(writes: list[tuple[str, int]]) -> None:
    held: dict[str, Entry] = {}
    counted = Summary()
    for key, version in writes:
        entry = Entry(key, version, b"1")
        if entry.supersedes(held.get(key)):
            counted.replace(held.get(key), entry)
            held[key] = entry
    assert counted.root == Root(len(held), sum(entry.hash for entry in held.values()))
    assert set(counted.elements("")) == {element_of(entry) for entry in held.values()}
    fresh = Sketch(CELLS)
    fresh.toggle(map(element_of, held.values()))
    sketch = counted.sketch(1_000)
    assert sketch is not None
    assert sketch.cells == fresh.cells


def test_a2_an_element_leads_to_its_key() -> None:
    old, new = Entry("key", 1, b"1"), Entry("key", 2, b"1")
    counted = summary(old)
    assert counted.key_of(element_of(old)) == "key"
    counted.replace(old, new)
    assert counted.key_of(element_of(old)) is None
    assert counted.key_of(element_of(new)) == "key"


def test_a2_all_versions_of_a_key_have_something_in_common() -> None:
    one, other = Entry("key", 1, b"1"), Entry("key", 2, None)
    assert element_of(one) != element_of(other)
    assert same_key(element_of(one)) == same_key(element_of(other))
    assert same_key(element_of(one)) != same_key(element_of(Entry("yek", 1, b"1")))


def test_a2_ranges_part_the_set() -> None:
    counted = summary(*ENTRIES)
    digits = "0123456789abcdef"
    assert len(counted.elements("")) == 300
    for outer in ("", "3", "3a", "3ab"):
        parts = [counted.elements(outer + digit) for digit in digits]
        assert sorted(element for part in parts for element in part) == sorted(
            counted.elements(outer)
        )
    assert all(f"{element:016x}".startswith("3a") for element in counted.elements("3a"))


def test_s5_a_sketch_is_made_in_slices() -> None:
    counted = summary(*ENTRIES)
    # The last slice is one of its own: who waits for the sketch has work to do with it.
    assert [counted.sketch(200) is not None for _ in range(3)] == [False, False, True]
