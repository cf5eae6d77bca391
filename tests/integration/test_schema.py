"""A fuzzer that the document drives finds nothing that is not in it."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.config import SchemathesisConfig

from gossip.api.requests import MAX_BODY
from gossip.api.schema import document
from tests.support.ports import free_port
from tests.support.process import NodeProcess

WITHOUT_END = "/gossip/events"
SETTINGS = {
    "open": {},
    "token": {"GOSSIP_API_TOKENS": "a-token-that-nobody-guesses"},
    "compatible": {"GOSSIP_COMPAT_MISSING_200": "true"},
}
"""What changes answers."""


@pytest.fixture(scope="module", params=SETTINGS)
def node(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NodeProcess]:
    directory = tmp_path_factory.mktemp("schema") / "node"
    node = NodeProcess(free_port(), directory, settings=SETTINGS[request.param])
    node.start()
    node.wait_ready()
    yield node
    node.kill()


def strict() -> dict[str, Any]:
    """The document with no room for fields that it does not name."""
    strict = document()
    _close(strict)
    return strict


def _close(part: object) -> None:
    if isinstance(part, dict):
        if isinstance(part.get("properties"), dict):
            part.setdefault("additionalProperties", False)
        for each in part.values():
            _close(each)
    elif isinstance(part, list):
        for each in part:
            _close(each)


def expecting_conditions() -> SchemathesisConfig:
    """Where a valid request may be answered with 412, and one with an odd tag as well."""
    config = SchemathesisConfig()
    checks = config.projects.default.checks
    for check in (checks.positive_data_acceptance, checks.negative_data_rejection):
        check.expected_statuses = [*check.expected_statuses, "412"]
    return config


schema = schemathesis.openapi.from_dict(strict(), config=expecting_conditions()).exclude(
    path=WITHOUT_END
)


@schema.parametrize()
@settings(
    max_examples=100,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
def test_no_answer_is_undocumented(case: "schemathesis.Case[Any]", node: NodeProcess) -> None:
    case.call_and_validate(base_url=f"http://localhost:{node.port}")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        (method, path)
        for path, described in document()["paths"].items()
        for method in ("get", "post", "put", "delete")
        if method in described
    ],
)
def test_a_body_beyond_the_bound_is_refused_as_documented(
    node: NodeProcess, method: str, path: str
) -> None:
    answer = node.client.request(method.upper(), path.format(key="k"), bytes(MAX_BODY + 1))
    assert answer.status == 413
    assert "413" in document()["paths"][path][method]["responses"]


def test_an_unknown_key_is_answered_as_documented(node: NodeProcess) -> None:
    answer = httpx.get(f"http://localhost:{node.port}/gossip/data/never-written", trust_env=False)
    compatible = "GOSSIP_COMPAT_MISSING_200" in node.settings
    assert answer.status_code == (200 if compatible else 404)
    schema["/gossip/data/{key}"]["GET"].validate_response(answer)


def test_events_begin_as_documented(node: NodeProcess) -> None:
    answer = node.client.request("HEAD", WITHOUT_END)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert node.client.get(f"{WITHOUT_END}?types=nonsense").status == 400
