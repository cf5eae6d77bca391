"""Two ends of a stream, with a layer in between that does as it likes."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.relay import stream as module
from gossip.relay.stream import (
    ACKNOWLEDGE,
    KEEPALIVE,
    LONGEST_ITEM,
    RESEND,
    SEGMENT,
    WINDOW,
    Packet,
    Stream,
    StreamBroken,
)


def end() -> Stream:
    return Stream("s", "reply", 0.0)


def packets(stream: Stream, now: float = 0.0) -> list[Packet]:
    found = []
    while (packet := stream.next_packet(now)) is not None:
        found.append(packet)
    return found


def deliver(sender: Stream, receiver: Stream, now: float = 0.0) -> list[bytes]:
    return [item for packet in packets(sender, now) for item in receiver.received(packet, now)]


def test_nothing_is_sent_where_nothing_was_written() -> None:
    assert packets(end()) == []


def test_small_items_share_a_packet() -> None:
    ours, theirs = end(), end()
    items = [b"a", b"", b"ccc"]
    for item in items:
        ours.write(item)
    (packet,) = packets(ours)
    assert packet.number == 1
    assert theirs.received(packet, 0.0) == items


def test_a_large_item_takes_several_packets_none_of_which_is_too_large() -> None:
    ours, theirs = end(), end()
    item = Random(1).randbytes(3 * SEGMENT)
    ours.write(item)
    sent = packets(ours)
    assert [packet.number for packet in sent] == [1, 2, 3, 4]
    assert max(len(packet.data) for packet in sent) == SEGMENT
    assert [taken for packet in sent for taken in theirs.received(packet, 0.0)] == [item]


def test_a_full_window_makes_writers_wait_until_it_is_acknowledged() -> None:
    ours, theirs = end(), end()
    for _ in range(WINDOW // SEGMENT):
        assert not ours.full
        ours.write(b"x" * (SEGMENT - 4))
    assert ours.full
    sent = packets(ours)
    ours.write(b"y")
    assert packets(ours) == []
    for packet in sent:
        theirs.received(packet, 0.0)
    (acknowledgement,) = packets(theirs, 0.0)
    assert acknowledgement.acknowledged == sent[-1].number
    ours.received(acknowledgement, 0.0)
    assert [packet.number for packet in packets(ours)] == [sent[-1].number + 1]


def test_one_item_larger_than_the_window_is_taken() -> None:
    ours, theirs = end(), end()
    ours.write(b"x" * 3 * WINDOW)
    taken: list[bytes] = []
    for turn in range(4):
        taken += deliver(ours, theirs)
        deliver(theirs, ours, turn * ACKNOWLEDGE)
    assert taken == [b"x" * 3 * WINDOW]
    assert ours.waiting == 0


def test_an_acknowledgement_waits_for_something_to_travel_with() -> None:
    ours, theirs = end(), end()
    ours.write(b"question")
    deliver(ours, theirs)
    assert packets(theirs, 0.0) == []
    theirs.write(b"answer")
    (packet,) = packets(theirs, 0.0)
    assert packet.acknowledged == 1
    assert packet.number == 1


def test_an_acknowledgement_does_not_wait_for_long() -> None:
    ours, theirs = end(), end()
    ours.write(b"question")
    deliver(ours, theirs)
    assert theirs.due() == ACKNOWLEDGE
    (packet,) = packets(theirs, ACKNOWLEDGE)
    assert (packet.number, packet.acknowledged) == (0, 1)
    assert packets(theirs, ACKNOWLEDGE) == []


def test_what_is_not_acknowledged_is_sent_again_in_order() -> None:
    ours, theirs = end(), end()
    for item in (b"a", b"b"):
        ours.write(item)
        packets(ours)
    assert packets(ours, RESEND / 2) == []
    assert ours.due() == RESEND
    assert deliver(ours, theirs, RESEND) == [b"a"]
    deliver(theirs, ours, RESEND + ACKNOWLEDGE)
    assert deliver(ours, theirs, RESEND + ACKNOWLEDGE) == [b"b"]
    assert ours.resent == 2
    deliver(theirs, ours, RESEND + 3 * ACKNOWLEDGE)
    assert packets(ours, 3 * RESEND) == []


def test_a_failure_while_nothing_is_on_its_way_delays_nothing() -> None:
    ours = end()
    ours.rewind(0.0)
    ours.write(bytes(2 * SEGMENT))
    assert [packet.number for packet in packets(ours)] == [1, 2, 3]


def test_who_does_not_answer_is_sent_one_segment_at_a_time() -> None:
    ours = end()
    ours.write(bytes(WINDOW))
    assert len(packets(ours)) == WINDOW // SEGMENT
    for attempt in range(1, 20):
        (again,) = packets(ours, attempt * RESEND)
        assert again.number == 1
    assert ours.resent == 19


def test_what_is_acknowledged_late_is_not_sent_again() -> None:
    ours = end()
    for item in (b"a", b"b"):
        ours.write(item)
        packets(ours)
    ours.rewind(0.0)
    ours.received(Packet("s", "reply", 0, 1), 0.0)
    assert [packet.number for packet in packets(ours)] == [2]
    ours.rewind(0.0)
    ours.received(Packet("s", "reply", 0, 2), 0.0)
    assert packets(ours) == []


def test_what_comes_twice_or_out_of_order_is_dropped_and_counted() -> None:
    ours, theirs = end(), end()
    sent = []
    for item in (b"a", b"b"):
        ours.write(item)
        sent += packets(ours)
    first, second = sent
    assert theirs.received(second, 0.0) == []
    assert theirs.received(first, 0.0) == [b"a"]
    assert theirs.received(first, 0.0) == []
    assert theirs.dropped == 2
    assert theirs.received(second, 0.0) == [b"b"]


def test_what_comes_twice_is_acknowledged_at_once() -> None:
    ours, theirs = end(), end()
    ours.write(b"a")
    (packet,) = packets(ours)
    theirs.received(packet, 0.0)
    packets(theirs, ACKNOWLEDGE)
    theirs.received(packet, 1.0)
    assert [again.acknowledged for again in packets(theirs, 1.0)] == [1]


def test_an_end_says_that_it_is_there() -> None:
    stream = end()
    assert stream.due() == KEEPALIVE
    assert [packet.number for packet in packets(stream, KEEPALIVE)] == [0]
    assert packets(stream, KEEPALIVE) == []


def test_an_acknowledgement_of_what_was_never_sent_breaks_the_stream() -> None:
    with pytest.raises(StreamBroken):
        end().received(Packet("s", "reply", 0, 1), 0.0)
    ours = end()
    ours.write(b"a")
    packets(ours)
    ours.write(b"b")
    packets(ours, RESEND)
    with pytest.raises(StreamBroken):
        ours.received(Packet("s", "reply", 0, 2), RESEND)


def test_an_item_longer_than_any_frame_breaks_the_stream() -> None:
    size = (LONGEST_ITEM + 1).to_bytes(4)
    with pytest.raises(StreamBroken):
        end().received(Packet("s", "reply", 1, 0, size), 0.0)


@given(
    items=st.lists(st.binary(max_size=40), max_size=60),
    segment=st.integers(1, 30),
    window=st.integers(1, 100),
    seed=st.integers(0, 2**32),
)
def test_whatever_the_layer_loses_doubles_and_mixes_up_all_items_arrive_once_in_order(
    items: list[bytes], segment: int, window: int, seed: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SEGMENT", segment)
        patch.setattr(module, "WINDOW", window)
        rng, now = Random(seed), 0.0
        ends = end(), end()
        taken: tuple[list[bytes], list[bytes]] = [], []
        for item in items:
            ends[0].write(item)
            ends[1].write(item[::-1])
        while ends[0].waiting or ends[1].waiting:
            now += RESEND / 3
            assert now < 10_000
            for ours, theirs in ((0, 1), (1, 0)):
                travelling = packets(ends[ours], now)
                travelling = [p for p in travelling for _ in range(rng.choice((0, 1, 1, 2)))]
                rng.shuffle(travelling)
                for packet in travelling:
                    taken[theirs].extend(ends[theirs].received(packet, now))
        assert taken == ([item[::-1] for item in items], items)
