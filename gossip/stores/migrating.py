"""A database that a node can start with.

The order at a start: `directory.prepare_directory`, then `EngineLock.acquire`, so that no second
process migrates at the same time, then `prepare_database`.
"""

import structlog
from django.core.management import call_command
from django.db import Error as DatabaseFailure
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor

from gossip.stores.loading import unusable

log = structlog.get_logger("gossip")


def prepare_database(*, alias: str = "default") -> None:
    """Bring the tables up to date: SQLite is ours and is migrated, a server's database is not.

    Raises `ConfigurationError` where the database cannot be used or is for the operator to migrate.
    """
    connection = connections[alias]
    try:
        if connection.vendor == "postgresql":
            _check_server(connection)
        if _is_behind(connection):
            _migrate(connection)
    except DatabaseFailure as error:
        raise unusable(alias, error) from error
    finally:
        connection.close()


def _check_server(connection: BaseDatabaseWrapper) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('server_encoding'), current_setting('synchronous_commit'),"
            " current_setting('fsync')"
        )
        encoding, synchronous, fsync = cursor.fetchone()
    if encoding != "UTF8":
        # It would refuse keys of other scripts, and with them all that is written together.
        raise unusable(connection.alias, f"its encoding is {encoding} and must be UTF8")
    if "off" in {synchronous, fsync}:
        log.warning("database_not_durable", synchronous_commit=synchronous, fsync=fsync)


def _is_behind(connection: BaseDatabaseWrapper) -> bool:
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def _migrate(connection: BaseDatabaseWrapper) -> None:
    if connection.vendor != "sqlite":
        raise unusable(
            connection.alias, "run `python manage.py migrate` first: it lacks migrations"
        )
    call_command("migrate", database=connection.alias, interactive=False, verbosity=0)
