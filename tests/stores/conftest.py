from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker

from gossip.stores.migrating import prepare_database
from tests.stores.databases import database_at, emptied


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "gossip.sqlite3"


@pytest.fixture
def empty(file: Path, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """The alias of a database without tables."""
    with django_db_blocker.unblock(), database_at(file) as alias:
        yield alias


@pytest.fixture
def alias(empty: str) -> str:
    """The alias of a database as a first start finds it."""
    prepare_database(alias=empty)
    return empty


@pytest.fixture(params=["sqlite", "postgres"])
def either(request: pytest.FixtureRequest) -> str:
    """Likewise, of each kind of database."""
    alias: str = request.getfixturevalue("alias" if request.param == "sqlite" else "on_postgres")
    return alias


@pytest.fixture
def on_postgres(postgres_url: str, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """Likewise, on a server."""
    with django_db_blocker.unblock(), emptied(postgres_url) as alias:
        yield alias
