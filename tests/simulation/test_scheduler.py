from gossip.sim.scheduler import Scheduler


def test_runs_by_time_then_in_the_order_of_the_calls() -> None:
    scheduler, ran = Scheduler(), list[str]()
    scheduler.at(2.0, ran.append, "later")
    scheduler.at(1.0, ran.append, "first")
    scheduler.at(1.0, ran.append, "second")
    scheduler.run_until(2.0)
    assert ran == ["first", "second", "later"]


def test_what_is_due_later_waits() -> None:
    scheduler, ran = Scheduler(), list[str]()
    scheduler.after(1.001, ran.append, "later")
    scheduler.run_until(1.0)
    assert (ran, scheduler.now, len(scheduler)) == ([], 1.0, 1)


def test_what_is_past_runs_now() -> None:
    scheduler, times = Scheduler(), list[float]()
    scheduler.run_until(5.0)
    scheduler.at(1.0, lambda: times.append(scheduler.now))
    scheduler.run_until(5.0)
    assert times == [5.0]


def test_an_action_may_ask_for_another() -> None:
    scheduler, times = Scheduler(), list[float]()

    def tick() -> None:
        times.append(scheduler.now)
        scheduler.after(1.0, tick)

    scheduler.after(1.0, tick)
    scheduler.run_until(3.0)
    assert times == [1.0, 2.0, 3.0]
