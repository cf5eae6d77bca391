import asyncio

import pytest

from gossip.core.effects import Notice, NoticeKind
from gossip.core.entries import Entry
from gossip.runtime.feed import WATCHERS, Feed, WatchCounts
from gossip.runtime.watch import (
    QUEUED,
    RECORD,
    Change,
    ChangeKind,
    Interest,
    Watch,
    WatchEnded,
    WatchRefused,
)
from tests.support.runtime import until

JOINED = Notice(NoticeKind.PEER_JOINED, "0xpeer", "ws://peer/ws")
EVERYTHING = Interest()


def begin(feed: Feed, interest: Interest = EVERYTHING, after: str | None = None) -> Watch:
    return feed.watch(interest, after, asyncio.get_running_loop())


def written(number: int, value: bytes | None = b"1") -> Entry:
    return Entry(f"k{number}", number + 1, value)


def told(changes: list[Change]) -> list[tuple[ChangeKind, str]]:
    return [(change.kind, change.subject) for change in changes]


async def test_changes_come_in_the_order_in_which_they_happened() -> None:
    feed = Feed()
    watch = begin(feed)
    feed.entry(written(0))
    feed.member(JOINED)
    feed.entry(written(0, None))
    changes = await watch.batch()
    assert told(changes) == [
        (ChangeKind.DATA_SET, "k0"),
        (ChangeKind.PEER_JOINED, "0xpeer"),
        (ChangeKind.DATA_DELETED, "k0"),
    ]
    assert [change.entry for change in changes] == [written(0), None, written(0, None)]
    assert changes[1].detail == "ws://peer/ws"


@pytest.mark.parametrize(
    ("kind", "heard"),
    [(kind, kind.value.startswith("peer_")) for kind in NoticeKind],
)
async def test_only_what_happens_to_members_is_told(kind: NoticeKind, *, heard: bool) -> None:
    feed = Feed()
    watch = begin(feed)
    feed.member(Notice(kind, "subject"))
    feed.entry(written(0))
    assert len(await watch.batch()) == 1 + heard


async def test_an_interest_leaves_out_other_kinds_and_other_keys_but_no_member() -> None:
    feed = Feed()
    kinds = frozenset({ChangeKind.DATA_SET, ChangeKind.PEER_JOINED})
    watch = begin(feed, Interest(kinds, "k1"))
    for number in range(3):
        feed.entry(written(number))
    feed.entry(written(1, None))
    feed.member(JOINED)
    feed.member(Notice(NoticeKind.PEER_LEFT, "0xpeer"))
    assert told(await watch.batch()) == [
        (ChangeKind.DATA_SET, "k1"),
        (ChangeKind.PEER_JOINED, "0xpeer"),
    ]


async def test_who_comes_back_is_given_what_it_missed() -> None:
    feed = Feed()
    first = begin(feed)
    assert not first.resumed
    feed.entry(written(0))
    [seen] = await first.batch()
    first.close()
    feed.entry(written(1))
    feed.member(JOINED)
    feed.entry(written(2))
    again = begin(feed, Interest(prefix="k2"), after=seen.id)
    assert again.resumed
    assert again.start == seen.id
    assert told(await again.batch()) == [
        (ChangeKind.PEER_JOINED, "0xpeer"),
        (ChangeKind.DATA_SET, "k2"),
    ]


async def test_the_id_of_the_beginning_resumes_too() -> None:
    feed = Feed()
    start = begin(feed).start
    feed.entry(written(0))
    assert len(await begin(feed, after=start).batch()) == 1
    latest = begin(feed)
    assert begin(feed, after=latest.start).resumed


