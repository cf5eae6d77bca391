"""Rules of the whole suite."""

import gc
import os
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import HealthCheck, settings
from pytest_django import DjangoDbBlocker
from redis.asyncio import Redis

from gossip.stores.redis_client import open_redis
from tests.support.postgres import Postgres, postgres
from tests.support.valkey import Valkey, valkey

# How long an example takes says more of the machine than of the code.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest test first: else one worker would be busy with it when the others are done."""
    items.sort(key=lambda item: item.path.name != "test_soak.py")


def pytest_collection_finish() -> None:
    """Five thousand tests stay: the collector need not look through them again and again.

    A tenth of the processor time of core and property tests went there.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)


@pytest.fixture(scope="session")
def server() -> Iterator[Valkey]:
    """A Redis of this process's own. Who stops it starts it again."""
    with valkey() as running:
        yield running


@pytest.fixture
async def redis(server: Valkey) -> AsyncIterator[Redis]:
    """A client of that Redis, which is empty."""
    server.flush()
    async with open_redis(server.url) as client:
        yield client


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A server of this process's own. Who stops it starts it again."""
    with postgres() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_url(postgres_server: Postgres, django_db_blocker: DjangoDbBlocker) -> str:
    """A database with its tables, for one test after the other."""
    from django.core.management import call_command

    # Models, which Django has to be set up for.
    from tests.stores.databases import database_on

    url = postgres_server.url(postgres_server.new_database())
    with django_db_blocker.unblock(), database_on(url) as alias:
        call_command("migrate", database=alias, verbosity=0)
    return url


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skipped test is a failure: nobody reads that a requirement was not tested."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") != "true" or reporter is None:
        return
    skipped = reporter.stats.get("skipped", [])
    if skipped and session.exitstatus == pytest.ExitCode.OK:
        reporter.write_line(f"CI: {len(skipped)} skipped, which counts as failed", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
