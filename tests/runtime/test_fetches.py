import asyncio

from structlog.testing import capture_logs

from gossip.core.effects import Fetch
from gossip.core.events import Fetched
from gossip.runtime.fetches import PARALLEL, Fetches
from gossip.runtime.ports import Fetcher, FetchRefused
from tests.support.runtime import until


def fetch(host: str = "peer.example") -> Fetch:
    return Fetch(f"http://{host}/gossip/state", loopback_allowed=False, most=100)


async def answers(fetcher: Fetcher) -> tuple[str, bytes | None]:
    """What one fetch is answered, once and no more."""
    answered: list[Fetched] = []
    fetches = Fetches(fetcher, answered.append)
    fetches.start(fetch())
    await until(lambda: answered)
    await fetches.stop()
    [answer] = answered
    assert answer.seconds >= 0
    return answer.url, answer.body


async def test_a_body_is_the_answer() -> None:
    async def fetcher(fetch: Fetch) -> bytes:
        return b"{}"

    assert await answers(fetcher) == (fetch().url, b"{}")


async def test_a_refused_fetch_is_answered() -> None:
    async def fetcher(fetch: Fetch) -> bytes:
        raise FetchRefused("status 404")

    assert await answers(fetcher) == (fetch().url, None)


async def test_a_fetcher_that_breaks_is_told_and_answered() -> None:
    async def fetcher(fetch: Fetch) -> bytes:
        raise ValueError("a bug")

    with capture_logs() as logs:
        assert await answers(fetcher) == (fetch().url, None)
    assert [line["event"] for line in logs] == ["fetcher_failed"]


class Gate:
    """A fetcher that holds every fetch until it is told to let go of it."""

    def __init__(self) -> None:
        self.under_way: dict[str, asyncio.Future[bytes]] = {}

    async def __call__(self, fetch: Fetch) -> bytes:
        self.under_way[fetch.url] = asyncio.Future()
        return await self.under_way[fetch.url]


async def test_a_bounded_number_is_under_way_and_the_others_follow_in_order() -> None:
    gate, answered = Gate(), list[Fetched]()
    fetches = Fetches(gate, answered.append)
    urls = [fetch(f"peer-{number}").url for number in range(PARALLEL + 2)]
    for number in range(PARALLEL + 2):
        fetches.start(fetch(f"peer-{number}"))
    await until(lambda: len(gate.under_way) == PARALLEL)
    assert list(gate.under_way) == urls[:PARALLEL]
    gate.under_way[urls[1]].set_result(b"{}")
    await until(lambda: len(gate.under_way) > PARALLEL)
    assert list(gate.under_way) == urls[: PARALLEL + 1]
    assert [answer.url for answer in answered] == [urls[1]]
    await fetches.stop()


async def test_stop_ends_every_fetch_without_an_answer() -> None:
    gate, answered = Gate(), list[Fetched]()
    fetches = Fetches(gate, answered.append)
    for number in range(PARALLEL + 1):
        fetches.start(fetch(f"peer-{number}"))
    await until(lambda: len(gate.under_way) == PARALLEL)
    await fetches.stop()
    assert all(answer.cancelled() for answer in gate.under_way.values())
    assert len(gate.under_way) == PARALLEL
    assert answered == []
