import asyncio

from gossip.runtime.tasks import Tasks, cancel


async def test_stop_waits_until_its_tasks_have_cleaned_up() -> None:
    begun, cleaned = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.set()

    tasks = Tasks()
    tasks.start(work())
    await begun.wait()
    await tasks.stop()
    assert cleaned.is_set()


async def test_a_task_that_does_not_end_does_not_hold_the_stop() -> None:
    begun, let_go, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def stubborn() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await let_go.wait()
            ended.set()

    tasks = Tasks()
    tasks.start(stubborn())
    await begun.wait()
    await asyncio.wait_for(tasks.stop(), 5)
    assert not ended.is_set()
    let_go.set()
    await asyncio.wait_for(ended.wait(), 5)


async def test_without_tasks_there_is_nothing_to_stop() -> None:
    await Tasks().stop()


async def test_what_is_under_way_may_be_waited_for() -> None:
    tasks, gate, done = Tasks(), asyncio.Event(), []

    async def work() -> None:
        await gate.wait()
        done.append(1)

    await tasks.ended()
    tasks.start(work())
    ended = asyncio.create_task(tasks.ended())
    await asyncio.sleep(0)
    assert not ended.done()
    gate.set()
    await ended
    assert done == [1]


async def test_a_task_that_swallows_a_cancellation_is_cancelled_again() -> None:
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 3:
                    raise

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await cancel(task)
    assert task.cancelled()
    await cancel(task)
    await cancel()
