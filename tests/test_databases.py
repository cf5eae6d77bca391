"""What Django is told of the database."""

import sys
from pathlib import Path

import pytest

from gossip.core.errors import ConfigurationError
from gossip.database_url import Database
from gossip.databases import settings_of


def test_without_a_url_it_is_a_file_of_the_data_directory() -> None:
    settings = settings_of(None, Path("/data"))
    assert settings["ENGINE"] == "django.db.backends.sqlite3"
    assert settings["NAME"] == Path("/data/gossip.sqlite3")


def test_a_url_names_everything_and_its_options_win() -> None:
    settings = settings_of(
        Database(
            name="g",
            host="db",
            port=5433,
            user="me",
            password="p",
            options=(("sslmode", "require"), ("connect_timeout", "3")),
        ),
        Path("/data"),
    )
    named = {name: settings[name] for name in ("NAME", "HOST", "PORT", "USER", "PASSWORD")}
    assert named == {"NAME": "g", "HOST": "db", "PORT": "5433", "USER": "me", "PASSWORD": "p"}
    assert settings["ENGINE"] == "django.db.backends.postgresql"
    options = settings["OPTIONS"]
    assert (options["sslmode"], options["connect_timeout"]) == ("require", "3")
    assert "-c synchronous_commit=on" in options["options"]


def test_what_a_url_leaves_out_is_left_to_the_driver() -> None:
    settings = settings_of(Database(name="g"), Path("/data"))
    assert [settings[name] for name in ("HOST", "PORT", "USER", "PASSWORD")] == [""] * 4


def test_a_missing_driver_is_named_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigurationError) as refusal:
        settings_of(Database(name="g", password="secret"), Path("/data"))
    line = str(refusal.value)
    assert line.startswith("DATABASE_URL names a PostgreSQL database, and its driver is missing: ")
    assert "pip install 'psycopg[binary]" in line
    assert "\n" not in line
    assert "secret" not in line
