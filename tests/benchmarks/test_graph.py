"""Which nodes hang together."""

from pathlib import Path

from tests.benchmarks.graph import joined, parts
from tests.support.cluster import Cluster


def test_pairs_make_parts() -> None:
    assert sorted(map(sorted, joined(range(6), [(0, 1), (2, 3), (3, 1), (4, 4)]))) == [
        [0, 1, 2, 3],
        [4],
        [5],
    ]


def test_connections_are_found_without_asking_anybody(tmp_path: Path) -> None:
    for name in "pair", "alone":
        (tmp_path / name).mkdir()
    with Cluster(tmp_path / "pair", 2) as pair, Cluster(tmp_path / "alone", 1) as alone:
        assert sorted(map(len, parts([*pair, *alone]))) == [1, 2]
