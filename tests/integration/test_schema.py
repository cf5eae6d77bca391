"""A fuzzer that the document drives finds nothing that is not in it."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings

from gossip.api.schema import document
from tests.support.process import NodeProcess, free_ports

WITHOUT_END = "/gossip/events"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    node = NodeProcess(free_ports(1)[0], tmp_path_factory.mktemp("schema") / "node")
    node.start()
    node.wait_ready()
    yield node
    node.kill()


schema = schemathesis.openapi.from_dict(document()).exclude(path=WITHOUT_END)


@schema.parametrize()
@settings(
    max_examples=100,
    derandomize=True,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
def test_no_answer_is_undocumented(case: "schemathesis.Case[Any]", node: NodeProcess) -> None:
    case.call_and_validate(base_url=f"http://localhost:{node.port}")


def test_events_begin_as_documented(node: NodeProcess) -> None:
    answer = node.client.request("HEAD", WITHOUT_END)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert node.client.get(f"{WITHOUT_END}?types=nonsense").status == 400
