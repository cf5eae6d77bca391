"""The administrator that the environment names."""

from typing import NamedTuple

import structlog

_log = structlog.get_logger("gossip")


class FirstUser(NamedTuple):
    """Who may log in to a new node."""

    name: str
    password: str
    email: str


def make_first_user(user: FirstUser) -> None:
    """Make this superuser unless somebody of that name is there; nobody's password is changed.

    Blocks, a third of a second where it makes one: the hash of a password is slow on purpose.
    """
    from django.contrib.auth import get_user_model
    from django.db import connection

    model = get_user_model()
    # As it is stored: two ways of writing an accent are one name.
    name = model.normalize_username(user.name)
    try:
        if model.objects.filter(username=name).exists():
            return
        model.objects.create_superuser(name, user.email, user.password)
    finally:
        connection.close()
    _log.info("administrator_made", name=user.name)
