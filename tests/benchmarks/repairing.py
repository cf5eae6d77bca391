"""What repairing scattered differences costs two nodes that hold many entries (A1, A2).

Both nodes are the real core in virtual time, on a link of 50 ms each way, past everything that
their start set off. Then differences appear at both of them at random, as if pushes had been lost,
and the next round finds them.
"""

import random
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import msgspec

from gossip.core.encoding import encode_entry
from gossip.core.entries import Entry
from gossip.core.events import Restored
from gossip.sim.cluster import Cluster
from gossip.sim.conditions import Conditions
from gossip.sim.host import EPOCH
from gossip.sim.network import End

LATENCY = 0.05
VALUE = 200
"""Bytes of a value."""
HELD = 10_000, 100_000
DIFFERING = 0, 1, 10, 100, 1_000, 10_000
FIELDS = "besides", "frames", "round_trips", "cpu"

_BEFORE = EPOCH - 1_000_000
_ID = 66
"""Bytes of a node id, where a frame has one; the names of simulated hosts are shorter."""
_PATIENCE = 600.0
"""Virtual seconds until a repair must have ended."""

_envelope = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Cost(msgspec.Struct):
    """Of one session, both nodes together."""

    frames: int = 0
    bytes: int = 0
    """Of all frames of section 5."""
    entries: int = 0
    entry_bytes: int = 0
    """What of it was entries that the receiver lacked: each once, as it travels."""
    round_trips: float = 0.0
    cpu: float = 0.0
    """Seconds of processor time."""

    @property
    def besides(self) -> int:
        """Bytes besides the entries."""
        return self.bytes - self.entry_bytes


def session(held: int, differing: int, *, changed: bool, seed: int = 1) -> Cost:
    """Repair so many differences between nodes that hold so many entries.

    Each difference is at a random one of both nodes: an entry that the other lacks or, if
    `changed`, a newer version of an entry that both hold.
    """
    rng = random.Random(seed)  # to repeat
    cluster = Cluster(
        seed,
        2,
        conditions=Conditions(latency=LATENCY, jitter=0.0),
        settings={"heartbeat_interval": 1_000.0, "probe_interval": 1_000.0},
    )
    common = [_entry(f"key {number}", _BEFORE + rng.randrange(900_000)) for number in range(held)]
    for host in cluster.hosts.values():
        host.disk.entries = {entry.key: entry for entry in common}
    cluster.start(apart=1.0)
    cluster.wait_for(cluster.complete, within=20)
    cluster.run(20)
    keys = rng.sample(range(held), differing) if changed else range(held, held + differing)
    news = [_entry(f"key {number}", _BEFORE + 900_000 + number) for number in keys]
    shares: dict[str, list[Entry]] = {name: [] for name in cluster.hosts}
    for entry in news:
        shares[rng.choice(list(shares))].append(entry)
    cost = Cost(entries=differing, entry_bytes=sum(len(encode_entry(entry)) + 1 for entry in news))
    with _counted(cluster, cost):
        for name, entries in shares.items():
            process = cluster.hosts[name].process
            assert process is not None
            process.feed(Restored(tuple(entries)))
        began = time.process_time()
        cluster.wait_for(lambda: cost.frames > 0, within=_PATIENCE, every=0.001)
        first = cluster.now
        cluster.wait_for(lambda: _repaired(cluster, news), within=_PATIENCE, every=LATENCY / 5)
        cost.round_trips = (cluster.now - first) / (2 * LATENCY)
        cost.cpu = time.process_time() - began
        cluster.run(6 * LATENCY)
    assert cluster.equal()
    return cost


def _entry(key: str, version: int) -> Entry:
    text = f"{key} {version} "
    return Entry(
        key, version, msgspec.json.encode(text + "x" * (VALUE - len(text) - 2)), None, version
    )


def _repaired(cluster: Cluster, news: list[Entry]) -> bool:
    return all(cluster.get(name, entry.key) == entry for name in cluster.hosts for entry in news)


@contextmanager
def _counted(cluster: Cluster, cost: Cost) -> Iterator[None]:
    """Count the frames of section 5 and the pushed arrays that they lead to."""
    network = cluster.world.network
    send = network.send

    def counting(end: End, frame: bytes) -> None:
        fields = _envelope(frame)
        if bytes(fields["type"]) == b'"sync"':
            cost.frames += 1
            cost.bytes += len(frame)
            if "from" in fields:
                cost.bytes += _ID - len(end.owner.name)
        send(end, frame)

    network.send = counting  # type: ignore[method-assign]
    try:
        yield
    finally:
        network.send = send  # type: ignore[method-assign]


def repair() -> dict[str, float]:
    """Every combination of `HELD`, `DIFFERING` and both kinds of difference."""
    figures = {}
    for held, differing, changed in _combinations():
        cost = session(held, differing, changed=changed)
        for field in FIELDS:
            figures[_figure(held, differing, changed, field)] = getattr(cost, field)
    return figures


def table(figures: Mapping[str, Sequence[float]]) -> Iterator[str]:
    """Markdown lines, if it was measured."""
    if _figure(HELD[0], 0, False, "besides") not in figures:
        return
    yield "\n## Repair, two nodes in simulation\n"
    yield (
        "| entries at both | differences | bytes besides the entries | aim | met | frames |"
        " round trips | processor time |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    for held, differing, changed in _combinations():
        besides, frames, round_trips, cpu = (
            statistics.median(figures[_figure(held, differing, changed, field)]) for field in FIELDS
        )
        # A changed entry is two differences of the sets: the old one and the new one.
        aim = 60 * differing * (2 if changed else 1) + 1_000 if differing else 300
        aimed = differing <= 1_000
        yield (
            f"| {held:,} | {_words(differing, changed)} | {besides:,.0f} B |"
            f" {f'{aim:,} B' if aimed else ''} |"
            f" {('yes' if besides <= aim else '**missed**') if aimed else ''} |"
            f" {frames:.0f} | {round_trips:.1f} | {cpu * 1e3:.0f} ms |"
        )


def _combinations() -> Iterator[tuple[int, int, bool]]:
    for held in HELD:
        for differing in DIFFERING:
            yield held, differing, False
            if differing:
                yield held, differing, True


def _figure(held: int, differing: int, changed: bool, field: str) -> str:
    return f"repair {held} {differing} {'changed' if changed else 'missing'} {field}"


def _words(differing: int, changed: bool) -> str:
    if not differing:
        return "none"
    return f"{differing:,} {'changed' if changed else 'missing'}"


CASES = {"repair": repair}
