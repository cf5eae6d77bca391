"""The environment variables of a node: one table for reading them, for `--help` and for the manual.

`<PORT>` in a default stands for the value of `PORT`. A variable that is empty counts as not set.
"""

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from gossip import kinds
from gossip.core.config import Limits
from gossip.core.errors import ConfigurationError
from gossip.database_url import postgres
from gossip.kinds import Kind, Unfit

T_co = TypeVar("T_co", covariant=True)

_SHOWN = 200
# Credentials and queries of URLs do not belong in a message that ends up in a log.
_CREDENTIALS = re.compile(r"^([a-z]+:(//)?)?.*@", re.DOTALL)
_QUERY = re.compile(r"\?.*", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Variable(Generic[T_co]):
    """One environment variable."""

    name: str
    kind: Kind[T_co]
    description: str
    source: str
    """Where the default comes from."""
    default: str = ""
    """As it would be written in the environment."""
    unset: str = ""
    """What holds without a value, in words, where there is no default."""
    unit: str = ""
    secret: bool = False
    """Its value is never shown."""

    def given(self, environ: Mapping[str, str]) -> bool:
        """Whether the environment has a value for it."""
        return bool(environ.get(self.name, "").strip())

    def read(self, environ: Mapping[str, str], port: int | None = None) -> T_co:
        """Return its value or its default. Raises `ConfigurationError`."""
        text = environ.get(self.name, "").strip() or self.default.replace("<PORT>", str(port))
        try:
            return self.kind.read(text)
        except Unfit as unfit:
            raise self.refusal(unfit.text, f"must be {self.kind.allowed}") from None

    def refusal(self, text: str, why: str) -> ConfigurationError:
        """The one line for the operator: name, value (never a secret), what is allowed."""
        return ConfigurationError(f"{self.name}{'' if self.secret else '=' + _shown(text)} {why}")


def _shown(text: str) -> str:
    harmless = _QUERY.sub("?***", _CREDENTIALS.sub(r"\1***@", text))
    return repr(harmless if len(harmless) <= _SHOWN else harmless[:_SHOWN] + "…")


_NODES = "as the existing nodes"
_SHORTEST_TIME = 10
_HOUR = 3_600_000
_DAY = 24 * _HOUR

PORT = Variable(
    name="PORT",
    kind=kinds.integer(1, 65_535),
    default="3001",
    description="TCP port for HTTP and `/ws`.",
    source=_NODES,
)
HOST = Variable(
    name="HOST",
    kind=kinds.host(),
    default="127.0.0.1",
    description="Address to bind; `0.0.0.0` or `::` exposes the node.",
    source="a node is exposed on purpose, never by default",
)
PUBLIC_URL = Variable(
    name="PUBLIC_URL",
    kind=kinds.origin(),
    default="http://localhost:<PORT>",
    description="Where others reach the HTTP interface.",
    source=_NODES,
)
GOSSIP_PUBLIC_URL = Variable(
    name="GOSSIP_PUBLIC_URL",
    kind=kinds.either("none", kinds.endpoint()),
    default="ws://localhost:<PORT>/ws",
    description="Where peers dial this node; `none` behind NAT.",
    source=_NODES,
)
GOSSIP_BOOTSTRAP_PEERS = Variable(
    name="GOSSIP_BOOTSTRAP_PEERS",
    kind=kinds.several(kinds.endpoint()),
    unset="nobody: others dial this node",
    description="Peers to dial first, and again for ever; the node's own URL is left out.",
    source=_NODES,
)
P2P_BOOTSTRAP_PEERS = Variable(
    name="P2P_BOOTSTRAP_PEERS",
    kind=GOSSIP_BOOTSTRAP_PEERS.kind,
    unset="nobody",
    description="Old name of `GOSSIP_BOOTSTRAP_PEERS`, read with a warning where that is not set.",
    source="for migration",
)
P2P_PORT = Variable(
    name="P2P_PORT",
    kind=kinds.anything(),
    unset="not used",
    description="Has no effect but a warning: there is one port, `PORT`.",
    source="for migration",
)
GOSSIP_INTERVAL = Variable(
    name="GOSSIP_INTERVAL",
    kind=kinds.integer(_SHORTEST_TIME, _HOUR),
    default="5000",
    unit="ms",
    description="From one round of repair to the next; smaller repairs sooner and costs traffic.",
    source=_NODES,
)
GOSSIP_FANOUT = Variable(
    name="GOSSIP_FANOUT",
    kind=kinds.integer(1, 64),
    default="3",
    unit="peers",
    description="Peers that a round talks to.",
    source=_NODES,
)
GOSSIP_MAX_TTL = Variable(
    name="GOSSIP_MAX_TTL",
    kind=kinds.integer(1, 255),
    default="5",
    unit="hops",
    description="How far a message travels; larger counts are clamped to it.",
    source=_NODES,
)
GOSSIP_HEARTBEAT_INTERVAL = Variable(
    name="GOSSIP_HEARTBEAT_INTERVAL",
    kind=kinds.integer(_SHORTEST_TIME, _HOUR),
    default="10000",
    unit="ms",
    description="From one heartbeat to the next; less than `GOSSIP_SUSPICION_TIMEOUT`.",
    source=_NODES,
)
GOSSIP_SUSPICION_TIMEOUT = Variable(
    name="GOSSIP_SUSPICION_TIMEOUT",
    kind=kinds.integer(_SHORTEST_TIME, _DAY),
    default="30000",
    unit="ms",
    description="Silence after which a peer is suspected at the latest.",
    source=_NODES,
)
GOSSIP_CLEANUP_TIMEOUT = Variable(
    name="GOSSIP_CLEANUP_TIMEOUT",
    kind=kinds.integer(_SHORTEST_TIME, 7 * _DAY),
    default="60000",
    unit="ms",
    description="Silence after which it is removed; no less than `GOSSIP_SUSPICION_TIMEOUT`.",
    source=_NODES,
)
GOSSIP_PROBE_INTERVAL = Variable(
    name="GOSSIP_PROBE_INTERVAL",
    kind=kinds.integer(_SHORTEST_TIME, _HOUR),
    default="1000",
    unit="ms",
    description="Each time one silent peer is asked whether it is there, all in turn; without an"
    " answer, from it or through others, it is suspected one to two of them later, where much is"
    " lost up to four; a node that doubts itself (rule M4) waits up to nine times as long. Longer"
    " than four round trips.",
    source="rule M4, as in SWIM",
)
GOSSIP_MAX_MESSAGE_HISTORY = Variable(
    name="GOSSIP_MAX_MESSAGE_HISTORY",
    kind=kinds.integer(1, 1_000_000),
    default="1000",
    unit="messages",
    description="Ids of data messages remembered, so that a repetition is not handled again.",
    source=_NODES,
)
GOSSIP_MAX_CLOCK_SKEW = Variable(
    name="GOSSIP_MAX_CLOCK_SKEW",
    kind=kinds.integer(1_000, 365 * _DAY),
    default="86400000",
    unit="ms",
    description="Versions further ahead of this node's clock are set aside; 300000 is strict.",
    source="rule E4: forgives a wrong time zone",
)
GOSSIP_TOMBSTONE_GRACE = Variable(
    name="GOSSIP_TOMBSTONE_GRACE",
    kind=kinds.integer(60_000, 3_650 * _DAY),
    default="86400000",
    unit="ms",
    description="For so long every delete is remembered, beyond it the latest 100,000: a node that"
    " was away longer may bring a deleted key back.",
    source="rule E5: a weekday",
)
GOSSIP_REGION = Variable(
    name="GOSSIP_REGION",
    kind=kinds.line(Limits().text),
    default="local",
    description="Where the node stands, for people.",
    source="what the existing nodes say",
)
NODE_ID = Variable(
    name="NODE_ID",
    kind=kinds.optional(kinds.line(Limits().node_id)),
    unset="from `NODE_STATE_FILE`, else from a key made once and kept",
    description="Name of this node in the cluster; no two nodes may share one.",
    source=_NODES,
)
NODE_STATE_FILE = Variable(
    name="NODE_STATE_FILE",
    kind=kinds.optional(kinds.path()),
    unset="a key made once and kept",
    description="JSON file with `nodeId` and `publicKey`; agrees with a `NODE_ID` that is set.",
    source=_NODES,
)
GOSSIP_DATA_DIR = Variable(
    name="GOSSIP_DATA_DIR",
    kind=kinds.path(),
    default="data/<PORT>",
    description="Directory of the database, the generated keys and the lock.",
    source="several nodes start from one checkout",
)
GOSSIP_REDIS_URL = Variable(
    name="GOSSIP_REDIS_URL",
    kind=kinds.optional(kinds.redis_url()),
    unset="one process is the whole node",
    description="Redis over which several processes are one node.",
    source="one process needs nothing else",
    secret=True,
)
GOSSIP_REDIS_PREFIX = Variable(
    name="GOSSIP_REDIS_PREFIX",
    kind=kinds.name(),
    default="gossip",
    description="Names the node in that Redis; two nodes in one Redis need two.",
    source="a Redis mostly serves one node",
)
GOSSIP_LEASE_TERM = Variable(
    name="GOSSIP_LEASE_TERM",
    kind=kinds.integer(1_000, 60_000),
    default="3000",
    unit="ms",
    description="A standby takes over when the active worker was silent for so long; shorter is"
    " quicker, and more easily mistaken.",
    source="twice that is the longest outage",
)
GOSSIP_DRAIN_TIME = Variable(
    name="GOSSIP_DRAIN_TIME",
    kind=kinds.integer(0, 60_000),
    default="0",
    unit="ms",
    description="After a signal to stop, serve on for so long with `/readyz` at 503: a balancer"
    " that looks there sends requests elsewhere, and none fails.",
    source="without a balancer there is nothing to wait for",
)
DATABASE_URL = Variable(
    name="DATABASE_URL",
    kind=kinds.optional(postgres()),
    unset="SQLite, in `GOSSIP_DATA_DIR`",
    description="PostgreSQL database of this node, and of no other.",
    source="a node needs no server",
    secret=True,
)
GOSSIP_API_TOKENS = Variable(
    name="GOSSIP_API_TOKENS",
    kind=kinds.several(kinds.token()),
    unset="writes from loopback only",
    description="Bearer tokens, one of which every write needs.",
    source="a first try needs none",
    secret=True,
)
GOSSIP_CORS_ORIGINS = Variable(
    name="GOSSIP_CORS_ORIGINS",
    kind=kinds.several(kinds.origin()),
    unset="none: CORS is off",
    description="Web origins whose pages may use this node.",
    source="closed by default",
)
GOSSIP_ALLOWED_HOSTS = Variable(
    name="GOSSIP_ALLOWED_HOSTS",
    kind=kinds.several(kinds.host_header()),
    unset="loopback names and the hosts of the two public URLs",
    description="Further names in the `Host` header of requests.",
    source="closed by default",
)
GOSSIP_DIAL_ALLOW = Variable(
    name="GOSSIP_DIAL_ALLOW",
    kind=kinds.several(kinds.host_rule()),
    unset="every host",
    description="Only these hosts and networks are dialed.",
    source="rule L4",
)
GOSSIP_DIAL_DENY = Variable(
    name="GOSSIP_DIAL_DENY",
    kind=kinds.several(kinds.host_rule()),
    unset="no host",
    description="These hosts and networks are never dialed, whatever `GOSSIP_DIAL_ALLOW` says.",
    source="rule L4",
)
GOSSIP_COMPAT_MISSING_200 = Variable(
    name="GOSSIP_COMPAT_MISSING_200",
    kind=kinds.flag(),
    default="false",
    description="Answer a missing key with 200, as the existing nodes do, instead of 404.",
    source="404 is what HTTP clients expect",
)
GOSSIP_LOG_LEVEL = Variable(
    name="GOSSIP_LOG_LEVEL",
    kind=kinds.choice("debug", "info", "warning", "error"),
    default="info",
    description="The least important events that are logged.",
    source="one line per event that matters",
)
DJANGO_SECRET_KEY = Variable(
    name="DJANGO_SECRET_KEY",
    kind=kinds.optional(kinds.secret(50)),
    unset="made once and kept in the data directory",
    description="Django's signing key.",
    source="Django asks for 50 characters",
    secret=True,
)

DJANGO_SUPERUSER_USERNAME = Variable(
    name="DJANGO_SUPERUSER_USERNAME",
    kind=kinds.optional(kinds.line(150)),
    unset="nobody is made: `manage.py createsuperuser`",
    description="Administrator who is made at start if there is none of that name.",
    source="Django's own name for it",
)
DJANGO_SUPERUSER_PASSWORD = Variable(
    name="DJANGO_SUPERUSER_PASSWORD",
    kind=kinds.optional(kinds.secret(8)),
    unset="nobody is made",
    description="Password of that administrator; one who is there keeps the old one.",
    source="Django's own name for it",
    secret=True,
)
DJANGO_SUPERUSER_EMAIL = Variable(
    name="DJANGO_SUPERUSER_EMAIL",
    kind=kinds.optional(kinds.line(254)),
    unset="none",
    description="Address of that administrator, for people; nothing is sent there.",
    source="Django's own name for it",
)

VARIABLES: tuple[Variable[Any], ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, Variable)
)
"""All of them, in the order of the table."""


def describe_variables() -> str:
    """The table as text for a terminal."""
    return "\n".join(_describe(variable) for variable in VARIABLES)


def _describe(variable: Variable[Any]) -> str:
    unit = f" {variable.unit}" if variable.unit else ""
    without = variable.default + unit if variable.default else variable.unset
    text = f"{variable.description} Must be {variable.kind.allowed}."
    body = textwrap.fill(text.replace("`", ""), 88, initial_indent="    ", subsequent_indent="    ")
    return f"{variable.name}  (default: {without.replace('`', '')})\n{body}"
