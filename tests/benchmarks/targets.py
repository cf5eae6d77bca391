"""Every figure that is measured: its words, its unit, what we aim for, what others reach."""

from enum import Enum
from typing import NamedTuple


class Unit(Enum):
    """How a figure is written; figures are measured in seconds, bytes and counts."""

    MILLISECONDS = ("ms", 1e3)
    SECONDS = ("s", 1.0)
    MICROSECONDS = ("µs", 1e6)
    PER_SECOND = ("/s", 1.0)
    MEGABYTES = ("MB", 1e-6)
    KILOBYTES = ("kB", 1e-3)
    BYTES = ("B", 1.0)
    BYTES_PER_SECOND = ("B/s", 1.0)
    FRAMES = ("frames", 1.0)
    COUNT = ("", 1.0)
    TIMES = ("×", 1.0)  # the sign of a multiple

    def write(self, value: float) -> str:
        """The value with its unit and three significant digits."""
        name, factor = self.value
        number = value * factor
        digits = 0 if abs(number) >= 100 or self is Unit.COUNT else 1 if abs(number) >= 10 else 2
        return f"{number:,.{digits}f} {name}".strip()


class Target(NamedTuple):
    """One row of the table."""

    figure: str
    what: str
    unit: Unit
    aim: float | None = None
    """None where there is none: the figure is for information."""
    at_least: bool = False
    """The aim is a lower bound, else an upper one."""
    deployed: str = ""
    """What the deployed nodes reach, as measured on a machine like this one."""

    def met(self, value: float) -> bool | None:
        """Whether the value is as good as the aim; None where there is no aim."""
        if self.aim is None:
            return None
        return value >= self.aim if self.at_least else value <= self.aim


