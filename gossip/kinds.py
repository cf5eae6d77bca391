"""Kinds of values that a variable may have: how the text is read, and what is allowed in words.

A kind is made by a function below and used in the table of `gossip.variables`. Reading raises
`Unfit`; the table turns it into the one line that the operator sees.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeAlias, TypeVar
from urllib.parse import urlsplit

from gossip.core.addresses import api_url, gossip_url
from gossip.core.config import Limits
from gossip.redis_url import UrlFault, parse_redis_url

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
HostRule: TypeAlias = str | Network
"""A host name in lower case, or a network that the address must lie in."""

_HOST_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*", re.ASCII)
# RFC 6750: what can follow "Bearer " in a header.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)
# What the names of keys and channels are made of, where braces and spaces would mean more.
_NAME = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)
_FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_MOST_DIGITS = 18


class Unfit(ValueError):
    """The text is not of this kind. `text` is the part of it that is wrong."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


@dataclass(frozen=True)
class Kind(Generic[T_co]):
    """How to read a value, and the words that complete "must be …"."""

    read: Callable[[str], T_co]
    allowed: str


def anything() -> Kind[str]:
    """Text that has no effect."""
    return Kind(str, "anything")


def integer(low: int, high: int) -> Kind[int]:
    """A decimal integer within bounds, both included."""

    def read(text: str) -> int:
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdecimal() and len(digits) <= _MOST_DIGITS):
            raise Unfit(text)
        number = int(text)
        if not low <= number <= high:
            raise Unfit(text)
        return number

    return Kind(read, f"an integer from {low} to {high}")


def flag() -> Kind[bool]:
    """A boolean."""

    def read(text: str) -> bool:
        value = _FLAGS.get(text.lower())
        if value is None:
            raise Unfit(text)
        return value

    return Kind(read, "true or false")


def choice(*words: str) -> Kind[str]:
    """One of a few words, in any case."""

    def read(text: str) -> str:
        if text.lower() not in words:
            raise Unfit(text)
        return text.lower()

    return Kind(read, "one of " + ", ".join(words))


def line(limit: int) -> Kind[str]:
    """Printable text of bounded size in UTF-8."""

    def read(text: str) -> str:
        # An undecodable byte of the environment is a lone surrogate here, which is not printable.
        if not text.isprintable() or len(text.encode()) > limit:
            raise Unfit(text)
        return text

    return Kind(read, f"printable text of at most {limit} bytes")


def secret(shortest: int) -> Kind[str]:
    """Any text that is long enough."""

    def read(text: str) -> str:
        if len(text) < shortest:
            raise Unfit(text)
        return text

    return Kind(read, f"a text of at least {shortest} characters")


def path() -> Kind[Path]:
    """A path; a relative one counts from the working directory. Nothing is opened here."""

    def read(text: str) -> Path:
        if not text.isprintable():
            raise Unfit(text)
        return Path(text)

    return Kind(read, "a path")


def host() -> Kind[str]:
    """An address to bind, or a name that resolves to one."""
    return Kind(_host, "an IP address or a host name")


def host_rule() -> Kind[HostRule]:
    """A host name, an address or a network in CIDR notation."""

    def read(text: str) -> HostRule:
        try:
            return ipaddress.ip_network(text)
        except ValueError:
            # A dotted number is an address or network with a slip in it, never a name.
            if re.fullmatch(r"[0-9a-fA-F.:/]*[0-9.:/]", text):
                raise Unfit(text) from None
            return _host(text)

    return Kind(read, "a host name or a network such as 10.0.0.0/8")


def host_header() -> Kind[str]:
    """A host name or address as in the `Host` header, without port; `.name` admits subdomains."""

    def read(text: str) -> str:
        if text.startswith("."):
            return "." + _host(text[1:])
        return in_header(_host(text.removeprefix("[").removesuffix("]")))

    return Kind(read, "a host name without port, or .name for a domain and what is below it")


def origin() -> Kind[str]:
    """Scheme, host and port as a browser writes them in `Origin`: lower case, no default port."""

    def read(text: str) -> str:
        url = urlsplit(text) if api_url(text, Limits()) else None
        if url is None or url.path not in {"", "/"}:
            raise Unfit(text)
        default_port = ":80" if url.scheme == "http" else ":443"
        return f"{url.scheme}://{url.netloc.lower().removesuffix(default_port)}"

    return Kind(read, "an origin such as https://node.example:3001")


def endpoint() -> Kind[str]:
    """A URL that peers dial (L4)."""

    def read(text: str) -> str:
        if gossip_url(text, Limits()) is None:
            raise Unfit(text)
        return text

    return Kind(
        read,
        "a ws:// or wss:// URL whose path ends in /ws, without credentials, query or fragment,"
        f" of at most {Limits().text} bytes",
    )


def token() -> Kind[str]:
    """A bearer token."""

    def read(text: str) -> str:
        if not _TOKEN.fullmatch(text):
            raise Unfit(text)
        return text

    return Kind(read, "a token of letters, digits and -._~+/, with = at the end only")


def redis_url() -> Kind[str]:
    """Where a Redis is; `gossip.redis_url` takes it apart."""

    def read(text: str) -> str:
        try:
            parse_redis_url(text)
        except UrlFault:
            raise Unfit(text) from None
        return text

    return Kind(
        read,
        "redis://host:port/db (rediss for TLS), unix:///path?db=0 or"
        " redis+sentinel://host:port,host:port/service/db (rediss+sentinel for TLS),"
        " with no options but those of docs/configuration.md",
    )


def name() -> Kind[str]:
    """A name that keys begin with."""

    def read(text: str) -> str:
        if not _NAME.fullmatch(text):
            raise Unfit(text)
        return text

    return Kind(read, "at most 64 letters, digits and -_.:")


def either(word: str, kind: Kind[T]) -> Kind[T | None]:
    """A word that stands for None, or a value of that kind."""
    return Kind(
        lambda text: None if text == word else kind.read(text), f"{word}, or {kind.allowed}"
    )


def optional(kind: Kind[T]) -> Kind[T | None]:
    """None where the variable is not set."""
    return Kind(lambda text: kind.read(text) if text else None, kind.allowed)


def several(kind: Kind[T]) -> Kind[tuple[T, ...]]:
    """Values between commas, in order and each once; empty items do not count."""

    def read(text: str) -> tuple[T, ...]:
        items = (item.strip() for item in text.split(","))
        return tuple(dict.fromkeys(kind.read(item) for item in items if item))

    return Kind(read, f"a list, separated by commas, where each item is {kind.allowed}")


def in_header(name: str) -> str:
    """A host as the `Host` header writes it: IPv6 addresses in brackets."""
    return f"[{name}]" if ":" in name else name


def _host(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        name = text.lower()
        if len(name) > 253 or not _HOST_NAME.fullmatch(name) or name.replace(".", "").isdecimal():
            raise Unfit(text) from None
        return name
