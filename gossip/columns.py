"""Columns that keep every text that the core admits, in each database.

PostgreSQL refuses U+0000, which keys and names may contain. There, and only there, U+0000 is kept
as U+0001 U+0001, and U+0001 as U+0001 U+0002: every text comes back, and any two keep their order.
"""

from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper


def refuses_nul(connection: BaseDatabaseWrapper) -> bool:
    """Whether this database keeps texts escaped."""
    return connection.vendor == "postgresql"


def escaped(text: str) -> str:
    """The text without U+0000."""
    if "\x00" in text or "\x01" in text:
        return text.replace("\x01", "\x01\x02").replace("\x00", "\x01\x01")
    return text


def unescaped(text: str) -> str:
    """The text that was escaped."""
    if "\x01" in text:
        return text.replace("\x01\x01", "\x00").replace("\x01\x02", "\x01")
    return text


class AnyText(models.TextField):  # type: ignore[type-arg]  # not generic at run time
    """Any text. Look it up as a whole or by order: patterns see what is kept."""

    def deconstruct(self) -> Any:
        """As Django's own, because the column is no other."""
        name, _, arguments, options = super().deconstruct()
        return name, "django.db.models.TextField", arguments, options

    def get_db_prep_value(
        self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False
    ) -> Any:
        """As it is kept."""
        value = super().get_db_prep_value(value, connection, prepared)
        return escaped(value) if isinstance(value, str) and refuses_nul(connection) else value

    def get_db_converters(self, connection: BaseDatabaseWrapper) -> list[Any]:
        """None where nothing was escaped: a start reads a hundred thousand."""
        own = [_from_database] if refuses_nul(connection) else []
        return [*super().get_db_converters(connection), *own]


class Words(models.JSONField):
    """A list of any texts."""

    def deconstruct(self) -> Any:
        """As Django's own, because the column is no other."""
        name, _, arguments, options = super().deconstruct()
        return name, "django.db.models.JSONField", arguments, options

    def get_db_prep_value(
        self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False
    ) -> Any:
        """As it is kept."""
        words = [escaped(word) for word in value] if refuses_nul(connection) else value
        return super().get_db_prep_value(words, connection, prepared)

    def from_db_value(self, value: Any, expression: Any, connection: BaseDatabaseWrapper) -> Any:
        """As it was."""
        words = super().from_db_value(value, expression, connection)
        return [unescaped(word) for word in words] if refuses_nul(connection) else words


def _from_database(value: str | None, *_: object) -> str | None:
    return None if value is None else unescaped(value)
