"""Which admin site the project has."""

from django.contrib.admin.apps import SimpleAdminConfig


class NodeAdminConfig(SimpleAdminConfig):
    """Django's admin with the pages of a node, which `gossip.admin.urls` loads when asked for."""

    default_site = "gossip.admin.site.NodeAdminSite"
