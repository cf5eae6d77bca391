"""The URL of a Redis, taken apart: one server by TCP, TLS or a socket file, or a Sentinel service.

    redis://[user][:password]@host[:port][/db]          rediss:// for TLS
    unix:///path/to/socket[?db=…]
    redis+sentinel://[user][:password]@host[:port][,host[:port]…]/service[/db]
                                                        rediss+sentinel:// for TLS, to both

As in redis-py, what would be ambiguous in a URL is percent-encoded, and options stand in the query.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote

REDIS_PORT: Final = 6379
SENTINEL_PORT: Final = 26_379

_SCHEMES = frozenset({"redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel"})
_PLACE = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+))(?::(\d{1,5}))?", re.ASCII)
_SERVICE = re.compile(r"[\w.-]+", re.ASCII)
_DB = re.compile(r"\d{1,9}", re.ASCII)
_OWN_OPTIONS = frozenset({"db", "username", "password"})
_SENTINEL_OPTIONS = frozenset({"sentinel_username", "sentinel_password"})
_TLS_TEXTS = frozenset(
    {
        *("ssl_ca_certs", "ssl_ca_path", "ssl_ca_data", "ssl_certfile", "ssl_keyfile"),
        *("ssl_password", "ssl_ciphers", "ssl_cert_reqs"),
    }
)
_TLS_OPTIONS = _TLS_TEXTS | {"ssl_check_hostname"}
_REQUIREMENTS = frozenset({"none", "optional", "required"})
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class UrlFault(ValueError):
    """The text is no URL of a Redis. Says nothing more: whatever part is wrong may be a secret."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RedisUrl:
    """Where a Redis is and how one is let in."""

    hosts: tuple[tuple[str, int], ...]
    """Host and port of the server, or of each Sentinel; none for a socket file."""
    path: str | None
    """The socket file."""
    service: str | None
    """What the Sentinels call the servers; None: there are no Sentinels."""
    db: int
    username: str | None
    password: str | None = field(repr=False)
    sentinel_username: str | None
    sentinel_password: str | None = field(repr=False)
    tls: Mapping[str, str | bool] | None = field(repr=False)
    """The options `ssl_…` of redis-py; None: no TLS."""


def parse_redis_url(text: str) -> RedisUrl:
    """Take the URL apart. Raises `UrlFault`.

    Files that it names are not looked at.
    """
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in _SCHEMES or "#" in rest or not text.isprintable():
        raise UrlFault
    before, _, query = rest.partition("?")
    options = _options(query)
    _refuse_unknown(options, scheme)
    authority, slash, path = before.partition("/")
    userinfo, _, places = authority.rpartition("@")
    username, _, password = userinfo.partition(":")
    unix = scheme == "unix"
    service, db = (None, "") if unix else _path(scheme, path)
    if unix and (places or not path):
        raise UrlFault
    return RedisUrl(
        hosts=() if unix else _hosts(scheme, places),
        path=slash + unquote(path) if unix else None,
        service=service,
        db=_db(options.get("db") or db or "0"),
        username=options.get("username") or unquote(username) or None,
        password=options.get("password") or unquote(password) or None,
        sentinel_username=options.get("sentinel_username"),
        sentinel_password=options.get("sentinel_password"),
        tls=_tls(options) if scheme.startswith("rediss") else None,
    )


def _options(query: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else []
    except ValueError:
        raise UrlFault from None
    options = dict(pairs)
    if len(options) < len(pairs) or "" in options.values():
        raise UrlFault
    return options


def _refuse_unknown(options: Mapping[str, str], scheme: str) -> None:
    known = _OWN_OPTIONS
    if scheme.endswith("+sentinel"):
        known |= _SENTINEL_OPTIONS
    if scheme.startswith("rediss"):
        known |= _TLS_OPTIONS
    if not known.issuperset(options):
        raise UrlFault


def _path(scheme: str, path: str) -> tuple[str | None, str]:
    """Service and database."""
    if not scheme.endswith("+sentinel"):
        return None, path
    service, _, db = path.partition("/")
    if not _SERVICE.fullmatch(service):
        raise UrlFault
    return service, db


def _hosts(scheme: str, places: str) -> tuple[tuple[str, int], ...]:
    if not scheme.endswith("+sentinel"):
        return (_host(places, REDIS_PORT),)
    return tuple(_host(place, SENTINEL_PORT) for place in places.split(","))


def _host(place: str, default_port: int) -> tuple[str, int]:
    match = _PLACE.fullmatch(place)
    port = int(match[3] or default_port) if match else 0
    if not match or not 1 <= port <= 65_535:
        raise UrlFault
    return match[1] or match[2], port


def _db(text: str) -> int:
    if not _DB.fullmatch(text):
        raise UrlFault
    return int(text)


def _tls(options: Mapping[str, str]) -> dict[str, str | bool]:
    tls: dict[str, str | bool] = {name: options[name] for name in _TLS_TEXTS & options.keys()}
    if tls.get("ssl_cert_reqs", "required") not in _REQUIREMENTS:
        raise UrlFault
    if (flag := options.get("ssl_check_hostname")) is not None:
        if flag.lower() not in _FLAGS:
            raise UrlFault
        tls["ssl_check_hostname"] = _FLAGS[flag.lower()]
    return tls
