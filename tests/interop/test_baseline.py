"""The baseline of five plain nodes in a full mesh. A double that does not reproduce it is wrong.

What was measured in seconds is counted in rounds here, so that a busy machine changes nothing.
"""

from collections.abc import Iterable
from dataclasses import replace

from tests.interop.double.double import Double
from tests.interop.double.settings import Timers
from tests.interop.raw import mesh, until

FAST = Timers().scaled(1 / 100)
SHORT_INTERVAL = replace(Timers().scaled(1 / 10), interval=0.02)
"""An interval of 200 ms, all other timers as deployed, ten times faster."""


def keys(peers: Iterable[Double]) -> list[int]:
    return [len(peer.node.state.entries) for peer in peers]


def sent(peers: Iterable[Double]) -> int:
    return sum(peer.node.stats.sent.total() for peer in peers)


async def rounds(peers: Iterable[Double], count: int) -> None:
    """Wait until each has had so many more rounds."""
    ends = [(peer, peer.node.stats.rounds + count) for peer in peers]
    await until(lambda: all(peer.node.stats.rounds >= end for peer, end in ends))


async def test_a_write_leaves_with_the_next_round_and_reaches_all() -> None:
    async with mesh(5, FAST) as peers:
        writer = peers[0]
        before = writer.node.stats.rounds
        writer.set("k", 1)
        assert keys(peers) == [1, 0, 0, 0, 0]
        await until(lambda: writer.node.stats.rounds > before)
        await until(lambda: keys(peers) == [1] * 5)
        assert writer.node.stats.rounds - before <= 3


async def test_a_hundred_keys_take_longer_than_minutes() -> None:
    async with mesh(5, FAST) as peers:
        for index in range(100):
            peers[0].set(f"k{index}", index)
        await rounds(peers[:1], 12)  # one minute
        assert max(keys(peers[1:])) < 50
        await rounds(peers[:1], 48)  # five minutes: 78–85 of them were seen
        assert all(70 <= known <= 95 for known in keys(peers[1:])), keys(peers)


async def test_at_a_short_interval_a_hundred_keys_take_about_half_a_minute() -> None:
    async with mesh(5, SHORT_INTERVAL) as peers:
        for index in range(100):
            peers[0].set(f"k{index}", index)
        before = peers[0].node.stats.rounds
        await until(lambda: keys(peers) == [100] * 5)
        assert 80 < peers[0].node.stats.rounds - before < 450  # 35 s are 175 rounds


async def test_traffic_is_the_same_whatever_is_missing() -> None:
    """45 messages a second: 225 in an interval."""
    async with mesh(5, FAST) as peers:
        for peer in peers:
            peer.set("same", peer.settings.node_id)
        for repetition in range(2):
            before = sent(peers)
            await rounds(peers, 20)
            each = (sent(peers) - before) / 20
            assert 190 <= each <= 260, (repetition, each)


async def test_equal_versions_with_different_values_differ_for_ever() -> None:
    async with mesh(2, Timers().scaled(1 / 200)) as (one, other):
        for index in range(20):
            for peer in (one, other):
                entry = {"key": f"k{index}", "value": peer.settings.node_id, "version": 7}
                assert peer.node.state.merge(entry, 0, 0)
        before = one.node.stats.received["gossip"]
        await until(lambda: one.node.stats.received["gossip"] - before > 100)
        for index in range(20):
            assert (one.get(f"k{index}"), other.get(f"k{index}")) == ("0x0", "0x1")


async def test_two_plain_nodes_hold_three_sockets() -> None:
    async with mesh(2, FAST) as (first, second):
        await until(lambda: first.open_sockets == second.open_sockets == 3)
        assert (first.node.stats.dials, second.node.stats.dials) == (1, 2)
        await rounds([first, second], 10)
        assert first.open_sockets == second.open_sockets == 3


async def test_a_killed_node_leaves_the_lists_and_is_removed() -> None:
    timers = Timers().scaled(1 / 50)
    async with mesh(3, timers) as peers:
        await peers[2].end()
        others = peers[:2]
        await until(lambda: all(len(peer.node.peers.active()) == 1 for peer in others))
        await until(lambda: all(len(list(peer.node.peers)) == 1 for peer in others))


async def test_a_node_that_starts_again_is_found_empty_and_gets_the_state() -> None:
    async with mesh(2, FAST) as (first, second):
        first.set("k", 1)
        await until(lambda: second.get("k") == 1)
        await second.end()
        again = replace(second.settings, node_id="0xagain", port=second.port)
        async with Double(again) as third:
            await until(lambda: third.get("k") == 1)
