from django.apps import AppConfig


class DashboardConfig(AppConfig):
    name = "gossip.dashboard"
    label = "gossip_dashboard"
    verbose_name = "Status page"
