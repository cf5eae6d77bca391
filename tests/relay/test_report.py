from collections import Counter

import msgspec

from gossip.core.entries import Entry
from gossip.core.members import PeerRecord
from gossip.core.stats import MemberView, Overview, Stats
from gossip.relay import report
from gossip.relay.report import Report
from gossip.runtime.histogram import Histogram
from gossip.runtime.vitals import Vitals

ME = PeerRecord(node_id="0xme", gossip_endpoint="ws://me/ws", capabilities=("gx1",), incarnation=7)


def test_what_a_node_says_of_itself_comes_back_whole() -> None:
    stats = Stats()
    stats.duplicates = 3
    for name in stats.__struct_fields__:
        if isinstance(getattr(stats, name), Counter):
            getattr(stats, name)["size"] += 2
    overview = Overview(
        me=ME,
        version=1,
        last_updated=2,
        live=3,
        total=4,
        links=5,
        aside=6,
        heartbeats_sent=7,
        stats=stats,
        reasons=("journal: disk full",),
    )
    histogram = Histogram()
    histogram.observe(0.01)
    vitals = Vitals(
        loop_lag=histogram.read(),
        commits=histogram.read(),
        backlog=1,
        journal_failing=True,
        writes_waiting=2,
        events_waiting=3,
        outbound_waiting=4,
    )
    peer = MemberView(record=ME, status="active", heartbeat_count=7, linked=True)
    aside = [Entry("k", 7, b"1", 99, 5, "0xpeer"), Entry("l", 8, None)]
    said = Report.of(overview, [peer], vitals, aside)
    read = report.decode(report.encode(said))
    assert report.encode(read) == report.encode(said)
    assert (read.overview.me, read.members) == (ME, [peer])
    assert msgspec.structs.asdict(read.overview.stats) == msgspec.structs.asdict(stats)
    for name in stats.__struct_fields__:
        assert type(getattr(read.overview.stats, name)) is type(getattr(stats, name))
    assert read.entries_aside() == aside
    assert [entry.origin for entry in read.entries_aside()] == ["0xpeer", None]
