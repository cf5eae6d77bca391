"""What is remembered for peers stays bounded, whatever they do (R3, S5, E4)."""

from hypothesis import given
from hypothesis import strategies as st

from gossip.core.config import Limits
from gossip.core.entries import Entry
from gossip.core.events import LinkId
from gossip.core.spread import History, Outbox
from gossip.core.state import Aside
from tests.property.strategies import entries
from tests.support.core import config

links = st.integers(1, 3).map(LinkId)


@given(st.integers(1, 5), st.lists(st.tuples(st.integers(0, 9), st.floats(0, 5)), max_size=30))
def test_r3_the_history_is_the_latest_ids(size: int, arrivals: list[tuple[int, float]]) -> None:
    history, model, now = History(size, keep=10.0), dict[str, float](), 0.0
    for number, pause in arrivals:
        now += pause
        history.forget_old(now)
        model = {name: at for name, at in model.items() if at > now - 10.0}
        assert history.add(str(number), now) == (str(number) not in model)
        model.setdefault(str(number), now)
        if len(model) > size:
            del model[next(iter(model))]
        assert len(history) == len(model)


@given(st.lists(st.tuples(entries, links), max_size=30), st.sets(links))
def test_s5_each_link_gets_the_last_of_each_key_once(
    added: list[tuple[Entry, LinkId]], writable: set[LinkId]
) -> None:
    outbox = Outbox(config(limits=Limits(outbox_entries=2, outbox_bytes=20)))
    model: dict[LinkId, dict[str, Entry]] = {}
    for entry, link in added:
        outbox.add(entry, 0, [link])
        model.setdefault(link, {})[entry.key] = entry
    for link, waiting in model.items():
        size = sum(len(entry.key) + len(entry.value or b"") for entry in waiting.values())
        assert outbox.overflows(link) == (len(waiting) > 2 or size > 20)
    taken = {link: batch.entries for batch in outbox.take(writable) for link in batch.links}
    expected = {link: len(waiting) for link, waiting in model.items() if link in writable}
    assert {link: len(items) for link, items in taken.items()} == expected
    assert bool(outbox) == any(link not in writable for link in model)


@given(st.lists(st.tuples(entries, links) | st.integers(1, 4), max_size=30))
def test_e4_what_is_set_aside_is_bounded(steps: list[tuple[Entry, LinkId] | int]) -> None:
    limits = Limits(aside=2, aside_per_link=1)
    aside, owners = Aside(limits), dict[str, tuple[Entry, LinkId]]()
    for step in steps:
        if isinstance(step, int):
            due = {entry.key for entry, _ in aside.due(step)}
            assert due == {key for key, (entry, _) in owners.items() if entry.version <= step}
            owners = {key: owner for key, owner in owners.items() if key not in due}
            continue
        entry, link = step
        held = owners.get(entry.key)
        news = held is None or entry.supersedes(held[0])
        if aside.add(entry, link) is None and news:
            owners[entry.key] = step
            if len(owners) > limits.aside:
                # What is due the latest made room.
                (gone,) = owners.keys() - {each.key for each in aside.entries()}
                versions = [each.version for key, (each, _) in owners.items() if key != entry.key]
                assert owners.pop(gone)[0].version == max(versions) > entry.version
        assert sorted(each.key for each in aside.entries()) == sorted(owners)
        assert len(owners) <= limits.aside
        per_link = [link for _, link in owners.values()]
        assert all(per_link.count(link) <= limits.aside_per_link for link in per_link)
