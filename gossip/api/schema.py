"""The HTTP interface as an OpenAPI document: one description for each path, in one place.

Written out rather than derived: answers are JSON text made elsewhere, not serialised objects, and a
node that nobody asks for the document loads nothing for it. A test compares it with the URLs, and
a fuzzer that is driven by it finds no answer that is not here.
"""

from typing import Any, Final

from gossip import __version__
from gossip.core.config import Limits
from gossip.services import LONGEST_TTL

_LIMITS: Final = Limits()
_STATUSES: Final = ["active", "suspected", "inactive"]

Json = dict[str, Any]


def document() -> Json:
    """The document, made anew."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "gossipnode",
            "version": __version__,
            "description": "Services that find each other, watch each other's health and share a"
            " replicated key-value state. Any node may be asked and written to. Every path is"
            " answered with or without a final slash, every `GET` also as `HEAD`.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "tags": [
            {"name": "data", "description": "The replicated state"},
            {"name": "cluster", "description": "Members and health"},
            {"name": "operation", "description": "For orchestrators, monitoring and tools"},
            {"name": "old", "description": "Kept for clients from before there was gossip"},
        ],
        "paths": _paths(),
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "One of GOSSIP_API_TOKENS. Without any, writes are taken from"
                    " this machine alone, while the node listens on loopback.",
                }
            },
            "schemas": _schemas(),
            "responses": _responses(),
        },
    }


# Paths


def _paths() -> Json:
    return {
        "/gossip/data": {
            "get": _get("data", "All keys with a value, in their order", _DATA, _PAGE),
            "post": _operation(
                "data",
                "Write a key",
                {"201": _ref("responses", "Written")},
                errors=(*_WRITE, "409", "412"),
                parameters=_CONDITIONS,
                requestBody=_body({"$ref": "#/components/schemas/Write"}),
                security=_SECURITY,
            ),
        },
        "/gossip/data/{key}": {
            "parameters": [_KEY],
            "get": _operation(
                "data",
                "Read a key",
                {
                    "200": _json(
                        {"oneOf": [_success({"data": {}}), _ref("schemas", "Error")]},
                        "The value; or, where GOSSIP_COMPAT_MISSING_200 is set, that there is none",
                        headers=_AGE | _ETAG,
                    ),
                    "304": {
                        "description": "It is what `If-None-Match` names",
                        "headers": _AGE | _ETAG,
                    },
                },
                errors=("400", "404", "503"),
                parameters=[_IF_NONE_MATCH],
            ),
            "put": _operation(
                "data",
                "Write a key: the body is the value",
                {"201": _ref("responses", "Written")},
                errors=(*_WRITE, "412"),
                parameters=_CONDITIONS,
                requestBody=_body({}),
                security=_SECURITY,
            ),
            "delete": _operation(
                "data",
                "Delete a key, on all nodes",
                {"200": _ref("responses", "Written")},
                errors=("400", "401", "403", "404", "412", "503"),
                parameters=_CONDITIONS,
                security=_SECURITY,
            ),
        },
        "/gossip/state": {
            "get": _get("data", "Everything with versions; a deleted key has no value", _STATE),
        },
        "/gossip/aside": {
            "get": _get("data", "Versions of the future, which wait for their time", _ASIDE),
        },
        "/gossip/aside/{key}": {
            "parameters": [_KEY],
            "delete": _operation(
                "data",
                "Drop a version of the future, at this node",
                {"200": _ref("responses", "Written")},
                errors=("400", "401", "403", "404", "503"),
                security=_SECURITY,
            ),
        },
        "/gossip/events": {
            "get": _operation(
                "data",
                "What happens, as server-sent events, without end",
                {
                    "200": {
                        "description": "Events `hello`, `data_set`, `data_deleted`, `peer_…`, `gap`"
                        " and `end`",
                        "content": {"text/event-stream": {"schema": {"type": "string"}}},
                    }
                },
                errors=("400", "503"),
                parameters=[
                    _query("types", {"type": "string"}, "Kinds that are wanted, with commas"),
                    _query("prefix", {"type": "string"}, "Of the keys; members are told anyway"),
                    _header("Last-Event-ID", "Go on behind this event"),
                ],
            )
        },
        "/gossip/peers": {
            "get": _get(
                "cluster",
                "This node, then the active members",
                _list_of("Peer", "peers"),
                (
                    _query(
                        "status", {"type": "string", "enum": [*_STATUSES, "all"]}, "Others as well"
                    ),
                ),
            )
        },
        "/gossip/stats": {"get": _get("cluster", "Counters", _object_of("Stats", "stats"))},
        "/gossip/health": {
            "get": _get("cluster", "How this node is doing", _object_of("Health", "health"))
        },
        "/healthz": {
            "get": _operation(
                "operation",
                "The process answers",
                {"200": _json(_success({"alive": {"const": True}}), "It does")},
            )
        },
        "/readyz": {
            "get": _operation(
                "operation",
                "The node can serve",
                {
                    "200": _json(_success({"ready": {"const": True}}), "It can"),
                    "503": _ref("responses", "NotReady"),
                },
            )
        },
        "/metrics": {
            "get": _operation(
                "operation",
                "For Prometheus",
                {
                    "200": {
                        "description": "Text format 0.0.4",
                        "headers": _AGE,
                        "content": {"text/plain": {"schema": {"type": "string"}}},
                    }
                },
                errors=("400", "503"),
            )
        },
        "/api/schema": {
            "get": _operation(
                "operation",
                "This document",
                {"200": _json({"type": "object"}, "OpenAPI 3.1")},
                errors=("400",),
            )
        },
        "/p2p/peers": {"get": _old("Active members", _list_of("OldPeer", "peers"))},
        "/p2p/stats": {"get": _old("Counters", _object_of("OldStats", "stats"))},
    }


def _operation(
    tag: str, summary: str, answers: Json, *, errors: tuple[str, ...] = (), **more: Any
) -> Json:
    # A body is read before anybody asks what the request is for.
    refusals = {status: _ref("responses", _ERRORS[status]) for status in sorted({*errors, "413"})}
    return {"tags": [tag], "summary": summary, "responses": answers | refusals, **more}


def _get(
    tag: str, summary: str, answer: Json, parameters: tuple[Json, ...] = (), **more: Any
) -> Json:
    if parameters:
        more["parameters"] = list(parameters)
    return _operation(
        tag,
        summary,
        {"200": _json(_success(answer), summary, headers=_AGE)},
        errors=("400", "503"),
        **more,
    )


def _old(summary: str, answer: Json) -> Json:
    answers = {"200": _json(_success(answer), summary, headers=_AGE | _SUPERSEDED)}
    return _operation("old", summary, answers, errors=("400", "503"), deprecated=True)


def _body(schema: Json) -> Json:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _json(schema: Json, description: str, **more: Any) -> Json:
    content = {"application/json": {"schema": schema}}
    return {"description": description, "content": content, **more}


def _success(fields: Json) -> Json:
    properties = {"success": {"const": True}, **fields}
    return {"type": "object", "properties": properties, "required": list(properties)}


def _ref(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}


def _query(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _header(name: str, description: str, **more: Any) -> Json:
    schema = {"type": "string", **more}
    return {"name": name, "in": "header", "schema": schema, "description": description}


def _list_of(name: str, field: str) -> Json:
    return {field: {"type": "array", "items": _ref("schemas", name)}}


def _object_of(name: str, field: str) -> Json:
    return {field: _ref("schemas", name)}


_SECURITY: Final[list[Json]] = [{}, {"token": []}]
_ERRORS: Final = {
    "400": "Malformed",
    "401": "NoToken",
    "403": "NotAllowed",
    "404": "NotFound",
    "409": "Conflict",
    "412": "NotAsExpected",
    "413": "TooLarge",
    "415": "NotJson",
    "503": "NotNow",
}
_WRITE: Final = ("400", "401", "403", "415", "503")
_TEXT: Final[Json] = {"type": "string"}
_TIME: Final[Json] = {"type": ["string", "null"], "description": "ISO 8601 in UTC"}
_COUNT: Final[Json] = {"type": "integer", "minimum": 0}
_VERSION: Final[Json] = {"type": "integer", "minimum": 1, "maximum": 2**53 - 1}
_KEY_TEXT: Final[Json] = {"type": "string", "minLength": 1, "maxLength": _LIMITS.key}
_KEY: Final[Json] = {
    "name": "key",
    "in": "path",
    "required": True,
    "description": f"1 to {_LIMITS.key} bytes, percent-encoded; one final slash does not count",
    "schema": _KEY_TEXT,
}
_IF_NONE_MATCH: Final = _header("If-None-Match", "The `ETag` of what is known already")
_CONDITIONS: Final = [
    _header(
        "If-Match",
        "Only if the key has a value of one of these `ETag`s, or any for `*`",
        pattern=r'^(\*|"[0-9]+-[0-9a-f]{8}"(, "[0-9]+-[0-9a-f]{8}")*)$',
    ),
    _header("If-None-Match", "Only if the key has no value", enum=["*"]),
]
_AGE: Final[Json] = {
    "Age": {"schema": _TEXT, "description": "Seconds since the node was heard of, if it was long"}
}
_ETAG: Final[Json] = {"ETag": {"schema": _TEXT, "description": "Version and hash of the value"}}
_SUPERSEDED: Final[Json] = {
    "Deprecation": {"schema": _TEXT, "description": "Since when (RFC 9745)"},
    "Link": {"schema": _TEXT, "description": "The request that replaces this one"},
}
_PAGE: Final = (
    _query("prefix", _TEXT, "Keys that begin with this"),
    _query("after", _TEXT, "Keys behind this one: the last of the page before"),
    _query(
        "limit", {"type": "integer", "minimum": 1, "maximum": 10**18 - 1}, "So many at the most"
    ),
)
_DATA: Final[Json] = {"data": {"type": "object", "additionalProperties": True}}
_STATE: Final[Json] = {
    "state": {
        "type": "object",
        "required": ["nodeId", "version", "lastUpdated", "dataCount", "data"],
        "properties": {
            "nodeId": _TEXT,
            "version": _COUNT,
            "lastUpdated": _TIME,
            "dataCount": _COUNT | {"description": "Keys held when the answer began"},
            "data": {"type": "object", "additionalProperties": _ref("schemas", "Entry")},
        },
    }
}


# Components


def _responses() -> Json:
    def error(description: str, **more: Any) -> Json:
        return _json(_ref("schemas", "Error"), description, **more)

    retry = {"Retry-After": {"schema": {"type": "string"}, "description": "Seconds"}}
    written = _success({"message": _TEXT, "version": _VERSION})
    written["properties"]["expiresAt"] = _VERSION | {"description": "Milliseconds; with a `ttl`"}
    return {
        "Written": _json(written, "It is on disk and on its way to the others"),
        "Malformed": error("The request, the key or the value is not as it should be"),
        "NoToken": error(
            "A token is needed",
            headers={"WWW-Authenticate": {"schema": _TEXT, "description": "`Bearer`"}},
        ),
        "NotAllowed": error("This client may not write; the message names the variable to set"),
        "NotFound": error("There is no such key"),
        "Conflict": error("The key does not have the version in `ifVersion`, at this node"),
        "NotAsExpected": error("The key is not as the header says, at this node"),
        "TooLarge": error(
            f"The value is larger than {_LIMITS.value} bytes, or the body than any that is taken"
        ),
        "NotJson": error("The body does not come as `application/json`"),
        "NotNow": error(
            "Not now: the disk fails, too much waits, the node stops or cannot be asked",
            headers=retry,
        ),
        "NotReady": _json(
            {
                "type": "object",
                "required": ["success", "message", "reasons"],
                "properties": {
                    "success": {"const": False},
                    "message": _TEXT,
                    "reasons": {"type": "array", "items": _TEXT},
                },
            },
            "It cannot",
            headers=retry,
        ),
    }


def _schemas() -> Json:
    return {
        "Error": {
            "type": "object",
            "required": ["success", "message"],
            "properties": {"success": {"const": False}, "message": _TEXT},
            "example": {"success": False, "message": "Key 'k' not found"},
        },
        "Write": {
            "type": "object",
            "required": ["key", "value"],
            "properties": {
                "key": _KEY_TEXT,
                "value": {},
                "ttl": {
                    "type": "number",
                    "exclusiveMinimum": 0,
                    "maximum": LONGEST_TTL,
                    "description": "Seconds until the key is gone, by the clock of this node",
                },
                "ifVersion": {
                    "type": "integer",
                    "minimum": 0,
                    "maximum": 2**53 - 1,
                    "description": "Only if the key has this version; 0: if it has no value",
                },
            },
            "additionalProperties": False,
            "example": {"key": "node-status", "value": {"status": "active"}},
        },
        "Entry": {
            "type": "object",
            "required": ["version", "timestamp"],
            "properties": {
                "value": {},
                "version": _VERSION,
                "timestamp": _VERSION,
                "expiresAt": _VERSION,
            },
        },
        "Peer": _peer("gossipEndpoint", heartbeatCount=_COUNT),
        "OldPeer": _peer("p2pEndpoint"),
        "Stats": {
            "type": "object",
            "required": list(_STATS),
            "properties": {
                **dict.fromkeys(_STATS, _COUNT),
                "lastGossipTime": _TIME,
                "refused": {"type": "object", "additionalProperties": _COUNT},
            },
        },
        "OldStats": _all_of(
            activePeers=_COUNT, activeConnections=_COUNT, port=_COUNT, apiPort=_COUNT
        ),
        "Health": _all_of(
            status={"type": "string", "enum": ["healthy", "degraded", "isolated"]},
            timestamp=_TIME,
            peers=_all_of(total=_COUNT, active=_COUNT, suspected=_COUNT),
            gossip=_all_of(
                rounds=_COUNT, messagesSent=_COUNT, messagesReceived=_COUNT, lastGossipTime=_TIME
            ),
            connectivity=_all_of(
                hasActivePeers={"type": "boolean"}, isGossiping={"type": "boolean"}
            ),
            reasons={"type": "array", "items": _TEXT},
        ),
    }


_ASIDE: Final[Json] = {
    "aside": {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["key", "version", "origin"],
            "properties": {
                "key": _KEY_TEXT,
                "version": _VERSION,
                "origin": {"type": ["string", "null"]},
            },
        },
    }
}

_STATS: Final = (
    *("totalPeers", "activePeers", "suspectedPeers", "messagesSent", "messagesReceived"),
    *("gossipRounds", "lastGossipTime", "entriesApplied", "entriesStale", "duplicates"),
    *("forwarded", "writes", "writesRefused", "pulls", "pagesServed", "tombstonesDropped"),
    *(
        "refutations",
        "probesFailed",
        "selfDoubt",
        "answerTimeout",
        "keys",
        "setAside",
        "links",
        "linksOpened",
        "linksClosed",
        "dials",
        "dialsFailed",
        "watchers",
    ),
    *("watchersRefused", "watchersDropped", "refused"),
)


def _peer(endpoint: str, **more: Json) -> Json:
    maybe = {"type": ["string", "null"]}
    return _all_of(
        nodeId=_TEXT,
        publicKey=_TEXT,
        apiEndpoint=maybe,
        **{endpoint: maybe},
        status={"type": "string", "enum": _STATUSES},
        lastSeen=_TIME,
        region=_TEXT,
        capabilities={"type": "array", "items": _TEXT},
        version=_TEXT,
        **more,
    )


def _all_of(**properties: Json) -> Json:
    """An object that has all of these."""
    return {"type": "object", "required": list(properties), "properties": properties}
