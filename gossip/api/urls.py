"""The paths of the HTTP interface, each with and without a trailing slash."""

from django.urls import URLPattern, re_path

from gossip.api import cluster, data, docs, events, metrics
from gossip.api.base import NodeView


def _exactly(path: str, view: type[NodeView]) -> URLPattern:
    return re_path(rf"^{path}/?\Z", view.as_view(), name=path.replace("/", "-"))


urlpatterns = [
    _exactly("gossip/peers", cluster.PeersView),
    _exactly("gossip/stats", cluster.StatsView),
    _exactly("gossip/health", cluster.HealthView),
    _exactly("gossip/state", data.StateView),
    _exactly("gossip/data", data.DataView),
    _exactly("gossip/aside", data.AsideView),
    re_path(
        r"^gossip/aside/(?P<key>[\s\S]+)\Z", data.AsideKeyView.as_view(), name="gossip-aside-key"
    ),
    _exactly("gossip/events", events.EventsView),
    # Any text, line breaks included; `requests.key_in_path` says what of it is the key.
    re_path(r"^gossip/data/(?P<key>[\s\S]+)\Z", data.KeyView.as_view(), name="gossip-data-key"),
    _exactly("p2p/peers", cluster.OldPeersView),
    _exactly("p2p/stats", cluster.OldStatsView),
    _exactly("api/schema", docs.SchemaView),
    _exactly("api/docs", docs.DocsView),
    _exactly("metrics", metrics.MetricsView),
    _exactly("healthz", cluster.AliveView),
    _exactly("readyz", cluster.ReadyView),
]
