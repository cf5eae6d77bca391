"""The settings of one node, read from the environment once and checked before anything starts."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from gossip import variables as names
from gossip.core.addresses import names_loopback
from gossip.core.config import Config
from gossip.database_url import Database
from gossip.kinds import HostRule, in_header
from gossip.loopback import is_loopback
from gossip.variables import VARIABLES, Variable, describe_variables

__all__ = ["NodeSettings", "describe_variables", "load"]

T = TypeVar("T")

_LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
_SHORT_TOKEN = 16
_OUR_PREFIXES = ("GOSSIP_", "P2P_")
_DEFAULT_PORTS = {"ws": 80, "wss": 443}


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeSettings:
    """What the operator decided. Times are milliseconds, as in the environment.

    Units, bounds, defaults and their sources are in the table of `gossip.variables`.
    """

    port: int
    host: str
    """Address to bind (`HOST`)."""
    host_given: bool
    """Whether `HOST` was set, rather than left to its default."""
    public_url: str
    """Origin of the HTTP interface, without a final slash."""
    gossip_public_url: str | None
    """Where peers dial us; None behind NAT."""
    bootstrap_peers: tuple[str, ...]
    """`GOSSIP_BOOTSTRAP_PEERS` or its old name, without our own URL."""
    interval: int
    """`GOSSIP_INTERVAL`, ms."""
    fanout: int
    """`GOSSIP_FANOUT`."""
    max_ttl: int
    """`GOSSIP_MAX_TTL`, hops."""
    heartbeat_interval: int
    """`GOSSIP_HEARTBEAT_INTERVAL`, ms."""
    suspicion_timeout: int
    """`GOSSIP_SUSPICION_TIMEOUT`, ms."""
    cleanup_timeout: int
    """`GOSSIP_CLEANUP_TIMEOUT`, ms."""
    probe_interval: int
    """`GOSSIP_PROBE_INTERVAL`, ms."""
    max_message_history: int
    """`GOSSIP_MAX_MESSAGE_HISTORY`, messages."""
    max_clock_skew: int
    """`GOSSIP_MAX_CLOCK_SKEW`, ms."""
    tombstone_grace: int
    """`GOSSIP_TOMBSTONE_GRACE`, ms."""
    region: str
    """`GOSSIP_REGION`."""
    node_id: str | None
    """None: from the state file, else from the node's own key (K2)."""
    node_state_file: Path | None
    """Absolute. Not opened here."""
    data_dir: Path
    """`GOSSIP_DATA_DIR`, absolute. Not created here."""
    redis_url: str | None = field(repr=False)
    """`GOSSIP_REDIS_URL`; None: one process is the whole node."""
    redis_prefix: str
    """`GOSSIP_REDIS_PREFIX`."""
    drain_time: int
    """`GOSSIP_DRAIN_TIME`, ms."""
    lease_term: int
    """`GOSSIP_LEASE_TERM`, ms."""
    database: Database | None = field(repr=False)
    """`DATABASE_URL`; None: SQLite in `data_dir`. See `gossip.databases`."""
    api_tokens: frozenset[str] = field(repr=False)
    """`GOSSIP_API_TOKENS`; empty: writes from loopback only."""
    cors_origins: frozenset[str]
    """`GOSSIP_CORS_ORIGINS`, as browsers write them; empty: CORS is off."""
    extra_hosts: tuple[str, ...]
    """`GOSSIP_ALLOWED_HOSTS`; see `allowed_hosts`."""
    dial_allow: tuple[HostRule, ...]
    """`GOSSIP_DIAL_ALLOW`; empty: every host."""
    dial_deny: tuple[HostRule, ...]
    """`GOSSIP_DIAL_DENY`; it wins over `dial_allow`."""
    compat_missing_200: bool
    """`GOSSIP_COMPAT_MISSING_200`."""
    log_level: str
    """`GOSSIP_LOG_LEVEL`: `debug`, `info`, `warning` or `error`."""
    secret_key: str | None = field(repr=False)
    """`DJANGO_SECRET_KEY`; None: see `gossip.secret`."""
    superuser: tuple[str, str, str] | None = field(repr=False)
    """Name, password and address of `DJANGO_SUPERUSER_…`; None: nobody is made."""
    binds_itself: bool = True
    """False under a server that takes its address from its own options instead of `HOST`."""
    warnings: tuple[str, ...] = ()
    """What works, but hardly as intended. One line each."""

    @property
    def allowed_hosts(self) -> tuple[str, ...]:
        """Names in the `Host` header that are answered, in the notation of Django's setting."""
        urls = [self.public_url, self.gossip_public_url]
        own = (in_header(urlsplit(url).hostname or "") for url in urls if url)
        return tuple(dict.fromkeys((*_LOOPBACK_HOSTS, *own, *self.extra_hosts)))

    @property
    def bound_to_loopback(self) -> bool:
        """Whether only this machine reaches the node, as far as settings can tell.

        An address that a server takes from elsewhere counts only if `HOST` was set as well.
        """
        known = self.binds_itself or self.host_given
        urls = (self.public_url, self.gossip_public_url)
        return known and is_loopback(self.host) and all(names_loopback(url) for url in urls if url)

    def core(self, node_id: str, public_key: str) -> Config:
        """What the protocol needs of it, with times in seconds."""
        return Config(
            node_id=node_id,
            public_key=public_key,
            gossip_endpoint=self.gossip_public_url,
            api_endpoint=self.public_url,
            region=self.region,
            bootstrap=self.bootstrap_peers,
            interval=self.interval / 1000,
            fanout=self.fanout,
            max_ttl=self.max_ttl,
            heartbeat_interval=self.heartbeat_interval / 1000,
            suspicion_timeout=self.suspicion_timeout / 1000,
            cleanup_timeout=self.cleanup_timeout / 1000,
            probe_interval=self.probe_interval / 1000,
            max_message_history=self.max_message_history,
            max_clock_skew=self.max_clock_skew / 1000,
            tombstone_grace=self.tombstone_grace / 1000,
        )


