from gossip.core.effects import SetTimer
from gossip.core.events import Event, TimerFired
from gossip.runtime.timers import Timers, instant
from tests.support.runtime import until


async def test_a_timer_fires_once_and_when_it_is_due() -> None:
    fired: list[Event] = []
    timers = Timers(fired.append)
    due = instant().monotonic + 0.01
    timers.set(SetTimer("round", 3, due))
    await until(lambda: fired)
    assert fired == [TimerFired("round", 3)]
    assert instant().monotonic >= due


async def test_a_timer_replaces_the_one_of_its_name() -> None:
    fired: list[Event] = []
    timers = Timers(fired.append)
    now = instant().monotonic
    timers.set(SetTimer("round", 1, now))
    timers.set(SetTimer("round", 2, now))
    timers.set(SetTimer("probe", 1, now + 0.01))
    await until(lambda: len(fired) >= 2)
    assert fired == [TimerFired("round", 2), TimerFired("probe", 1)]


async def test_an_overdue_timer_fires_at_once() -> None:
    fired: list[Event] = []
    Timers(fired.append).set(SetTimer("round", 1, instant().monotonic - 3600))
    await until(lambda: fired)


async def test_cleared_timers_do_not_fire() -> None:
    fired: list[Event] = []
    timers = Timers(fired.append)
    now = instant().monotonic
    timers.set(SetTimer("cleared", 1, now))
    timers.clear()
    timers.set(SetTimer("kept", 1, now))
    await until(lambda: fired)
    assert fired == [TimerFired("kept", 1)]


async def test_how_late_a_timer_fires_is_measured() -> None:
    fired: list[Event] = []
    timers = Timers(fired.append)
    timers.set(SetTimer("round", 1, instant().monotonic - 3600))
    await until(lambda: fired)
    assert timers.lag.read().total == 1
    assert timers.lag.read().sum >= 3600
