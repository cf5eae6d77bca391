"""The URL of a PostgreSQL database, read without its driver."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from gossip.kinds import Kind, Unfit

SCHEMES: Final = ("postgres", "postgresql")
OPTIONS: Final = (
    *("application_name", "channel_binding", "connect_timeout", "host", "passfile"),
    *("sslcert", "sslcrl", "sslkey", "sslmode", "sslrootcert"),
)
"""Of libpq's, those that do no harm here; `host` is the directory of a socket."""


@dataclass(frozen=True, kw_only=True)
class Database:
    """A database on a server; what is empty is libpq's to choose."""

    name: str
    host: str = ""
    port: int | None = None
    user: str = ""
    password: str = field(default="", repr=False)
    options: tuple[tuple[str, str], ...] = ()


def postgres() -> Kind[Database]:
    """A database on a PostgreSQL server."""
    return Kind(
        _read,
        "postgres://user:password@host:port/name, with % codes for what is special in a part, and"
        f" perhaps ?option=value&… of {', '.join(OPTIONS)}",
    )


def _read(text: str) -> Database:
    try:
        url = urlsplit(text)
        options = dict(parse_qsl(url.query, keep_blank_values=True, strict_parsing=bool(url.query)))
        database = Database(
            name=unquote(url.path.removeprefix("/"), errors="strict"),
            host=options.pop("host", "") or unquote(url.hostname or "", errors="strict"),
            port=url.port,
            user=unquote(url.username or "", errors="strict"),
            password=unquote(url.password or "", errors="strict"),
            options=tuple(options.items()),
        )
    except ValueError:
        raise Unfit(text) from None
    if "://" not in text or url.scheme not in SCHEMES or url.fragment or not all(_sound(database)):
        raise Unfit(text)
    return database


def _sound(database: Database) -> Iterator[bool]:
    yield bool(database.name) and "/" not in database.name
    for part in (database.name, database.host, database.user, database.password):
        yield part.isprintable()
    for option, value in database.options:
        yield option in OPTIONS and bool(value) and value.isprintable()
