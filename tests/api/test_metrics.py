"""`GET /metrics`."""

import re
import subprocess
import sys
from collections import Counter

import httpx
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gossip.api.metrics import COUNTERS, LAYER_COUNTERS
from gossip.core.stats import Stats
from gossip.runtime.histogram import Histogram
from gossip.runtime.vitals import LayerCounts
from tests.api.conftest import Configure
from tests.support.fake_port import FakePort

OTHERWISE = {
    **dict.fromkeys(("totalPeers", "activePeers", "suspectedPeers"), "gossip_members"),
    "lastGossipTime": "gossip_last_round_timestamp_seconds",
    "answerTimeout": "gossip_answer_timeout_seconds",
}
"""Fields of the stats that have another name here."""


async def samples(client: httpx.AsyncClient) -> dict[tuple[str, str], float]:
    """By name and the value of the only label."""
    response = await client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        (sample.name, "".join(sample.labels.values()) if len(sample.labels) == 1 else ""): (
            sample.value
        )
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


async def test_every_counter_is_there(client: httpx.AsyncClient, port: FakePort) -> None:
    numbers = {name: number for number, name in enumerate(COUNTERS, 1)}
    port.tell(stats=msgspec.convert(numbers, Stats))
    found = await samples(client)
    for name, number in numbers.items():
        assert found[f"gossip_{name.removeprefix('gossip_')}_total", ""] == number


async def test_every_number_of_the_stats_is_there(
    client: httpx.AsyncClient, port: FakePort
) -> None:
    port.tell(stats=Stats(refused=Counter({"json": 1})))
    found = {name for name, _ in await samples(client)}
    for field in (await client.get("/gossip/stats")).json()["stats"]:
        name = "gossip_" + re.sub("([A-Z])", r"_\1", field).lower().removeprefix("gossip_")
        assert {OTHERWISE.get(field, name), f"{name}_total"} & found, field


def test_no_counter_of_the_node_is_missing() -> None:
    counted = {field.name for field in msgspec.structs.fields(Stats)}
    assert counted - COUNTERS.keys() == {"last_gossip_time", "refused"}


async def test_members_keys_and_refusals(client: httpx.AsyncClient, port: FakePort) -> None:
    port.know("a")
    port.know("b", "suspected")
    await client.put("/gossip/data/k", json=1)
    stats = Stats()
    stats.refused["json"] += 3
    port.tell(stats=stats, reasons=("clock: …",))
    found = await samples(client)
    assert found["gossip_members", "active"] == found["gossip_members", "suspected"] == 1
    assert found["gossip_members", "inactive"] == 0
    assert (found["gossip_keys", ""], found["gossip_health_reasons", ""]) == (1, 1)
    assert found["gossip_refused_total", "json"] == 3


async def test_durations_are_histograms(client: httpx.AsyncClient, port: FakePort) -> None:
    lag = Histogram()
    for seconds in (0.0005, 0.03, 9.0):
        lag.observe(seconds)
    port.feel(loop_lag=lag.read(), backlog=7, journal_failing=True)
    found = await samples(client)
    assert found["gossip_event_loop_lag_seconds_bucket", "0.001"] == 1
    assert found["gossip_event_loop_lag_seconds_bucket", "0.05"] == 2
    assert found["gossip_event_loop_lag_seconds_bucket", "+Inf"] == 3
    assert found["gossip_event_loop_lag_seconds_count", ""] == 3
    assert found["gossip_event_loop_lag_seconds_sum", ""] == pytest.approx(9.0305)
    assert (found["gossip_journal_backlog", ""], found["gossip_journal_failing", ""]) == (7, 1)


async def test_a_node_of_several_processes_tells_of_what_is_between_them(
    client: httpx.AsyncClient, port: FakePort
) -> None:
    assert not [name for name, _ in await samples(client) if name.startswith("gossip_layer")]
    numbers = {name: number for number, name in enumerate(LAYER_COUNTERS, 1)}
    port.feel(web_processes=3, layer={"web": LayerCounts(), "worker": LayerCounts(**numbers)})
    found = await samples(client)
    assert found["gossip_web_processes", ""] == 3
    for name, number in numbers.items():
        assert found[f"gossip_layer_{name}_total", "worker"] == number
        assert found[f"gossip_layer_{name}_total", "web"] == 0


def test_no_counter_of_the_layer_is_missing() -> None:
    assert LAYER_COUNTERS.keys() == {field.name for field in msgspec.structs.fields(LayerCounts)}


async def test_the_process_is_there_too(client: httpx.AsyncClient, port: FakePort) -> None:
    found = await samples(client)
    assert found["process_resident_memory_bytes", ""] > 1_000_000
    assert found["process_open_fds", ""] > 0


async def test_a_reason_that_a_peer_chose_cannot_forge_lines(
    client: httpx.AsyncClient, port: FakePort
) -> None:
    stats = Stats()
    stats.refused['x"} 1\ngossip_ready 0\n'] += 1
    port.tell(stats=stats)
    found = await samples(client)
    assert found["gossip_ready", ""] == 1


async def test_without_a_node_there_is_nothing_to_measure(configure: Configure) -> None:
    response = await configure().get("/metrics")
    assert response.status_code == 503


def test_a_node_that_nobody_monitors_does_not_load_the_library() -> None:
    code = (
        "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'gossipnode.settings'\n"
        "import sys, gossipnode.asgi, gossip.api.urls\n"
        "sys.exit('prometheus_client' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
