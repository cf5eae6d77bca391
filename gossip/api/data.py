"""The replicated data: all of it, one key, and the state with its versions."""

from functools import partial
from typing import Any, cast

import msgspec
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.http import parse_etags

from gossip import services
from gossip.api import requests
from gossip.api.base import NodeView
from gossip.api.responses import empty, failure, iso, stream, success
from gossip.core.entries import Entry

_text = msgspec.json.Encoder().encode


class DataView(NodeView):
    """`/gossip/data`."""

    async def get(self, request: HttpRequest) -> HttpResponseBase:
        page = requests.page(request)
        found = services.aslices(prefix=page.prefix, after=page.after, limit=page.limit)
        return await stream(b'{"success":true,"data":{', found, _value_member, b"}}")

    async def post(self, request: HttpRequest) -> HttpResponseBase:
        wanted = requests.write(request)
        only_if = requests.condition(request, wanted.if_version)
        ttl = None if isinstance(wanted.ttl, msgspec.UnsetType) else wanted.ttl
        return _written(await services.aset(wanted.key, wanted.value, ttl=ttl, only_if=only_if))


class KeyView(NodeView):
    """`/gossip/data/:key`."""

    async def get(self, request: HttpRequest, key: str) -> HttpResponseBase:
        name = services.checked_key(requests.key_in_path(request, key))
        entry = await services.aget(name)
        if entry is None or entry.value is None:
            status = 200 if settings.GOSSIP.compat_missing_200 else 404
            return failure(status, str(services.UnknownKey(name)))
        etag = f'"{entry.tag}"'
        if _has_it(request, etag):
            return empty(304, {"ETag": etag})
        return success(headers={"ETag": etag}, data=msgspec.Raw(entry.value))

    async def put(self, request: HttpRequest, key: str) -> HttpResponseBase:
        only_if = requests.condition(request)
        name = requests.key_in_path(request, key)
        value = msgspec.Raw(requests.body(request))
        return _written(await services.aset(name, value, only_if=only_if))

    async def delete(self, request: HttpRequest, key: str) -> HttpResponseBase:
        only_if = requests.condition(request)
        name = services.checked_key(requests.key_in_path(request, key))
        tombstone = await services.adelete(name, only_if=only_if)
        return success(message=f"Data deleted for key '{name}'", version=tombstone.version)


class AsideView(NodeView):
    """`/gossip/aside`: versions of the future that wait for their time (E4)."""

    async def get(self, _request: HttpRequest) -> HttpResponseBase:
        return success(aside=[_waiting(entry) for entry in await services.aaside()])


class AsideKeyView(NodeView):
    """`/gossip/aside/:key`."""

    async def delete(self, request: HttpRequest, key: str) -> HttpResponseBase:
        name = services.checked_key(requests.key_in_path(request, key))
        dropped = await services.adrop_aside(name)
        return success(
            message=f"Version of the future dropped for key '{name}'", version=dropped.version
        )


class StateView(NodeView):
    """`/gossip/state`, from which peers pull (A4)."""

    async def get(self, _request: HttpRequest) -> HttpResponseBase:
        # In the node's process nobody has a turn in between, so the count fits what is listed.
        now = await services.aoverview()
        everything = services.aslices(tombstones=True)
        head: dict[str, Any] = {
            "nodeId": now.me.node_id,
            "version": now.version,
            "lastUpdated": iso(now.last_updated),
            "dataCount": now.total,
            "data": {},
        }
        opened = b'{"success":true,"state":' + _text(head).removesuffix(b"}}")
        member = partial(_state_member, now.me.last_seen)
        return await stream(opened, everything, member, b"}}}")


def _written(entry: Entry) -> HttpResponseBase:
    told: dict[str, Any] = {
        "message": f"Data set for key '{entry.key}'",
        "version": entry.version,
    }
    if entry.expires_at is not None:
        told["expiresAt"] = entry.expires_at
    return success(status=201, **told)


def _waiting(entry: Entry) -> dict[str, object]:
    return {"key": entry.key, "version": entry.version, "origin": entry.origin}


def _has_it(request: HttpRequest, etag: str) -> bool:
    known = parse_etags(request.headers.get("If-None-Match", ""))
    return known == ["*"] or etag in (tag.removeprefix("W/") for tag in known)


def _value_member(entry: Entry) -> bytes:
    # Tombstones were left out.
    return b"%b:%b" % (_text(entry.key), cast("bytes", entry.value))


def _state_member(wall: int, entry: Entry) -> bytes:
    value = b'"value":%b,' % entry.value if entry.value and entry.lasts(wall) else b""
    expiry = b"" if entry.expires_at is None else b',"expiresAt":%d' % entry.expires_at
    versions = (entry.version, entry.timestamp or entry.version)
    return b'%b:{%b"version":%d,"timestamp":%d%b}' % (_text(entry.key), value, *versions, expiry)
