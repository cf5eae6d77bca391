"""Real nodes for the tests of this directory, and their output beside each failure."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.support.cluster import Cluster
from tests.support.ports import free_port
from tests.support.process import Launch, NodeProcess
from tests.support.scaled import Mixed

# Rounds are frequent, so that what pushing missed is repaired while a test waits for it. Time-outs
# stay as they are: what a test sees of a failure within seconds comes from broken connections.
SETTINGS = {"GOSSIP_INTERVAL": "500"}
SIZES = {Launch.RUNGOSSIP: 5, Launch.DAPHNE: 3}


@pytest.fixture(scope="session", params=SIZES, ids=lambda launch: launch.value)
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """One cluster for many tests, under each launch."""
    launch: Launch = request.param
    directory = tmp_path_factory.mktemp(launch.value)
    with Cluster(directory, SIZES[launch], launch=launch, settings=SETTINGS) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared: Cluster) -> Cluster:
    """The shared cluster with all of its nodes, whatever the test before did to it.

    Its data stays: tests use keys of their own.
    """
    shared.revive()
    return shared


@pytest.fixture(scope="session")
def shared_mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mixed]:
    # A shorter lease than usual, so that tests of take-overs are short.
    settings = SETTINGS | {"GOSSIP_LEASE_TERM": "1000", "GOSSIP_DRAIN_TIME": "1000"}
    mixed = Mixed(tmp_path_factory.mktemp("mixed"), settings)
    yield mixed
    mixed.kill()


@pytest.fixture
def mixed(shared_mixed: Mixed) -> Mixed:
    """A scaled node and two embedded ones, whatever the test before did to them.

    Their data stays: tests use keys of their own.
    """
    shared_mixed.revive()
    return shared_mixed


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeProcess]:
    """A node for one test, which starts it."""
    node = NodeProcess(free_port(), tmp_path / "node", settings=SETTINGS)
    yield node
    node.kill()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for pid, node in NodeProcess.running.items():
            report.sections.append((f"node {pid} on port {node.port}", node.tail()))
    return report
