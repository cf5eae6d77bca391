import asyncio

from structlog.testing import capture_logs

from gossip.core.effects import Dial
from gossip.core.events import DialFailed
from gossip.runtime.dials import Dials
from gossip.runtime.ports import Dialer, DialRefused, Hub, OpenLink, Wire
from tests.support.runtime import MemoryWire, until

DIAL = Dial("ws://peer.example/ws", loopback_allowed=False)


class RecordingHub:
    """A hub that remembers its only link."""

    def __init__(self) -> None:
        self.dialed: list[str | None] = []
        self.closed_with: list[int | None] = []

    def opened(
        self, wire: Wire, *, dialed: str | None = None, remote_is_loopback: bool = False
    ) -> OpenLink:
        self.dialed.append(dialed)
        return self

    def received(self, data: str | bytes) -> bool:
        raise AssertionError(data)

    def stopped(self, size: int, fault: str | None = None, *, in_envelope: bool = False) -> bool:
        raise AssertionError(fault)

    async def room(self) -> None:
        pass

    def closed(self, code: int | None) -> None:
        self.closed_with.append(code)


def dials(dialer: Dialer) -> tuple[Dials, RecordingHub, list[DialFailed]]:
    hub, failures = RecordingHub(), list[DialFailed]()
    return Dials(dialer, hub, failures.append), hub, failures


async def test_a_refused_dial_is_answered() -> None:
    async def dialer(dial: Dial, hub: Hub) -> None:
        raise DialRefused("nothing listens", refused=True)

    under_way, _, failures = dials(dialer)
    under_way.start(DIAL)
    await until(lambda: failures)
    assert failures == [DialFailed(DIAL.url, refused=True)]


async def test_a_dialer_that_breaks_is_told_and_answered() -> None:
    async def dialer(dial: Dial, hub: Hub) -> None:
        raise ValueError("a bug")

    with capture_logs() as logs:
        under_way, _, failures = dials(dialer)
        under_way.start(DIAL)
        await until(lambda: failures)
    assert failures == [DialFailed(DIAL.url, refused=False)]
    assert [line["event"] for line in logs] == ["dialer_failed"]


async def test_a_dialer_that_opens_nothing_is_answered() -> None:
    async def dialer(dial: Dial, hub: Hub) -> None:
        return

    under_way, _, failures = dials(dialer)
    under_way.start(DIAL)
    await until(lambda: failures)


async def test_an_opened_dial_is_answered_by_its_link_alone() -> None:
    async def dialer(dial: Dial, hub: Hub) -> None:
        hub.opened(MemoryWire(), dialed=dial.url)
        raise ValueError("a bug, later")

    with capture_logs():
        under_way, hub, failures = dials(dialer)
        under_way.start(DIAL)
        await until(lambda: hub.closed_with)
    assert hub.dialed == [DIAL.url]
    assert failures == []


async def test_stop_ends_every_dial_and_closes_what_it_opened() -> None:
    async def dialer(dial: Dial, hub: Hub) -> None:
        hub.opened(MemoryWire(), dialed=dial.url)
        await asyncio.Event().wait()

    under_way, hub, failures = dials(dialer)
    for _ in range(3):
        under_way.start(DIAL)
    await until(lambda: len(hub.dialed) == 3)
    await under_way.stop()
    assert hub.closed_with == [None, None, None]
    assert failures == []
