"""`GET /metrics`: the node in the text format of Prometheus.

Everything is read when it is asked for; nothing is counted twice. Figures come in the units that
Prometheus wants: seconds and bytes.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from gossip import __version__, services
from gossip.api.base import NodeView

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import CollectorRegistry, Metric

    from gossip.core.stats import MemberView, Overview
    from gossip.services import Distribution, Vitals

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
STATUSES = ("active", "suspected", "inactive")

COUNTERS = {
    "messages_sent": "Frames sent, one for each link.",
    "messages_received": "Valid frames received.",
    "gossip_rounds": "Rounds of repair.",
    "entries_applied": "Entries from peers that were newer.",
    "entries_stale": "Entries from peers that were not.",
    "duplicates": "Messages seen before.",
    "forwarded": "Frames passed on.",
    "writes": "Local writes acknowledged.",
    "writes_refused": "Local writes refused.",
    "pulls": "Repairs with a peer begun, because the states differed.",
    "pages_served": "Pages of entries sent to peers that repair.",
    "tombstones_dropped": "Old deletions forgotten, because there were too many.",
    "refutations": "Suspicions of this node that it refuted.",
    "probes_failed": "Peers that answered neither this node nor its helpers.",
    "links_opened": "Links opened.",
    "links_closed": "Links closed.",
    "dials": "Dials.",
    "dials_failed": "Dials that led to no link.",
}
"""Fields of `gossip.core.stats.Stats`, which become `gossip_…_total`."""
LAYER_COUNTERS = {
    "resent": "Segments sent again between the processes of this node.",
    "dropped": "Segments between them that came twice or out of order.",
    "failures": "Messages that the channel layer did not take.",
}
"""Fields of `gossip.runtime.vitals.LayerCounts`, which become `gossip_layer_…_total`."""


class MetricsView(NodeView):
    """`GET /metrics`."""

    async def get(self, _request: HttpRequest) -> HttpResponseBase:
        from prometheus_client import generate_latest

        body = generate_latest(_registry(await _read())) + generate_latest(_process())
        length = {"Content-Length": str(len(body))}
        return HttpResponse(body, content_type=CONTENT_TYPE, headers=length)


class _Reading(NamedTuple):
    """All that is told of the node."""

    now: Overview
    members: list[MemberView]
    vitals: Vitals


async def _read() -> _Reading:
    return _Reading(await services.aoverview(), await services.amembers(), await services.avitals())


def _registry(reading: _Reading) -> CollectorRegistry:
    # Not at the top: nodes that nobody monitors do not pay for it.
    from prometheus_client import CollectorRegistry

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Node(reading))
    return registry


@functools.cache
def _process() -> CollectorRegistry:
    from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector

    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class _Node:
    """A collector of `prometheus_client`, which cannot wait: all was read before."""

    def __init__(self, reading: _Reading) -> None:
        self._reading = reading

    def describe(self) -> Iterator[Metric]:
        """Nothing: names are not checked against each other, all are made here."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        now, members, vitals = self._reading
        yield from _about(now, members)
        yield from _counted(now)
        yield from _watched()
        yield from _around(vitals)


def _about(now: Overview, everybody: list[MemberView]) -> Iterator[Metric]:
    from prometheus_client.metrics_core import GaugeMetricFamily, InfoMetricFamily

    about = {"version": __version__, "node_id": now.me.node_id, "region": now.me.region}
    yield InfoMetricFamily("gossip_node", "This node.", about)
    members = GaugeMetricFamily("gossip_members", "Other members by status.", labels=["status"])
    known = [view.status for view in everybody]
    for status in STATUSES:
        members.add_metric([status], known.count(status))
    yield members
    for name, text, value in (
        ("gossip_ready", "1 while the node can serve.", services.ready().ready),
        ("gossip_health_reasons", "What health names as wrong.", len(now.reasons)),
        ("gossip_keys", "Keys with a value.", now.live),
        ("gossip_tombstones", "Deleted keys that are remembered.", now.total - now.live),
        ("gossip_set_aside", "Versions of the future that wait.", now.aside),
        ("gossip_links", "Open links.", now.links),
        ("gossip_self_doubt", "0 to 8: how slow this node finds itself.", now.self_doubt),
        ("gossip_answer_timeout_seconds", "What a member has to answer.", now.answer_timeout),
        ("gossip_updates", "Updates applied since the start, local and remote.", now.version),
        (
            "gossip_incarnation_timestamp_seconds",
            "This life of the node.",
            now.me.incarnation / 1000,
        ),
        (
            "gossip_last_round_timestamp_seconds",
            "0: none yet.",
            (now.stats.last_gossip_time or 0) / 1000,
        ),
        ("gossip_last_update_timestamp_seconds", "0: none yet.", now.last_updated / 1000),
    ):
        yield GaugeMetricFamily(name, text, value)


def _counted(now: Overview) -> Iterator[Metric]:
    from prometheus_client.metrics_core import CounterMetricFamily

    counted = now.stats
    for field, text in COUNTERS.items():
        name = field if field.startswith("gossip_") else f"gossip_{field}"
        yield CounterMetricFamily(name, text, getattr(counted, field))
    yield CounterMetricFamily("gossip_heartbeats_sent", "Heartbeats sent.", now.heartbeats_sent)
    refused = CounterMetricFamily("gossip_refused", "Input refused, by reason.", labels=["reason"])
    for reason, count in sorted(counted.refused.items()):
        refused.add_metric([reason], count)
    yield refused


def _watched() -> Iterator[Metric]:
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

    counts = services.watch_counts()
    yield GaugeMetricFamily("gossip_watchers", "Who is told what happens.", counts.watching)
    yield CounterMetricFamily("gossip_watchers_refused", "Found no room.", counts.refused)
    yield CounterMetricFamily("gossip_watchers_dropped", "Read too slowly.", counts.dropped)


def _around(vitals: Vitals) -> Iterator[Metric]:
    from prometheus_client.metrics_core import GaugeMetricFamily

    yield _histogram(
        "gossip_event_loop_lag_seconds", "How late timers of the node fired.", vitals.loop_lag
    )
    yield _histogram("gossip_journal_commit_seconds", "Until durable.", vitals.commits)
    for name, text, value in (
        ("gossip_journal_backlog", "Learned and not yet on disk.", vitals.backlog),
        ("gossip_journal_failing", "1 while the store fails.", vitals.journal_failing),
        ("gossip_writes_waiting", "Local writes not yet answered.", vitals.writes_waiting),
        ("gossip_events_waiting", "Frames and others before the node.", vitals.events_waiting),
        ("gossip_outbound_waiting_characters", "Before the sockets.", vitals.outbound_waiting),
    ):
        yield GaugeMetricFamily(name, text, value)
    if vitals.layer:
        yield from _between_processes(vitals)


def _between_processes(vitals: Vitals) -> Iterator[Metric]:
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

    text = "Web processes that the worker hears of."
    yield GaugeMetricFamily("gossip_web_processes", text, vitals.web_processes)
    for field, text in LAYER_COUNTERS.items():
        counted = CounterMetricFamily(f"gossip_layer_{field}", text, labels=["side"])
        for side, counts in vitals.layer.items():
            counted.add_metric([side], getattr(counts, field))
        yield counted


def _histogram(name: str, text: str, observed: Distribution) -> Metric:
    from prometheus_client.metrics_core import HistogramMetricFamily

    bounds = [*map(str, observed.bounds), "+Inf"]
    buckets = list(zip(bounds, observed.counts, strict=True))
    return HistogramMetricFamily(name, text, buckets=buckets, sum_value=observed.sum)