@pytest.mark.parametrize(
    "lost",
    [
        "",
        "-",
        "0",
        "x-1",
        "{epoch}",
        "{epoch}-",
        "{epoch}-x",
        "{epoch}--1",
        "{epoch}-2",
        "{epoch}-²",
        "{epoch}-" + "9" * 5_000,
    ],
)
async def test_an_id_that_leads_nowhere_is_a_gap(lost: str) -> None:
    feed = Feed()
    watch = begin(feed)
    feed.entry(written(0))
    epoch = watch.start.partition("-")[0]
    again = begin(feed, after=lost.format(epoch=epoch))
    assert not again.resumed
    assert again.start == f"{epoch}-1"


async def test_the_ring_reaches_back_as_far_as_its_bytes() -> None:
    size = RECORD + 2 + 1
    feed = Feed(ring=3 * size)
    watch = begin(feed)
    for number in range(4):
        feed.entry(written(number))
    ids = [watch.start, *(change.id for change in await watch.batch())]
    assert [begin(feed, after=each).resumed for each in ids] == [False, True, True, True, True]


async def test_a_value_larger_than_the_ring_leaves_nothing_in_it() -> None:
    feed = Feed(ring=1_000)
    start = begin(feed).start
    feed.entry(written(0, b'"%b"' % (b"x" * 1_000)))
    assert not begin(feed, after=start).resumed


async def test_so_many_watch_and_no_more() -> None:
    feed = Feed()
    watches = [begin(feed) for _ in range(WATCHERS)]
    with pytest.raises(WatchRefused, match="64"):
        begin(feed)
    watches[0].close()
    watches[0].close()
    begin(feed)
    assert feed.counts == WatchCounts(watching=WATCHERS, refused=1, dropped=0)


async def test_a_slow_reader_is_dropped_and_the_others_are_not() -> None:
    feed = Feed()
    slow, idle, quick = begin(feed), begin(feed, Interest(prefix="other")), begin(feed)
    value = b'"%b"' % (b"x" * 131_000)
    most = QUEUED // written_size(value)
    for number in range(most):
        feed.entry(written(number, value))
    while (await quick.batch())[-1].subject != f"k{most - 1}":
        pass
    assert feed.counts.dropped == 0
    feed.entry(written(most, value))
    with pytest.raises(WatchEnded) as ended:
        await slow.batch()
    assert ended.value.reason == "slow"
    with pytest.raises(WatchEnded):
        await anext(slow)
    assert len(await quick.batch()) == 1
    idle.close()
    assert feed.counts == WatchCounts(watching=1, refused=0, dropped=1)


def written_size(value: bytes) -> int:
    return Change("", ChangeKind.DATA_SET, "k0", written(0, value)).size


async def test_a_batch_is_short_whatever_waits() -> None:
    feed = Feed()
    watch = begin(feed)
    for number in range(10):
        feed.entry(written(number, b'"%b"' % (b"x" * 20_000)))
    sizes = [len(await watch.batch()) for _ in range(3)]
    assert sizes == [4, 4, 2]


async def test_a_reader_waits_for_news() -> None:
    feed = Feed()
    watch = begin(feed)
    reading = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0)
    assert not reading.done()
    feed.entry(written(0))
    assert (await reading).subject == "k0"


async def test_a_stop_lets_readers_have_what_waits_and_then_ends() -> None:
    feed = Feed()
    watch, idle = begin(feed), begin(feed)
    reading = asyncio.ensure_future(idle.batch())
    await asyncio.sleep(0)
    feed.entry(written(0))
    feed.close()
    assert [change.subject async for change in watch] == ["k0"]
    assert len(await reading) == 1
    with pytest.raises(WatchEnded, match="stopping"):
        await idle.batch()
    with pytest.raises(WatchRefused, match="stopping"):
        begin(feed)
    idle.close()
    assert not feed.watched


async def test_nothing_is_recorded_before_somebody_watches_and_a_while_after() -> None:
    feed = Feed(linger=0.0)
    recorded = [feed.watched]
    first, second = begin(feed), begin(feed)
    feed.entry(written(0))
    first.close()
    recorded.append(feed.watched)
    second.close()
    recorded.append(feed.watched)
    assert recorded == [False, True, True]
    await until(lambda: not feed.watched)
    again = begin(feed, after=first.start)
    assert not again.resumed
    assert again.start.partition("-")[0] != first.start.partition("-")[0]


