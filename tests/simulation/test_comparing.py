"""Other ways to spread a write, in a crowd that is small."""

from tests.simulation.comparing import WAYS, Result, compare, row


def small(way: str, writes: int = 20) -> Result:
    result = compare(WAYS[way], 0.0, nodes=20, writes=writes)
    assert result.late == 0
    return result


def test_trees_send_less_than_a_flood_and_are_no_later() -> None:
    trees, flood = small("trees"), small("flood")
    assert trees.copies < flood.copies
    assert trees.bytes < flood.bytes
    assert max(flood.everywhere) < 0.2
    assert max(trees.everywhere) < 0.4


def test_what_a_fanout_misses_is_left_to_rounds() -> None:
    fanout = small("fanout", writes=60)
    assert 2 < fanout.copies < 3.5
    assert min(fanout.everywhere) < 0.4
    assert 1 < max(fanout.everywhere) < 10


def test_rounds_alone_bring_each_write_once_and_late() -> None:
    rounds = small("rounds")
    assert rounds.copies < 1.3
    assert min(rounds.everywhere) > 0.5
    assert max(rounds.everywhere) < 20


def test_a_row_says_how_many_were_late() -> None:
    result = Result(copies=1.26, bytes=1_234.4, everywhere=[0.1, 0.3, 0.2], late=2)
    assert (
        row("flood", 0.05, result) == "| 5% | flood | 1.3 | 1,234 | 0.20 s | 0.30 s | 2 were late |"
    )
