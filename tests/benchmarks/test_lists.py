"""What lists and logs are taken to say of nodes that live."""

from tests.benchmarks.lists import lacking, told

LOG = """\
timestamp=2026-11-28T19:25:06.917595Z level=info event=peer_joined subject=0x0e detail=ws://one/ws
timestamp=2026-11-28T19:25:09.953007Z level=info event=peer_suspected subject=0x0e detail="it does"
timestamp=2026-11-28T19:25:13.029266Z level=info event=peer_refuted subject=0x0e detail=
timestamp=2026-11-28T19:25:15.023775Z level=info event=peer_suspected subject=0xcb detail=ws://two/ws
timestamp=2026-11-28T19:26:15.023775Z level=info event=peer_removed subject=0xcb detail=ws://two/ws
timestamp=2026-11-28T19:26:16.023775Z level=info event=peer_left subject=0xaa detail="as 0x0e says"
"""


def test_who_is_suspected_is_not_lacking() -> None:
    statuses = {"a": "active", "b": "suspected", "c": "inactive"}
    assert lacking(statuses, {"a", "b", "c", "d"}) == {"c", "d"}


def test_a_log_tells_who_was_gone_and_how_often_anybody_was_suspected() -> None:
    assert told(LOG) == ({"0xcb", "0xaa"}, 2)
    assert told("") == (set(), 0)