def load(environ: Mapping[str, str], cwd: Path) -> NodeSettings:
    """Read and check every variable. Touches neither disk nor network.

    Raises `ConfigurationError`: one line that names the variable, its value and what is allowed.
    """
    port = names.PORT.read(environ)

    def read(variable: Variable[T]) -> T:
        return variable.read(environ, port)

    gossip_public_url = read(names.GOSSIP_PUBLIC_URL)
    state_file = read(names.NODE_STATE_FILE)
    settings = NodeSettings(
        port=port,
        host=read(names.HOST),
        host_given=names.HOST.given(environ),
        public_url=read(names.PUBLIC_URL),
        gossip_public_url=gossip_public_url,
        bootstrap_peers=_others(read(_bootstrap(environ)), gossip_public_url),
        interval=read(names.GOSSIP_INTERVAL),
        fanout=read(names.GOSSIP_FANOUT),
        max_ttl=read(names.GOSSIP_MAX_TTL),
        heartbeat_interval=read(names.GOSSIP_HEARTBEAT_INTERVAL),
        suspicion_timeout=read(names.GOSSIP_SUSPICION_TIMEOUT),
        cleanup_timeout=read(names.GOSSIP_CLEANUP_TIMEOUT),
        probe_interval=read(names.GOSSIP_PROBE_INTERVAL),
        max_message_history=read(names.GOSSIP_MAX_MESSAGE_HISTORY),
        max_clock_skew=read(names.GOSSIP_MAX_CLOCK_SKEW),
        tombstone_grace=read(names.GOSSIP_TOMBSTONE_GRACE),
        region=read(names.GOSSIP_REGION),
        node_id=read(names.NODE_ID),
        node_state_file=None if state_file is None else cwd / state_file,
        data_dir=cwd / read(names.GOSSIP_DATA_DIR),
        redis_url=read(names.GOSSIP_REDIS_URL),
        redis_prefix=read(names.GOSSIP_REDIS_PREFIX),
        drain_time=read(names.GOSSIP_DRAIN_TIME),
        lease_term=read(names.GOSSIP_LEASE_TERM),
        database=read(names.DATABASE_URL),
        api_tokens=frozenset(read(names.GOSSIP_API_TOKENS)),
        cors_origins=frozenset(read(names.GOSSIP_CORS_ORIGINS)),
        extra_hosts=read(names.GOSSIP_ALLOWED_HOSTS),
        dial_allow=read(names.GOSSIP_DIAL_ALLOW),
        dial_deny=read(names.GOSSIP_DIAL_DENY),
        compat_missing_200=read(names.GOSSIP_COMPAT_MISSING_200),
        log_level=read(names.GOSSIP_LOG_LEVEL),
        secret_key=read(names.DJANGO_SECRET_KEY),
        superuser=_superuser(
            read(names.DJANGO_SUPERUSER_USERNAME),
            read(names.DJANGO_SUPERUSER_PASSWORD),
            read(names.DJANGO_SUPERUSER_EMAIL),
        ),
    )
    _check_timeouts(settings)
    return replace(settings, warnings=tuple(_warnings(environ, settings)))


