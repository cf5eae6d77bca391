import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connections
from pytest_django import DjangoDbBlocker

from gossip.conf import NodeSettings, load
from gossip.core.errors import ConfigurationError, WriteRefused
from gossip.launch import Launch, start, stop
from gossip.runtime.ports import EpochOver
from gossip.runtime.serving import running
from gossip.stores.loading import begin_life
from gossip.stores.lock import EngineLock


@pytest.fixture
def settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, django_db_blocker: DjangoDbBlocker
) -> Iterator[NodeSettings]:
    """A node of its own, with a real database file in its data directory."""
    settings = load({"GOSSIP_DATA_DIR": "data"}, tmp_path)
    file = settings.data_dir / "gossip.sqlite3"
    monkeypatch.setitem(connections.databases["default"], "NAME", file)
    connections["default"].close()
    with django_db_blocker.unblock():
        yield settings
        connections["default"].close()


def lock_is_free(settings: NodeSettings) -> bool:
    lock = EngineLock(settings.data_dir)
    try:
        lock.acquire(settings.port)
    except ConfigurationError:
        return False
    lock.release()
    return True


async def test_a_node_keeps_its_identity_and_its_state(settings: NodeSettings) -> None:
    engine = await start(settings)
    written = await engine.port.write("k", b'{"a":1}')
    first = (await engine.port.overview()).me
    await stop(engine)
    assert running() is None

    engine = await start(settings)
    second = (await engine.port.overview()).me
    assert await engine.port.get("k") == written
    assert second.node_id == first.node_id
    assert second.incarnation > first.incarnation
    await stop(engine)
    assert lock_is_free(settings)


async def test_a_node_that_is_taken_over_ends_and_loses_nothing_that_it_acknowledged(
    settings: NodeSettings,
) -> None:
    old = await start(settings)
    written = await old.port.write("k", b"1")
    life = await asyncio.to_thread(begin_life, "me", 1)
    with pytest.raises(WriteRefused, match=f"the epoch is {life.epoch}, ours was {life.epoch - 1}"):
        await old.port.write("k", b"2")
    with pytest.raises(EpochOver):
        await asyncio.wait_for(old.wait_failed(), 5)
    await stop(old)
    new = await start(settings)
    assert await new.port.get("k") == written
    await stop(new)


async def test_a_second_node_on_the_same_directory_is_refused(settings: NodeSettings) -> None:
    engine = await start(settings)
    with pytest.raises(ConfigurationError, match="GOSSIP_DATA_DIR"):
        await start(settings)
    assert running() is engine
    await engine.port.write("k", b"1")
    await stop(engine)


async def test_a_start_that_fails_holds_nothing(settings: NodeSettings, tmp_path: Path) -> None:
    wrong = load(
        {"GOSSIP_DATA_DIR": "data", "NODE_STATE_FILE": "missing.json"},
        tmp_path,
    )
    with pytest.raises(ConfigurationError, match="NODE_STATE_FILE"):
        await start(wrong)
    assert lock_is_free(settings)


async def test_a_damaged_database_stops_the_start_with_one_line(settings: NodeSettings) -> None:
    settings.data_dir.mkdir()
    (settings.data_dir / "gossip.sqlite3").write_bytes(b"no database" * 1_000)
    with pytest.raises(ConfigurationError, match=r"gossip\.sqlite3") as refusal:
        await start(settings)
    assert "\n" not in str(refusal.value)
    assert lock_is_free(settings)


async def test_a_start_that_is_broken_off_lets_go_of_the_lock(settings: NodeSettings) -> None:
    launch = Launch(settings)
    preparing = asyncio.create_task(launch.prepare())
    await asyncio.sleep(0)
    preparing.cancel()
    await asyncio.wait((preparing,))
    assert preparing.cancelled()
    assert not lock_is_free(settings)
    await launch.finish()
    assert lock_is_free(settings)


async def test_a_launch_that_never_prepared_may_finish(settings: NodeSettings) -> None:
    await Launch(settings).finish()
    assert not settings.data_dir.exists()
