"""What a client sent: keys in paths, bodies, query parameters.

Everything raises DRF's exceptions or `EntryFault`, which `gossip.api.errors` turns into answers.
"""

import re
from urllib.parse import quote, unquote_to_bytes

import msgspec
from django.http import HttpRequest
from django.utils.http import parse_etags
from rest_framework.exceptions import ParseError, UnsupportedMediaType

from gossip.api.errors import BodyTooLarge
from gossip.core.entries import MAX_VERSION
from gossip.core.values import depth_exceeds
from gossip.services import LIMITS, Absent, All, AtVersion, OneOf, Present, Simple

ENVELOPE = 4_096
"""Bytes around a value: a key of 512 bytes takes 3,072 where each is written as an escape."""
MAX_BODY = LIMITS.value + ENVELOPE

_unit = re.compile(rb"%[0-9A-Fa-f]{2}|.", re.DOTALL).finditer


class Write(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of `POST /gossip/data`. The value stays text: it is decoded once, further in."""

    key: str
    value: msgspec.Raw
    ttl: int | float | msgspec.UnsetType = msgspec.UNSET
    """Seconds."""
    if_version: int | float | msgspec.UnsetType = msgspec.field(
        name="ifVersion", default=msgspec.UNSET
    )
    """0: only if the key has no value."""


_decode_write = msgspec.json.Decoder(Write).decode


class Page(msgspec.Struct, frozen=True):
    """Which part of the data to list."""

    prefix: str
    after: str
    limit: int | None


def key_in_path(request: HttpRequest, decoded: str) -> str:
    """The key that ends this path; `decoded` is what URL resolution took for it.

    Servers decode the path for us, which makes `%2F` a slash and invalid UTF-8 something else: so
    the key is cut from the path as it was sent. One literal trailing slash does not belong to it.
    """
    scope = getattr(request, "scope", {})
    raw: bytes = scope.get("raw_path") or quote(request.path).encode()
    before = request.path[: len(request.path) - len(decoded)]
    key = raw[_end_of(len(before.encode()), raw) :].removesuffix(b"/")
    try:
        return unquote_to_bytes(key).decode()
    except UnicodeDecodeError:
        raise ParseError("The key in the path is not valid UTF-8") from None


def body(request: HttpRequest) -> bytes:
    """The JSON text in the body, unparsed and bounded."""
    if request.content_type != "application/json":
        raise UnsupportedMediaType(
            request.content_type or "", "The body must have Content-Type: application/json"
        )
    text = request.read(MAX_BODY + 1)
    if len(text) > MAX_BODY:
        raise BodyTooLarge(f"The body is larger than {MAX_BODY} bytes")
    return text


def write(request: HttpRequest) -> Write:
    """The body of `POST /gossip/data`."""
    text = body(request)
    if depth_exceeds(text, LIMITS.depth + 1):
        raise ParseError(f"The value is nested deeper than {LIMITS.depth}")
    try:
        wanted = _decode_write(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ParseError(f"The body is not as it should be: {error}") from None
    return wanted


def condition(
    request: HttpRequest, if_version: float | msgspec.UnsetType = msgspec.UNSET
) -> All | None:
    """All that a write depends on: those of `ifVersion`, `If-Match`, `If-None-Match: *` that came.

    To ignore what we do not know could overwrite what the client protects.
    """
    headers = request.headers
    if "If-Unmodified-Since" in headers:
        raise ParseError("`If-Unmodified-Since` is not supported for writes: use `If-Match`")
    parts: list[Simple] = []
    if not isinstance(if_version, msgspec.UnsetType):
        parts.append(_at_version(if_version))
    if "If-Match" in headers:
        parts.append(_matching(headers["If-Match"]))
    if "If-None-Match" in headers:
        if headers["If-None-Match"].strip() != "*":
            raise ParseError("`If-None-Match` of a write can only be `*`")
        parts.append(Absent())
    return All(tuple(parts)) if parts else None


def _at_version(number: float) -> Simple:
    # 5.0 is what JavaScript calls 5.
    if not 0 <= number <= MAX_VERSION or number != int(number):
        raise ParseError(f"`ifVersion` must be an integer from 0 to {MAX_VERSION}")
    return AtVersion(int(number)) if number else Absent()


def _matching(header: str) -> Simple:
    tags = parse_etags(header)
    if tags == ["*"]:
        return Present()
    # A weak tag names nothing in particular, and never matches (RFC 9110, 13.1.1); nor does what
    # is no tag.
    return OneOf(frozenset(tag.strip('"') for tag in tags if not tag.startswith("W/")))


def page(request: HttpRequest) -> Page:
    """`?prefix=`, `?after=` and `?limit=`."""
    query = request.GET
    return Page(query.get("prefix", ""), query.get("after", ""), _limit(query.get("limit")))


def one_of(request: HttpRequest, parameter: str, allowed: tuple[str, ...], default: str) -> str:
    """A query parameter that has to be one of these."""
    value = request.GET.get(parameter, default)
    if value not in allowed:
        raise ParseError(f"`{parameter}` must be one of {', '.join(allowed)}")
    return value


def several_of(request: HttpRequest, parameter: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """A query parameter that lists some of these, with commas; all where it is not given."""
    text = request.GET.get(parameter)
    if text is None:
        return allowed
    values = tuple(value.strip() for value in text.split(","))
    if not set(values) <= set(allowed):
        raise ParseError(f"`{parameter}` must list some of {', '.join(allowed)}")
    return values


def _limit(text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", text) or int(text) == 0:
        raise ParseError("`limit` must be a positive integer")
    return int(text)


def _end_of(count: int, raw: bytes) -> int:
    """Where the first `count` decoded bytes end in a percent-encoded path."""
    position = 0
    for _, unit in zip(range(count), _unit(raw), strict=False):
        position = unit.end()
    return position