def _superuser(
    name: str | None, password: str | None, email: str | None
) -> tuple[str, str, str] | None:
    if name is not None and password is None:
        raise names.DJANGO_SUPERUSER_USERNAME.refusal(
            name, "must come with DJANGO_SUPERUSER_PASSWORD"
        )
    if name is None or password is None:
        return None
    return name, password, email or ""


def _bootstrap(environ: Mapping[str, str]) -> Variable[tuple[str, ...]]:
    old = names.P2P_BOOTSTRAP_PEERS.given(environ)
    current = names.GOSSIP_BOOTSTRAP_PEERS.given(environ)
    return names.P2P_BOOTSTRAP_PEERS if old and not current else names.GOSSIP_BOOTSTRAP_PEERS


def _others(urls: tuple[str, ...], own: str | None) -> tuple[str, ...]:
    """The list without our own URL: operators give every node of a cluster the same list."""
    return tuple(url for url in urls if own is None or _target(url) != _target(own))


def _target(url: str) -> tuple[str, str | None, int | None, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme], parts.path


def _check_timeouts(settings: NodeSettings) -> None:
    suspicion = f"GOSSIP_SUSPICION_TIMEOUT ({settings.suspicion_timeout})"
    if settings.heartbeat_interval >= settings.suspicion_timeout:
        raise names.GOSSIP_HEARTBEAT_INTERVAL.refusal(
            str(settings.heartbeat_interval), f"must be less than {suspicion}"
        )
    if settings.cleanup_timeout < settings.suspicion_timeout:
        raise names.GOSSIP_CLEANUP_TIMEOUT.refusal(
            str(settings.cleanup_timeout), f"must be no less than {suspicion}"
        )


def _warnings(environ: Mapping[str, str], settings: NodeSettings) -> Iterator[str]:
    yield from _migration_warnings(environ)
    yield from _unknown_names(environ)
    if not is_loopback(settings.host):
        for variable in (names.GOSSIP_PUBLIC_URL, names.PUBLIC_URL):
            if not variable.given(environ):
                yield (
                    f"{variable.name} is not set and names localhost, while HOST={settings.host} is"
                    " open to other machines: peers there cannot reach this node by it"
                )
    if not settings.api_tokens and not settings.bound_to_loopback:
        yield "no GOSSIP_API_TOKENS, and the node is not on loopback alone: writes are refused"
    if any(len(token) < _SHORT_TOKEN for token in settings.api_tokens):
        yield f"GOSSIP_API_TOKENS has a token of less than {_SHORT_TOKEN} characters: easy to guess"


def _migration_warnings(environ: Mapping[str, str]) -> Iterator[str]:
    if names.P2P_BOOTSTRAP_PEERS.given(environ):
        used = _bootstrap(environ) is names.P2P_BOOTSTRAP_PEERS
        yield "P2P_BOOTSTRAP_PEERS is " + (
            "an old name: use GOSSIP_BOOTSTRAP_PEERS"
            if used
            else "not read, because GOSSIP_BOOTSTRAP_PEERS is set"
        )
    if names.P2P_PORT.given(environ):
        yield "P2P_PORT has no effect: there is one port now, PORT"


def _unknown_names(environ: Mapping[str, str]) -> Iterator[str]:
    known = [variable.name for variable in VARIABLES]
    for name, value in sorted(environ.items()):
        if value.strip() and name.startswith(_OUR_PREFIXES) and name not in known:
            nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
            hint = f": did you mean {nearest[0]}?" if nearest else ""
            yield f"{name} is not a variable of this node{hint}"
