"""What Django is told of the node's database: a file of the data directory, or one on a server."""

from pathlib import Path
from typing import Any, Final

from gossip.core.errors import ConfigurationError
from gossip.database_url import Database
from gossip.stores.sqlite import Connection

SESSION: Final = " ".join(
    f"-c {name}={value}"
    for name, value in {
        # What was acknowledged is on disk (E7), whatever the server's default.
        "synchronous_commit": "on",
        # As SQLite's `timeout`.
        "lock_timeout": "5s",
        # A process that is stopped within a transaction, which takes milliseconds, would keep any
        # other from taking over. Less than `lock_timeout`, for so long the other waits.
        "idle_in_transaction_session_timeout": "3s",
    }.items()
)
CONNECTION: Final = {
    # A group of writes costs a third of the time: one statement is sent once, then its values.
    "server_side_binding": True,
    "prepare_threshold": 2,
    # A server that cannot be reached, or went away without a word, is noticed in some 10 s.
    "connect_timeout": 10,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


def settings_of(database: Database | None, data_dir: Path) -> dict[str, Any]:
    """An item of Django's `DATABASES`. Raises `ConfigurationError` without a driver for it."""
    return _sqlite(data_dir) if database is None else _postgres(database)


def _sqlite(data_dir: Path) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": data_dir / "gossip.sqlite3",
        "OPTIONS": {
            # FULL: a commit survives the loss of power (E7); it costs 0.3 ms.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
            # A transaction that reads first and then writes would fail beside another writer
            # instead of waiting for it.
            "transaction_mode": "IMMEDIATE",
            "timeout": 5,
            "factory": Connection,
        },
    }


def _postgres(database: Database) -> dict[str, Any]:
    _need_driver()
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": database.name,
        "USER": database.user,
        "PASSWORD": database.password,
        "HOST": database.host,
        "PORT": "" if database.port is None else str(database.port),
        "OPTIONS": CONNECTION
        | {"application_name": "gossipnode", "options": SESSION}
        | dict(database.options),
    }


def _need_driver() -> None:
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise ConfigurationError(
            "DATABASE_URL names a PostgreSQL database, and its driver is missing: run"
            f" `pip install 'psycopg[binary]>=3.2,<4'` ({' '.join(str(error).split())})"
        ) from None
