"""Studies of clusters, and the command that makes them."""

import re
from collections.abc import Iterator
from io import StringIO
from itertools import count
from pathlib import Path
from random import Random
from xml.etree import ElementTree as ET

import msgspec
import pytest
from django.core.management import CommandError, call_command

from gossip.management.commands import simulategossip
from gossip.sim.conditions import Conditions
from gossip.sim.host import Host
from gossip.sim.report import lines, picture
from gossip.sim.study import Plan, Study, Tell, _Run, study

SVG = "{http://www.w3.org/2000/svg}"
STEADY = Conditions(latency=0.05, jitter=0.0)
SMALL = Plan(nodes=8, conditions=STEADY, quiet=30.0, writes=3, kills=2)


def quiet(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def small() -> Study:
    return study(SMALL, quiet)


def test_a_seed_is_a_result(small: Study) -> None:
    assert study(SMALL, quiet) == small


def test_a_small_cluster_is_a_mesh_that_knows_everything_at_once(small: Study) -> None:
    assert small.formed is not None
    assert small.links == [7] * 8
    assert small.hops == {0: 3, 1: 21}
    # Once each, and perhaps once more where a round saw the difference meanwhile.
    assert 7 / 8 <= small.copies < 1
    assert small.everywhere == pytest.approx([0.055] * 3)
    assert len(small.coverage) == 3 * 8
    assert (small.missed, small.suspected, small.removed) == (0, 0, 0)


def test_the_end_of_a_process_is_seen_before_that_of_a_host(small: Study) -> None:
    assert (len(small.noticed), len(small.hosts_noticed)) == (7, 6)
    assert max(small.noticed) < 1 < min(small.hosts_noticed)


def test_who_is_dead_is_off_all_lists_once_it_is_cleaned_up(small: Study) -> None:
    # Six nodes are left, each of which had both on its list, and counts from when it heard them.
    assert len(small.gone) == 12
    assert 55 < min(small.gone) <= max(small.gone) < 65
    hasty = msgspec.structs.replace(SMALL, settings={"cleanup_timeout": 30.0})
    assert 25 < max(study(hasty, quiet).gone) < 35


def test_coverage_over_time_is_the_median_of_the_writes() -> None:
    spread = Study(nodes=4, arrivals=[[0.0, 0.1, 0.2, 0.3], [0.0, 0.3, 0.4, 0.5], [0.0, 0.2]])
    assert [spread.reached(share) for share in (0.25, 0.5, 0.51, 1.0)] == [0.0, 0.2, 0.4, 0.5]
    spread.arrivals[0].pop()
    assert spread.reached(1.0) is None


@pytest.mark.parametrize(
    ("sent", "settled"),
    [([9, 9], 20.0), ([90, 60, 40, 33], 40.0), ([50, 10, 9, 9], 30.0), ([0, 0], 20.0)],
)
def test_a_cluster_is_at_rest_when_traffic_falls_no_more(sent: list[int], settled: float) -> None:
    assert settle(iter(sent)).settled == settled


def test_a_cluster_that_does_not_come_to_rest_is_not_waited_for_in_vain() -> None:
    study = settle(10**100 >> number for number in count())
    assert study.settled is None
    assert "was not at rest yet" in "\n".join(lines(SMALL, study))


def settle(sent: Iterator[int]) -> Study:
    """Wait for the rest of a cluster which sends so much in ten seconds after ten seconds."""
    run = _Run(SMALL, quiet)

    def sent_in(seconds: float) -> tuple[int, int]:
        run._cluster.run(seconds)
        return 0, next(sent)

    run._sent_in = sent_in  # type: ignore[method-assign]
    run._settle()
    run._study.links = [0]
    return run._study


def test_what_is_sent_at_rest_is_counted_with_its_headers(small: Study) -> None:
    assert 1 < small.frames < 10
    assert small.bytes > 60 * small.frames


def test_a_larger_cluster_takes_hops() -> None:
    plan = Plan(nodes=30, conditions=STEADY, quiet=1.0, writes=2, kills=0)
    larger = study(plan, quiet)
    assert max(larger.links) < 16
    assert sum(larger.hops.values()) == 60
    assert 2 <= max(larger.hops) <= 4


CHURNED = Plan(nodes=8, conditions=STEADY, quiet=60.0, churn=4.0, writes=1, kills=0)


def test_hops_are_those_of_the_frame_that_arrives_first() -> None:
    run = _Run(msgspec.structs.replace(SMALL, nodes=4, writes=1), quiet)
    run._form()
    run._rng = Random(1)
    writer, other, *_ = Random(1).sample(run._cluster.up, 4)
    assert writer.process is not None
    for end in writer.process.ends():
        if end.peer.owner.name == other.name:
            end.horizon = run._cluster.now + 10
    run._write()
    # What was sent first is on its way still; a round brought it from somebody else.
    assert run._study.hops == {0: 1, 1: 2, 2: 1}


def test_what_does_not_arrive_is_no_copy() -> None:
    run = _Run(msgspec.structs.replace(SMALL, writes=1), quiet)
    run._form()
    run._cluster.world.network.conditions = Conditions(loss=1.0)
    run._write()
    assert run._study.copies == 0


def test_nodes_that_come_and_go_are_no_false_alarms() -> None:
    churned = study(CHURNED, quiet)
    assert churned.crashes == 4
    assert (churned.suspected, churned.removed) == (0, 0)
    assert churned.everywhere != [None]
    assert "crashed and came back meanwhile: 4" in "\n".join(lines(CHURNED, churned))


def test_what_is_sent_at_rest_is_sent_in_that_time_alone() -> None:
    still = msgspec.structs.replace(CHURNED, quiet=10.0, churn=0.0)
    # The first one would crash after 30 s.
    seldom = msgspec.structs.replace(still, churn=1.0)
    assert study(seldom, quiet).bytes == study(still, quiet).bytes
    often = study(msgspec.structs.replace(still, churn=12.0), quiet)
    assert study(still, quiet).bytes < often.bytes < 3_000


@pytest.mark.parametrize(
    ("churn", "crashes", "returns"),
    [(1.0, [30.0], [40.0]), (6.0, [5.0, 15.0, 25.0], [15.0, 25.0, 35.0])],
)
def test_who_crashes_is_back_ten_seconds_later(
    monkeypatch: pytest.MonkeyPatch, churn: float, crashes: list[float], returns: list[float]
) -> None:
    plan = msgspec.structs.replace(CHURNED, churn=churn)
    killed, started = list[float](), list[float]()
    kill, start = Host.kill, Host.start

    def killing(host: Host, *, dark: bool) -> None:
        killed.append(host.clock().monotonic)
        kill(host, dark=dark)

    def starting(host: Host) -> None:
        started.append(host.clock().monotonic)
        start(host)

    monkeypatch.setattr(Host, "kill", killing)
    monkeypatch.setattr(Host, "start", starting)
    study(plan, quiet)
    begun = killed[0] - crashes[0]
    assert killed[: len(crashes)] == pytest.approx([begun + after for after in crashes])
    assert started[plan.nodes :][: len(returns)] == pytest.approx([begun + r for r in returns])
    assert len(started) == plan.nodes + len(killed)


def test_of_three_nodes_that_come_and_go_two_stay() -> None:
    plan = msgspec.structs.replace(CHURNED, nodes=3, churn=120.0, quiet=21.0)
    assert study(plan, quiet).crashes == 3


def test_a_network_that_loses_everything_forms_no_cluster() -> None:
    plan = Plan(nodes=3, conditions=Conditions(loss=1.0), quiet=1.0, writes=1, kills=1)
    lonely = study(plan, quiet)
    assert lonely.formed is None
    assert lonely.everywhere == [None]
    text = "\n".join(lines(plan, lonely))
    assert "100% of the frames lost for good" in text
    assert "all list all: not in time" in text
    assert "everywhere after never, 1 were not" in text
    assert "at  50% of the nodes never in the median" in text


def test_the_figures_are_told_in_words(small: Study) -> None:
    text = "\n".join(lines(SMALL, small))
    assert text.startswith(
        "8 nodes, 50 to 50 ms from one to another, 0% of the frames lost, seed 1"
    )
    assert "links of a node: 7 to 7" in text
    assert "a write is everywhere after 55 ms in the median" in text
    assert "at  50% of the nodes after 55 ms in the median" in text
    assert "at 100% of the nodes after 55 ms in the median" in text
    assert "hops from the writer to a node: 0 for 12.5%, 1 for 87.5%" in text
    assert "suspected 0 times on some list, removed 0 times" in text
    assert text.endswith(
        "looked for writes every 5 ms, at lists every 50 ms: times are exact to that"
    )


def test_the_picture_is_svg_with_a_curve_for_each(small: Study) -> None:
    root = ET.fromstring(picture(SMALL, small))  # our own
    curves = root.findall(f"{SVG}polyline")
    assert len(curves) == 3
    for curve in curves:
        ends = [float(point.split(",")[1]) for point in curve.attrib["points"].split()]
        assert ends == sorted(ends, reverse=True)


def test_a_curve_ends_at_the_share_that_ever_knew() -> None:
    partly = Study(
        nodes=4,
        arrivals=[[0.1, 0.2, 0.3, 0.4], [0.1, 0.2]],
        noticed=[0.5],
        missed=1,
        hosts_noticed=[0.8, 0.9],
        hosts_missed=6,
    )
    root = ET.fromstring(picture(Plan(nodes=4), partly))  # our own
    _, top, bottom, *_ = re.findall(r"\d+", root.findall(f"{SVG}path")[0].attrib["d"])
    curves = root.findall(f"{SVG}polyline")
    last = [float(curve.attrib["points"].split(",")[-1]) for curve in curves]
    shares = [(float(bottom) - height) / (float(bottom) - float(top)) for height in last]
    assert shares == pytest.approx([6 / 8, 1 / 2, 2 / 8], abs=0.001)


def test_lists_that_never_showed_an_end_are_told() -> None:
    blind = Study(nodes=4, links=[1], missed=1, hosts_missed=6)
    told = "\n".join(lines(Plan(nodes=4), blind))
    assert "end of a process seen on a list: never\n" in told
    assert "end of a host seen on a list: never\n" in told
    assert "stayed active: 7" in told
    assert "not measured" in told  # off a list
    root = ET.fromstring(picture(Plan(nodes=4), blind))  # our own
    for curve in root.findall(f"{SVG}polyline"):
        heights = {point.split(",")[1] for point in curve.attrib["points"].split()}
        assert len(heights) == 1
    assert len(root.findall(f"{SVG}polyline")) == 2


@pytest.mark.parametrize(("loss", "told"), [(0.005, "0.5%"), (0.05, "5%"), (0.0, "0%")])
def test_a_small_loss_is_not_rounded_away(loss: float, told: str) -> None:
    plan = Plan(nodes=4, conditions=Conditions(loss=loss))
    nothing = Study(nodes=4, links=[1])
    assert f" {told} of the frames lost" in next(lines(plan, nothing))
    assert f", {told} loss, seed 1" in picture(plan, nothing)


def test_the_command_prints_figures_and_writes_a_picture(tmp_path: Path) -> None:
    told, progress, file = StringIO(), StringIO(), tmp_path / "curves.svg"
    options = {"nodes": 5, "writes": 1, "kills": 1, "quiet_seconds": 5, "picture": file}
    call_command("simulategossip", stdout=told, stderr=progress, **options)
    assert told.getvalue().startswith("5 nodes, 0.5 to 1.5 ms")
    assert "all list all" in progress.getvalue()
    assert file.read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("nodes", 2, "--nodes must be 3 to 20000"),
        ("loss", 1.0, "--loss must be at least 0 and less than 1"),
        ("latency", -1.0, "--latency must be a number that is not negative"),
        ("churn", float("inf"), "--churn must be a number that is not negative"),
        ("kills", 99, "--kills 99 must leave two of 5 nodes"),
        ("probe_interval", 9, "--probe-interval='9' must be an integer from 10 to 3600000"),
        ("fanout", -1, "--fanout='-1' must be an integer from 1 to 64"),
        (
            *("heartbeat_interval", 30_000),
            "--heartbeat-interval='30000' must be less than --suspicion-timeout (30000)",
        ),
        (
            *("cleanup_timeout", 29_999),
            "--cleanup-timeout='29999' must be no less than --suspicion-timeout (30000)",
        ),
        ("picture", Path("/nowhere/x.svg"), "/nowhere/x.svg: cannot be written"),
    ],
)
def test_what_cannot_be_simulated_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, option: str, value: object, told: str
) -> None:
    """Before anything is simulated."""
    monkeypatch.delattr(simulategossip, "study")
    options = {"nodes": 5, "writes": 0, "kills": 0, "quiet_seconds": 1} | {option: value}
    with pytest.raises(CommandError) as refusal:
        call_command("simulategossip", stdout=StringIO(), stderr=StringIO(), **options)
    assert str(refusal.value) == told


def test_the_command_takes_settings_as_the_variables_do(monkeypatch: pytest.MonkeyPatch) -> None:
    plans: list[Plan] = []

    def noting(plan: Plan, tell: Tell) -> Study:
        plans.append(plan)
        return Study(nodes=plan.nodes, links=[1])

    monkeypatch.setattr(simulategossip, "study", noting)
    options = {"interval": 250, "probe_interval": "100", "fanout": 4, "suspicion_timeout": 20_000}
    told = {"stdout": StringIO(), "stderr": StringIO()}
    call_command("simulategossip", **told, **options)
    assert plans[0].settings == {
        "interval": 0.25,
        "probe_interval": 0.1,
        "fanout": 4,
        "suspicion_timeout": 20.0,
    }
    call_command("simulategossip", **told, loss=0.1, no_resend=True)
    assert [plan.conditions.resend for plan in plans] == [0.2, None]
    call_command("simulategossip", **told, nodes=3)
    assert [plan.kills for plan in plans] == [6, 6, 1]