async def test_who_comes_back_in_time_keeps_the_ring() -> None:
    feed = Feed(linger=0.0)
    first = begin(feed)
    first.close()
    again = begin(feed, after=first.start)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    feed.entry(written(0))
    assert again.resumed
    assert len(await again.batch()) == 1


async def test_a_reader_in_another_thread() -> None:
    feed = Feed()
    main = asyncio.get_running_loop()

    async def read() -> list[str]:
        async def begin_there() -> Watch:
            return feed.watch(EVERYTHING, None, reader)

        reader = asyncio.get_running_loop()
        watch = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(begin_there(), main))
        subjects: list[str] = []
        async for change in watch:
            subjects.append(change.subject)
            if len(subjects) == 1_000:
                break
        watch.close()
        return subjects

    reading = asyncio.create_task(asyncio.to_thread(asyncio.run, read()))
    await until(lambda: feed.watched)
    for number in range(1_000):
        feed.entry(written(number))
        await asyncio.sleep(0)
    assert await reading == [f"k{number}" for number in range(1_000)]
    await until(lambda: feed.counts.watching == 0)


async def test_a_thread_that_ended_is_dropped_at_the_bound() -> None:
    feed = Feed()
    gone = asyncio.new_event_loop()
    feed.watch(EVERYTHING, None, gone)
    gone.close()
    value = b'"%b"' % (b"x" * 131_000)
    for number in range(QUEUED // written_size(value) + 1):
        feed.entry(written(number, value))
    assert feed.counts.dropped == 1


async def test_a_feed_that_follows_tells_under_the_ids_of_the_other() -> None:
    theirs, ours = Feed(), Feed()
    first = begin(theirs)
    theirs.entry(written(0))
    await first.batch()
    second = begin(theirs)
    ours.follow(second.start)
    watch = begin(ours)
    assert watch.start == second.start
    for number in range(1, 4):
        theirs.entry(written(number))
    changes = await second.batch()
    for change in changes:
        ours.told(change)
    assert await watch.batch() == changes
    resumed = begin(ours, after=changes[0].id)
    assert resumed.resumed
    assert await resumed.batch() == changes[1:]
    # What came before is not here.
    assert not begin(ours, after=f"{second.start.partition('-')[0]}-0").resumed


async def test_a_feed_that_follows_nothing_tells_nothing() -> None:
    theirs, ours = Feed(), Feed()
    watch = begin(theirs)
    theirs.entry(written(0))
    (change,) = await watch.batch()
    ours.told(change)
    assert not ours.watched
    ours.follow("e-1")
    assert not begin(ours, after="e-0").resumed


async def test_a_feed_that_nobody_came_to_watch_is_not_followed_for_long() -> None:
    forgotten: list[bool] = []
    feed = Feed(linger=0.0, forgotten=lambda: forgotten.append(feed.watched))
    feed.follow("e-1")
    await until(lambda: forgotten)
    assert forgotten == [False]
    feed.follow("e-1")
    watch = begin(feed)
    for _ in range(3):
        await asyncio.sleep(0)
    assert feed.watched
    watch.close()
    await until(lambda: len(forgotten) == 2)


async def test_a_feed_that_ends_its_watches_takes_others() -> None:
    forgotten: list[bool] = []
    feed = Feed(forgotten=lambda: forgotten.append(True))
    lost = WatchEnded("lost", "the worker is gone")
    feed.end(lost)
    assert forgotten == []
    feed.follow("e-1")
    watch = begin(feed)
    feed.end(lost)
    with pytest.raises(WatchEnded) as ended:
        await watch.batch()
    assert ended.value is lost
    assert feed.counts.watching == 0
    assert forgotten == [True]
    feed.follow("f-7")
    assert begin(feed).start == "f-7"
