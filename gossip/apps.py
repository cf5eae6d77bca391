"""The Django app."""

from django.apps import AppConfig

from gossip import checks


class GossipConfig(AppConfig):
    """A node of a gossip cluster."""

    name = "gossip"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        checks.register_all()
