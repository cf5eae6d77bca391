"""The members of the cluster and how this node is doing among them."""

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from gossip import services
from gossip.api import requests, shapes
from gossip.api.base import NodeView
from gossip.api.errors import RETRY_AFTER
from gossip.api.responses import failure, success
from gossip.core.stats import MemberView

STATUSES = ("active", "suspected", "inactive")

# RFC 9745: the day since when the old requests are deprecated, 2026-11-22.
_DEPRECATED = "@1795305600"


class PeersView(NodeView):
    """`GET /gossip/peers`."""

    async def get(self, request: HttpRequest) -> HttpResponseBase:
        status = requests.one_of(request, "status", (*STATUSES, "all"), "active")
        members = await services.amembers(None if status == "all" else status)
        peers = [_peer(view) for view in members]
        if status in {"active", "all"}:
            peers.insert(0, await _this_node())
        return success(peers=peers)


class StatsView(NodeView):
    """`GET /gossip/stats`."""

    async def get(self, _request: HttpRequest) -> HttpResponseBase:
        state = await services.ahealth()
        watchers = services.watch_counts()
        return success(stats=shapes.stats(state.overview, state.peers, watchers))


class HealthView(NodeView):
    """`GET /gossip/health`."""

    async def get(self, _request: HttpRequest) -> HttpResponseBase:
        return success(health=shapes.health(await services.ahealth()))


class OldPeersView(NodeView):
    """`GET /p2p/peers`, deprecated."""

    async def get(self, _request: HttpRequest) -> HttpResponseBase:
        members = await services.amembers("active")
        peers = [shapes.old_peer(view.record, view.status) for view in members]
        return success(headers=_deprecated("/gossip/peers"), peers=peers)


class OldStatsView(NodeView):
    """`GET /p2p/stats`, deprecated."""

    async def get(self, _request: HttpRequest) -> HttpResponseBase:
        state = await services.ahealth()
        port = settings.GOSSIP.port
        stats = {
            "activePeers": state.peers.active,
            "activeConnections": state.overview.links,
            "port": port,
            "apiPort": port,
        }
        return success(headers=_deprecated("/gossip/stats"), stats=stats)


class AliveView(NodeView):
    """`GET /healthz`: the process answers."""

    tells_age = False

    async def get(self, _request: HttpRequest) -> HttpResponseBase:
        return success(alive=True)


class ReadyView(NodeView):
    """`GET /readyz`: the node can serve."""

    tells_age = False

    async def get(self, _request: HttpRequest) -> HttpResponseBase:
        state = services.ready()
        if state.ready:
            return success(ready=True)
        message = f"Not ready: {'; '.join(state.reasons)}"
        return failure(503, message, headers=RETRY_AFTER, reasons=state.reasons)


async def _this_node() -> shapes.Peer:
    now = await services.aoverview()
    return shapes.peer(now.me, "active", now.heartbeats_sent)


def _peer(view: MemberView) -> shapes.Peer:
    return shapes.peer(view.record, view.status, view.heartbeat_count)


def _deprecated(successor: str) -> dict[str, str]:
    return {"Deprecation": _DEPRECATED, "Link": f'<{successor}>; rel="successor-version"'}
