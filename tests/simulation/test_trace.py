from gossip.core.events import Event, FrameReceived, LinkId, LinkOpened, Resumed
from gossip.sim.trace import Trace

FRAME = FrameReceived(LinkId(1), b"{}")


def digest(*steps: tuple[float, str, Event]) -> str:
    trace = Trace()
    for time, host, event in steps:
        trace.record(time, host, event)
    return trace.digest


def test_the_same_course_has_the_same_digest() -> None:
    steps = (1.0, "a", LinkOpened(LinkId(1))), (2.0, "b", FRAME)
    assert digest(*steps) == digest(*steps)


def test_time_host_event_and_order_count() -> None:
    variants = [
        digest((1.0, "a", FRAME), (1.0, "b", Resumed())),
        digest((1.0, "b", Resumed()), (1.0, "a", FRAME)),
        digest((1.5, "a", FRAME), (1.0, "b", Resumed())),
        digest((1.0, "c", FRAME), (1.0, "b", Resumed())),
        digest((1.0, "a", FrameReceived(LinkId(2), b"{}")), (1.0, "b", Resumed())),
        digest((1.0, "a", FrameReceived(LinkId(1), b"[]")), (1.0, "b", Resumed())),
    ]
    assert len(set(variants)) == len(variants)


def test_keeps_the_latest_as_text() -> None:
    trace = Trace(keep=1)
    trace.record(1.0, "a", FRAME)
    trace.record(2.0, "b", Resumed())
    assert trace.events == 2
    assert [line.split()[1:] for line in trace.latest] == [["b", "Resumed()"]]
