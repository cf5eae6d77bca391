"""`DATABASE_URL`: what is read, what is refused, and what is never shown."""

from pathlib import Path

import pytest

from gossip.conf import load
from gossip.core.errors import ConfigurationError
from gossip.database_url import Database, postgres

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("text", "database"),
    [
        ("postgres:///gossip", Database(name="gossip")),
        ("postgresql://db/gossip", Database(name="gossip", host="db")),
        (
            "postgres://me:p%40s%2Fs%3A@db.example:5433/a%20b",
            Database(name="a b", host="db.example", port=5433, user="me", password="p@s/s:"),
        ),
        ("postgres://[2001:db8::1]:5432/g", Database(name="g", host="2001:db8::1", port=5432)),
        (
            "postgres://me@/g?host=/run/postgresql",
            Database(name="g", host="/run/postgresql", user="me"),
        ),
        ("postgres://%2Frun%2Fpostgresql/g", Database(name="g", host="/run/postgresql")),
        (
            "postgres://db/g?sslmode=verify-full&sslrootcert=/etc/ca.pem",
            Database(
                name="g",
                host="db",
                options=(("sslmode", "verify-full"), ("sslrootcert", "/etc/ca.pem")),
            ),
        ),
    ],
)
def test_a_url_is_read(text: str, database: Database) -> None:
    assert postgres().read(text) == database
    assert load({"DATABASE_URL": text}, Path("/")).database == database


@pytest.mark.parametrize(
    "text",
    [
        "sqlite:///file",
        f"mysql://me:{SECRET}@db/g",
        f"MYSQL://me:{SECRET}@db/g",
        f"host=db password={SECRET} dbname=g",
        f"postgres:me:{SECRET}",
        f"postgres://me:{SECRET}@db",
        f"postgres://me:{SECRET}@db/",
        f"postgres://me:{SECRET}@db/a/b",
        f"postgres://me:{SECRET}@db:port/g",
        f"postgres://me:{SECRET}@db:99999/g",
        f"postgres://me:{SECRET}@one,two/g?target_session_attrs=primary",
        f"postgres://me:{SECRET}%FF@db/g",
        f"postgres://me:{SECRET}%00@db/g",
        f"postgres://me:{SECRET}@db/g#fragment",
        f"postgres://me:{SECRET}@db/g?sslmode",
        f"postgres://me:{SECRET}@db/g?sslmode=",
        f"postgres://me:{SECRET}@db/g?options=-csynchronous_commit%3Doff",
        f"postgres://db/g?password={SECRET}",
        f"postgres://me:{SECRET}@[db/g",
    ],
)
def test_anything_else_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        load({"DATABASE_URL": text}, Path("/"))
    line = str(refusal.value)
    assert line.startswith("DATABASE_URL must be postgres://user:password@host:port/name")
    assert "\n" not in line
    assert SECRET not in line


def test_the_password_is_in_no_representation() -> None:
    settings = load({"DATABASE_URL": f"postgres://me:{SECRET}@db/g"}, Path("/"))
    assert SECRET not in repr(settings)
    assert SECRET not in repr(settings.database)