TARGETS: dict[str, tuple[Target, ...]] = {
    "Spreading, five nodes": (
        Target(
            "write_p50",
            "one write visible on all, median",
            Unit.MILLISECONDS,
            0.010,
            deployed="3.5 s",
        ),
        Target(
            "write_p99", "one write visible on all, p99", Unit.MILLISECONDS, 0.040, deployed="5 s"
        ),
        Target(
            "keys_100",
            "100 keys written at one, on all after the last write",
            Unit.MILLISECONDS,
            0.5,
            deployed="81 % after 300 s",
        ),
        Target(
            "keys_1000", "1,000 keys likewise", Unit.MILLISECONDS, 1.0, deployed="16 % after 300 s"
        ),
        Target(
            "ties_equal",
            "20 keys with equal versions and different values at two nodes, all equal",
            Unit.MILLISECONDS,
            1.0,
            deployed="never",
        ),
        Target(
            "pairs_equal",
            "200 pairs of concurrent writes, all equal",
            Unit.MILLISECONDS,
            1.0,
            deployed="30 keys never",
        ),
    ),
    "Twenty and thirty nodes, all on this machine": (
        Target("twenty_write_p50", "one write visible on all 20, median", Unit.MILLISECONDS, 0.05),
        Target("twenty_write_p99", "one write visible on all 20, p99", Unit.MILLISECONDS, 0.15),
        Target("twenty_kill_seen", "`kill -9` suspected by all of 20", Unit.MILLISECONDS, 1.0),
        Target(
            "twenty_freeze_seen",
            "frozen (SIGSTOP) node suspected by all of 20, median of each in turn",
            Unit.SECONDS,
            4.0,
        ),
        Target("twenty_freeze_seen_last", "the same, the longest", Unit.SECONDS, 10.0),
        Target("twenty_freeze_over", "it goes on: active on all lists", Unit.SECONDS, 5.0),
        Target(
            "twenty_down",
            "both cores busy for a minute: most living nodes that one list lacked, then or in 90 s"
            " after",
            Unit.COUNT,
            0,
        ),
        Target("twenty_suspicions", "suspicions in that time, on all lists", Unit.COUNT),
        Target("thirty_links", "most links that one of 30 holds", Unit.COUNT, 12),
        Target(
            "half_parts",
            "15 of them are killed: parts that the links of the 15 left make at once",
            Unit.COUNT,
            1,
        ),
        Target("half_whole", "the same, until their links make one graph", Unit.SECONDS, 5.0),
        Target("half_write", "the same, until a write is on all 15 left", Unit.SECONDS, 5.0),
    ),
    "Failure and return, five nodes": (
        Target(
            "stop_seen",
            "planned stop seen by all",
            Unit.MILLISECONDS,
            0.2,
            deployed="never announced",
        ),
        Target(
            "kill_seen", "`kill -9` suspected by all", Unit.MILLISECONDS, 0.5, deployed="35.0 s"
        ),
        Target(
            "freeze_seen",
            "frozen (SIGSTOP) node suspected by all, median of each in turn",
            Unit.SECONDS,
            4.0,
            deployed="35 s",
        ),
        Target("freeze_seen_last", "the same, the longest", Unit.SECONDS, 10.0),
        Target("freeze_over", "it goes on: active on all lists", Unit.SECONDS, 5.0),
        Target(
            "kept_return",
            "restart with its disk, 100 of 1,000 keys changed meanwhile: all as elsewhere after its"
            " first answer",
            Unit.MILLISECONDS,
            1.0,
            deployed="52–114 s",
        ),
        Target(
            "empty_return",
            "restart with an empty disk: 1,000 keys again after its first answer",
            Unit.MILLISECONDS,
            1.0,
            deployed="over 120 s",
        ),
        Target("empty_return_whole", "the same from the start of the process", Unit.SECONDS),
        Target(
            "removed_first",
            "`kill -9`: off the first list; `GOSSIP_CLEANUP_TIMEOUT` is 60 s",
            Unit.SECONDS,
            60.0,
            at_least=True,
        ),
        Target("removed_last", "the same, off the last list", Unit.SECONDS, 65.0),
        Target(
            "again_at_once",
            "restart with its id and an empty disk at once after `kill -9`: all list each other"
            " after its first answer",
            Unit.MILLISECONDS,
            1.0,
        ),
        Target("again_removed", "the same after it was off all lists", Unit.MILLISECONDS, 1.0),
        Target("start", "start to first answered request", Unit.SECONDS, 1.0, deployed="0.95 s"),
        Target("first_start", "the same with an empty disk: key and tables are made", Unit.SECONDS),
    ),
    "Apart and together": (
        Target(
            "late_listed",
            "two nodes list each other after the first answer of a bootstrap peer that starts 5, 20"
            " or 40 s late, the longest",
            Unit.SECONDS,
            5.0,
        ),
        Target(
            "halves_whole",
            "ten nodes list each other after a minute as two halves",
            Unit.SECONDS,
            30.0,
        ),
        Target(
            "halves_equal",
            "the same, and the 480 writes of that minute are on all",
            Unit.SECONDS,
            30.0,
        ),
    ),
    "With plain peers": (
        Target(
            "plain_keys",
            "1,000 keys written at one of three, on three plain peers after the last write",
            Unit.MILLISECONDS,
            2.0,
            deployed="16 % after 300 s",
        ),
        Target(
            "plain_alone",
            "1,000 keys that one plain peer alone knows, on three of ours",
            Unit.SECONDS,
            60.0,
            deployed="16 % after 300 s",
        ),
        Target(
            "plain_ties",
            "20 keys with equal versions and different values at a plain peer and at one of ours,"
            " equal on all six",
            Unit.SECONDS,
            deployed="never",
        ),
        Target(
            "to_plain_frames",
            "frames to a plain peer for each key, from four of ours",
            Unit.FRAMES,
            1.3,
            deployed="42 frames",
        ),
        Target("to_plain_bytes", "bytes for it", Unit.BYTES, 1_000, deployed="17 kB"),
        Target(
            "to_plain_idle",
            "bytes to it while nothing is written, 1,100 keys",
            Unit.BYTES_PER_SECOND,
            3_700,
            deployed="3.7 kB/s",
        ),
        Target(
            "among_plain_frames",
            "for comparison: frames among five plain peers for each new key at one of them",
            Unit.FRAMES,
        ),
        Target("among_plain_bytes", "bytes for it", Unit.BYTES),
        Target("among_plain_idle", "bytes that each receives", Unit.BYTES_PER_SECOND),
    ),
    "Throughput, one node": (
        Target(
            "frames_per_second",
            "frames of one update through `/ws`, one connection",
            Unit.PER_SECOND,
            18_000,
            True,
            "9,500 /s",
        ),
        Target("frame_cpu", "processor time for each", Unit.MICROSECONDS, 55e-6, deployed="111 µs"),
        Target(
            "stall",
            "longest answer to `GET /gossip/health` while eight connections flood",
            Unit.MILLISECONDS,
            0.1,
            deployed="1.9 s",
        ),
        Target("entries_new", "entries in `sync` arrays, new", Unit.PER_SECOND, 60_000, True),
        Target(
            "entries_stale", "entries in `sync` arrays, not newer", Unit.PER_SECOND, 150_000, True
        ),
        Target(
            "get_per_second",
            "`GET /gossip/data/:key`, 32 connections",
            Unit.PER_SECOND,
            900,
            True,
            "7,100 /s",
        ),
        Target("get_p99", "p99 of it", Unit.MILLISECONDS),
        Target("get_cpu", "processor time for each", Unit.MICROSECONDS),
        Target(
            "post_per_second",
            "durable `POST /gossip/data`, 32 connections",
            Unit.PER_SECOND,
            700,
            True,
            "4,400 /s, not durable",
        ),
        Target("post_p99", "p99 of it", Unit.MILLISECONDS, 0.1),
        Target("post_cpu", "processor time for each", Unit.MICROSECONDS),
    ),
    "One node in several processes, beside two embedded ones where it is about peers": (
        Target(
            "scaled_frames_per_second_1",
            "frames of one update through `/ws`, one web process, a connection to each",
            Unit.PER_SECOND,
        ),
        Target("scaled_frame_cpu_1", "processor time for each", Unit.MICROSECONDS),
        Target(
            "scaled_get_per_second_1",
            "`GET /gossip/data/:key`, one web process, 32 connections",
            Unit.PER_SECOND,
        ),
        Target("scaled_get_p99_1", "p99 of it", Unit.MILLISECONDS),
        Target("scaled_get_cpu_1", "processor time for each", Unit.MICROSECONDS),
        Target(
            "scaled_post_per_second_1",
            "durable `POST /gossip/data`, one web process, 32 connections",
            Unit.PER_SECOND,
        ),
        Target("scaled_post_p99_1", "p99 of it", Unit.MILLISECONDS),
        Target("scaled_post_cpu_1", "processor time for each", Unit.MICROSECONDS),
        Target(
            "scaled_frames_per_second_2",
            "frames of one update through `/ws`, two web processes, a connection to each",
            Unit.PER_SECOND,
        ),
        Target("scaled_frame_cpu_2", "processor time for each", Unit.MICROSECONDS),
        Target(
            "scaled_get_per_second_2",
            "`GET /gossip/data/:key`, two web processes, 32 connections",
            Unit.PER_SECOND,
        ),
        Target("scaled_get_p99_2", "p99 of it", Unit.MILLISECONDS),
        Target("scaled_get_cpu_2", "processor time for each", Unit.MICROSECONDS),
        Target(
            "scaled_post_per_second_2",
            "durable `POST /gossip/data`, two web processes, 32 connections",
            Unit.PER_SECOND,
        ),
        Target("scaled_post_p99_2", "p99 of it", Unit.MILLISECONDS),
        Target("scaled_post_cpu_2", "processor time for each", Unit.MICROSECONDS),
        Target(
            "scaled_write_p50",
            "one write visible at three web processes and two other nodes, median",
            Unit.MILLISECONDS,
            0.02,
        ),
        Target("scaled_write_p99", "the same, p99", Unit.MILLISECONDS, 0.08),
        Target(
            "scaled_outage",
            "active worker `kill -9`: until a write is acknowledged again",
            Unit.SECONDS,
            6.0,
        ),
        Target("scaled_suspected", "peers that suspect the node meanwhile, of two", Unit.COUNT),
        Target("scaled_memory_web", "resident memory of a web process", Unit.MEGABYTES),
        Target("scaled_memory_worker", "of the active worker", Unit.MEGABYTES),
        Target("scaled_memory_standby", "of the standby", Unit.MEGABYTES),
        Target("scaled_memory_redis", "of Redis", Unit.MEGABYTES),
        Target("scaled_cpu_web", "idle web process: processor time in a minute", Unit.SECONDS),
        Target("scaled_cpu_worker", "idle worker likewise", Unit.SECONDS),
        Target("scaled_cpu_standby", "idle standby likewise", Unit.SECONDS),
    ),
    "Admin, 100,000 entries": (
        Target("admin_list", "first page of the entries", Unit.MILLISECONDS, 0.3),
        Target("admin_deep", "last page that a list reaches", Unit.MILLISECONDS, 0.3),
        Target("admin_behind", "first page behind a late key", Unit.MILLISECONDS, 0.3),
        Target("admin_search", "search for a prefix", Unit.MILLISECONDS, 0.3),
        Target("admin_memory", "memory that the first login takes", Unit.MEGABYTES),
    ),
    "100,000 keys of 200 bytes": (
        Target("large_start", "start to first answered request", Unit.SECONDS),
        Target(
            "large_start_stall",
            "longest answer in its first six seconds",
            Unit.MILLISECONDS,
            0.05,
        ),
        Target(
            "large_snapshot",
            "a node with an empty disk joins: all keys after its first answer",
            Unit.SECONDS,
        ),
        Target(
            "large_snapshot_stall",
            "longest answer of the node that it fetches them from",
            Unit.MILLISECONDS,
            0.05,
        ),
        Target("large_data", "`GET /gossip/data`, read to its end", Unit.SECONDS),
        Target("large_data_stall", "longest other answer meanwhile", Unit.MILLISECONDS, 0.05),
        Target("large_state", "`GET /gossip/state`", Unit.SECONDS),
        Target("large_state_stall", "longest other answer meanwhile", Unit.MILLISECONDS, 0.05),
        Target("large_memory", "resident memory of a node", Unit.MEGABYTES),
    ),
    "Cost, nothing happening": (
        Target("memory_idle", "resident memory of a node", Unit.MEGABYTES, 75e6, deployed="112 MB"),
        Target("memory_per_key", "more for each small key", Unit.KILOBYTES, 1e3),
        Target(
            "memory_per_member",
            "more for each member of a crowd, the core alone",
            Unit.KILOBYTES,
            1e3,
        ),
        Target(
            "cpu_idle",
            "processor time in a minute, node of five",
            Unit.SECONDS,
            0.10,
            deployed="0.06 s, alone",
        ),
    ),
}
"""By topic, in the order of the report."""
