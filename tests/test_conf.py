"""`gossip.conf`: every variable, at its bounds and one past them."""

from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from gossip.conf import NodeSettings, describe_variables, load
from gossip.core.config import Config
from gossip.core.errors import ConfigurationError
from gossip.variables import VARIABLES

CWD = Path("/somewhere")
SECRET_NAMES = sorted(variable.name for variable in VARIABLES if variable.secret)


def settings(**environ: str) -> NodeSettings:
    return load(environ, CWD)


def refusal(**environ: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(environ, CWD)
    return str(caught.value)


def test_defaults_are_those_of_the_existing_nodes() -> None:
    node = settings()
    assert (node.host, node.port) == ("127.0.0.1", 3001)
    assert node.public_url == "http://localhost:3001"
    assert node.gossip_public_url == "ws://localhost:3001/ws"
    assert node.data_dir == CWD / "data" / "3001"
    assert (node.interval, node.fanout, node.max_ttl) == (5_000, 3, 5)
    assert (node.heartbeat_interval, node.suspicion_timeout) == (10_000, 30_000)
    assert (node.cleanup_timeout, node.max_message_history) == (60_000, 1_000)
    assert node.bootstrap_peers == ()
    assert node.warnings == ()


def test_core_defaults_are_the_same_in_seconds() -> None:
    core = settings().core("0x1", "0x2")
    same = Config(
        node_id="0x1",
        public_key="0x2",
        gossip_endpoint="ws://localhost:3001/ws",
        api_endpoint="http://localhost:3001",
    )
    assert core == same


def test_core_gets_what_the_operator_set() -> None:
    core = settings(
        GOSSIP_PUBLIC_URL="none",
        PUBLIC_URL="https://node.example",
        GOSSIP_REGION="eu",
        GOSSIP_BOOTSTRAP_PEERS="ws://a/ws",
        GOSSIP_INTERVAL="250",
        GOSSIP_FANOUT="4",
        GOSSIP_MAX_TTL="6",
        GOSSIP_HEARTBEAT_INTERVAL="1500",
        GOSSIP_SUSPICION_TIMEOUT="2000",
        GOSSIP_CLEANUP_TIMEOUT="2500",
        GOSSIP_PROBE_INTERVAL="700",
        GOSSIP_MAX_MESSAGE_HISTORY="7",
        GOSSIP_MAX_CLOCK_SKEW="300000",
        GOSSIP_TOMBSTONE_GRACE="3600000",
    ).core("0x1", "0x2")
    assert core == Config(
        node_id="0x1",
        public_key="0x2",
        gossip_endpoint=None,
        api_endpoint="https://node.example",
        region="eu",
        bootstrap=("ws://a/ws",),
        interval=0.25,
        fanout=4,
        max_ttl=6,
        heartbeat_interval=1.5,
        suspicion_timeout=2.0,
        cleanup_timeout=2.5,
        probe_interval=0.7,
        max_message_history=7,
        max_clock_skew=300.0,
        tombstone_grace=3600.0,
    )


def test_port_appears_in_the_defaults_that_contain_it() -> None:
    node = settings(PORT="4000")
    assert node.public_url == "http://localhost:4000"
    assert node.gossip_public_url == "ws://localhost:4000/ws"
    assert node.data_dir == CWD / "data" / "4000"


def test_an_empty_variable_counts_as_not_set() -> None:
    everything = dict.fromkeys((variable.name for variable in VARIABLES), " ")
    assert load(everything, CWD) == settings()


def test_paths_count_from_the_working_directory() -> None:
    node = settings(GOSSIP_DATA_DIR="state", NODE_STATE_FILE="/etc/node.json")
    assert node.data_dir == CWD / "state"
    assert node.node_state_file == Path("/etc/node.json")


INTEGERS = [
    ("PORT", "port", 1, 65_535),
    ("GOSSIP_INTERVAL", "interval", 10, 3_600_000),
    ("GOSSIP_FANOUT", "fanout", 1, 64),
    ("GOSSIP_MAX_TTL", "max_ttl", 1, 255),
    ("GOSSIP_HEARTBEAT_INTERVAL", "heartbeat_interval", 10, 3_600_000),
    ("GOSSIP_SUSPICION_TIMEOUT", "suspicion_timeout", 10, 86_400_000),
    ("GOSSIP_CLEANUP_TIMEOUT", "cleanup_timeout", 10, 604_800_000),
    ("GOSSIP_PROBE_INTERVAL", "probe_interval", 10, 3_600_000),
    ("GOSSIP_MAX_MESSAGE_HISTORY", "max_message_history", 1, 1_000_000),
    ("GOSSIP_MAX_CLOCK_SKEW", "max_clock_skew", 1_000, 31_536_000_000),
    ("GOSSIP_TOMBSTONE_GRACE", "tombstone_grace", 60_000, 315_360_000_000),
]
# Room for each time-out at its own bound: they are compared with each other as well.
AROUND = {
    "GOSSIP_HEARTBEAT_INTERVAL": {
        "GOSSIP_SUSPICION_TIMEOUT": "3600001",
        "GOSSIP_CLEANUP_TIMEOUT": "3600001",
    },
    "GOSSIP_SUSPICION_TIMEOUT": {
        "GOSSIP_HEARTBEAT_INTERVAL": "10",
        "GOSSIP_CLEANUP_TIMEOUT": "86400000",
    },
    "GOSSIP_CLEANUP_TIMEOUT": {
        "GOSSIP_HEARTBEAT_INTERVAL": "10",
        "GOSSIP_SUSPICION_TIMEOUT": "11",
    },
}


@pytest.mark.parametrize(("name", "field", "low", "high"), INTEGERS)
def test_integers_within_their_bounds(name: str, field: str, low: int, high: int) -> None:
    lowest = {"GOSSIP_SUSPICION_TIMEOUT": 11, "GOSSIP_CLEANUP_TIMEOUT": 11}.get(name, low)
    for number in (lowest, high):
        node = load(AROUND.get(name, {}) | {name: str(number)}, CWD)
        assert getattr(node, field) == number


@pytest.mark.parametrize(("name", "low", "high"), [(row[0], row[2], row[3]) for row in INTEGERS])
def test_one_past_the_bounds_is_refused(name: str, low: int, high: int) -> None:
    for number in (low - 1, high + 1):
        assert refusal(**{name: str(number)}) == (
            f"{name}='{number}' must be an integer from {low} to {high}"
        )


@pytest.mark.parametrize("name", [row[0] for row in INTEGERS])
@pytest.mark.parametrize("text", ["abc", "5.0", "1e3", "0x10", "+5", "٣", "5 000", "9" * 5000])
def test_what_is_no_integer_is_refused(name: str, text: str) -> None:
    line = refusal(**{name: text})
    assert line.startswith(f"{name}='")
    assert len(line) < 400


def test_a_heartbeat_is_more_frequent_than_suspicion() -> None:
    assert refusal(GOSSIP_HEARTBEAT_INTERVAL="30000") == (
        "GOSSIP_HEARTBEAT_INTERVAL='30000' must be less than GOSSIP_SUSPICION_TIMEOUT (30000)"
    )
    assert settings(GOSSIP_HEARTBEAT_INTERVAL="29999").heartbeat_interval == 29_999


def test_nobody_is_removed_before_suspicion() -> None:
    assert refusal(GOSSIP_CLEANUP_TIMEOUT="29999") == (
        "GOSSIP_CLEANUP_TIMEOUT='29999' must be no less than GOSSIP_SUSPICION_TIMEOUT (30000)"
    )
    assert settings(GOSSIP_CLEANUP_TIMEOUT="30000").cleanup_timeout == 30_000


@pytest.mark.parametrize("url", ["ws://h/ws", "wss://h.example:8443/a/ws", "ws://[::1]:3001/ws"])
def test_endpoints(url: str) -> None:
    assert settings(GOSSIP_PUBLIC_URL=url).gossip_public_url == url
    assert settings(GOSSIP_BOOTSTRAP_PEERS=url).bootstrap_peers == (url,)


BAD_ENDPOINTS = [
    "h:3001",
    "http://h/ws",
    "ws://h",
    "ws://h/ws/",
    "ws:///ws",
    "ws://h/ws?a=/ws",
    "ws://h/ws#/ws",
    "ws://user:pass@h/ws",
    "ws://h:0/ws",
    "ws://h:65536/ws",
    "ws://h h/ws",
    "ws://[::1/ws",
    "ws://" + "h" * 505 + "/ws",
]


@pytest.mark.parametrize("url", BAD_ENDPOINTS)
@pytest.mark.parametrize(
    "name", ["GOSSIP_PUBLIC_URL", "GOSSIP_BOOTSTRAP_PEERS", "P2P_BOOTSTRAP_PEERS"]
)
def test_bad_endpoints_are_refused(name: str, url: str) -> None:
    line = refusal(**{name: url})
    assert line.startswith(f"{name}='")
    assert "a ws:// or wss:// URL whose path ends in /ws" in line


def test_credentials_in_a_url_are_not_repeated() -> None:
    line = refusal(GOSSIP_BOOTSTRAP_PEERS="ws://fine/ws,ws://user:pa/ss@h/ws?key=hidden")
    assert "'ws://***@h/ws?***'" in line


def test_behind_nat_there_is_no_endpoint() -> None:
    assert settings(GOSSIP_PUBLIC_URL="none").gossip_public_url is None


def test_bootstrap_peers_are_a_list_without_ourselves() -> None:
    node = settings(
        GOSSIP_PUBLIC_URL="ws://me.example/ws",
        GOSSIP_BOOTSTRAP_PEERS=" ws://a/ws, ,ws://ME.example:80/ws,ws://b/ws,ws://a/ws ",
        GOSSIP_API_TOKENS="a-token-that-is-long-enough",
    )
    assert node.bootstrap_peers == ("ws://a/ws", "ws://b/ws")
    assert node.warnings == ()


def test_the_old_name_of_the_list_is_read_with_a_warning() -> None:
    node = settings(P2P_BOOTSTRAP_PEERS="ws://a/ws")
    assert node.bootstrap_peers == ("ws://a/ws",)
    assert node.warnings == ("P2P_BOOTSTRAP_PEERS is an old name: use GOSSIP_BOOTSTRAP_PEERS",)


def test_the_new_name_wins_over_the_old_one() -> None:
    node = settings(P2P_BOOTSTRAP_PEERS="ws://a/ws", GOSSIP_BOOTSTRAP_PEERS="ws://b/ws")
    assert node.bootstrap_peers == ("ws://b/ws",)
    assert node.warnings == (
        "P2P_BOOTSTRAP_PEERS is not read, because GOSSIP_BOOTSTRAP_PEERS is set",
    )


def test_the_old_port_warns() -> None:
    assert settings(P2P_PORT="4000").warnings == (
        "P2P_PORT has no effect: there is one port now, PORT",
    )


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ("https://Node.example/", "https://node.example"),
        ("http://h:80", "http://h"),
        ("https://h:443", "https://h"),
        ("http://h:443", "http://h:443"),
        ("http://[::1]:3001", "http://[::1]:3001"),
    ],
)
def test_origins_are_written_as_browsers_do(given: str, origin: str) -> None:
    assert settings(PUBLIC_URL=given).public_url == origin
    assert settings(GOSSIP_CORS_ORIGINS=given).cors_origins == {origin}


@pytest.mark.parametrize("name", ["PUBLIC_URL", "GOSSIP_CORS_ORIGINS"])
@pytest.mark.parametrize(
    "text", ["h", "*", "null", "ws://h", "http://h/path", "http://h?", "http:"]
)
def test_what_is_no_origin_is_refused(name: str, text: str) -> None:
    assert "must be" in refusal(**{name: text})


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.1", "node-1.example", "localhost"])
def test_hosts_to_bind(address: str) -> None:
    assert settings(HOST=address).host == address


@pytest.mark.parametrize("text", ["1.2.3", "256.0.0.1", "a b", "-a", "http://h", "a..b", "h:80"])
def test_what_is_no_host_is_refused(text: str) -> None:
    assert refusal(HOST=text) == f"HOST='{text}' must be an IP address or a host name"


def test_a_host_name_has_at_most_253_characters() -> None:
    longest = ".".join(["a" * 63] * 3 + ["a" * 61])
    assert settings(HOST=longest).host == longest
    assert "must be" in refusal(HOST=longest + "a")


def test_texts_are_bounded_in_bytes() -> None:
    assert settings(NODE_ID="é" * 128).node_id == "é" * 128
    assert "at most 256 bytes" in refusal(NODE_ID="é" * 128 + "x")
    assert settings(GOSSIP_REGION="r" * 512).region == "r" * 512
    assert "at most 512 bytes" in refusal(GOSSIP_REGION="r" * 513)


@pytest.mark.parametrize("name", ["NODE_ID", "GOSSIP_REGION", "NODE_STATE_FILE", "GOSSIP_DATA_DIR"])
@pytest.mark.parametrize("text", ["a\nb", "a\x00b", "a\udc80b"])
def test_a_refusal_is_one_printable_line(name: str, text: str) -> None:
    assert refusal(**{name: text}).isprintable()


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("1", True), ("YES", True), ("False", False), ("0", False), ("no", False)],
)
def test_flags(text: str, value: bool) -> None:
    assert settings(GOSSIP_COMPAT_MISSING_200=text).compat_missing_200 is value


def test_words_outside_the_choice_are_refused() -> None:
    assert refusal(GOSSIP_COMPAT_MISSING_200="maybe") == (
        "GOSSIP_COMPAT_MISSING_200='maybe' must be true or false"
    )
    assert refusal(GOSSIP_LOG_LEVEL="loud") == (
        "GOSSIP_LOG_LEVEL='loud' must be one of debug, info, warning, error"
    )
    assert settings(GOSSIP_LOG_LEVEL="DEBUG").log_level == "debug"


def test_dial_rules_are_names_and_networks() -> None:
    node = settings(
        GOSSIP_DIAL_ALLOW="Node.example,10.0.0.0/8,fd00::/8", GOSSIP_DIAL_DENY="10.0.0.7"
    )
    assert node.dial_allow == ("node.example", ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
    assert node.dial_deny == (ip_network("10.0.0.7/32"),)


@pytest.mark.parametrize("name", ["GOSSIP_DIAL_ALLOW", "GOSSIP_DIAL_DENY"])
@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0", "10.0.0.0/33", "*.example", "fd00::/x"])
def test_slips_in_dial_rules_are_refused(name: str, text: str) -> None:
    assert refusal(**{name: text}).startswith(f"{name}='{text}' must be a list")


def test_tokens() -> None:
    node = settings(GOSSIP_API_TOKENS="0123456789abcdef, abcdef0123456789==")
    assert node.api_tokens == {"0123456789abcdef", "abcdef0123456789=="}
    assert node.warnings == ()


def test_a_short_token_warns() -> None:
    assert settings(GOSSIP_API_TOKENS="0123456789abcde").warnings == (
        "GOSSIP_API_TOKENS has a token of less than 16 characters: easy to guess",
    )


def test_secrets_appear_in_no_refusal_and_no_repr() -> None:
    assert set(SECRET_NAMES) == {
        *("DATABASE_URL", "DJANGO_SECRET_KEY", "DJANGO_SUPERUSER_PASSWORD"),
        *("GOSSIP_API_TOKENS", "GOSSIP_REDIS_URL"),
    }
    for name in SECRET_NAMES:
        line = refusal(**{name: "hush h"})
        assert line.startswith(f"{name} must be")
        assert "hush" not in line
    given = settings(
        GOSSIP_API_TOKENS="hush-hush-hush-hush",
        DJANGO_SECRET_KEY="hush" * 20,
        DJANGO_SUPERUSER_USERNAME="operator",
        DJANGO_SUPERUSER_PASSWORD="hush hush",
        GOSSIP_REDIS_URL="redis://:hush@h",
    )
    assert given.secret_key == "hush" * 20
    assert given.superuser == ("operator", "hush hush", "")
    assert "hush" not in repr(given)


def test_a_redis_is_not_used_unless_it_is_named() -> None:
    assert (settings().redis_url, settings().redis_prefix) == (None, "gossip")
    node = settings(GOSSIP_REDIS_URL="unix:///run/valkey.sock", GOSSIP_REDIS_PREFIX="eu-1.a:b_")
    assert (node.redis_url, node.redis_prefix) == ("unix:///run/valkey.sock", "eu-1.a:b_")


def test_what_is_no_redis_stops_the_start_with_one_line() -> None:
    line = refusal(GOSSIP_REDIS_URL="http://h:6379")
    assert line.startswith("GOSSIP_REDIS_URL must be redis://host:port/db")
    assert line.isprintable()


@pytest.mark.parametrize("text", ["a b", "{a}", "a/b", "é", "a" * 65])
def test_what_is_no_prefix_is_refused(text: str) -> None:
    assert refusal(GOSSIP_REDIS_PREFIX=text) == (
        f"GOSSIP_REDIS_PREFIX='{text}' must be at most 64 letters, digits and -_.:"
    )


def test_a_first_user_needs_a_password() -> None:
    line = refusal(DJANGO_SUPERUSER_USERNAME="operator")
    assert line.startswith("DJANGO_SUPERUSER_USERNAME='operator' must come with")
    assert settings(DJANGO_SUPERUSER_PASSWORD="long enough").superuser is None


def test_allowed_hosts_hold_loopback_our_own_and_the_operators() -> None:
    node = settings(
        PUBLIC_URL="https://API.example:8443",
        GOSSIP_PUBLIC_URL="ws://[2001:db8::1]:3001/ws",
        GOSSIP_ALLOWED_HOSTS="Other.example,.lan,::2,[::3]",
    )
    assert node.allowed_hosts == (
        *("localhost", "127.0.0.1", "[::1]", "api.example", "[2001:db8::1]"),
        *("other.example", ".lan", "[::2]", "[::3]"),
    )


@pytest.mark.parametrize("text", ["*", "h:80", "http://h", "."])
def test_what_is_no_host_header_is_refused(text: str) -> None:
    assert "GOSSIP_ALLOWED_HOSTS=" in refusal(GOSSIP_ALLOWED_HOSTS=text)


@pytest.mark.parametrize(
    ("environ", "bound"),
    [
        ({}, True),
        ({"HOST": "localhost"}, True),
        ({"HOST": "::1", "GOSSIP_PUBLIC_URL": "none"}, True),
        ({"HOST": "127.8.8.8", "PUBLIC_URL": "http://[::1]:3001"}, True),
        ({"HOST": "0.0.0.0"}, False),
        ({"HOST": "node.example"}, False),
        ({"PUBLIC_URL": "https://node.example"}, False),
        ({"GOSSIP_PUBLIC_URL": "wss://node.example/ws"}, False),
    ],
)
def test_bound_to_loopback(environ: dict[str, str], bound: bool) -> None:
    assert load(environ, CWD).bound_to_loopback is bound


def test_under_a_foreign_server_only_a_given_host_counts() -> None:
    assert not replace(settings(), binds_itself=False).bound_to_loopback
    assert replace(settings(HOST="127.0.0.1"), binds_itself=False).bound_to_loopback


def test_an_exposed_node_with_localhost_urls_warns() -> None:
    exposed: dict[str, Any] = {"HOST": "0.0.0.0", "GOSSIP_API_TOKENS": "long-enough-a-token"}
    names = [warning.split()[0] for warning in settings(**exposed).warnings]
    assert names == ["GOSSIP_PUBLIC_URL", "PUBLIC_URL"]
    exposed |= {"PUBLIC_URL": "http://n", "GOSSIP_PUBLIC_URL": "none"}
    assert settings(**exposed).warnings == ()


@pytest.mark.parametrize("exposed", [{"HOST": "0.0.0.0"}, {"PUBLIC_URL": "http://node.example"}])
def test_an_exposed_node_without_tokens_warns(exposed: dict[str, str]) -> None:
    warnings = settings(**exposed).warnings
    assert [warning for warning in warnings if "writes are refused" in warning]


def test_unknown_names_warn_with_the_nearest_known_one() -> None:
    node = settings(GOSSIP_FANOUTS="3", GOSSIP_ZZZ="1", P2P_PORTS="1", GOSSIP_EMPTY="", FANOUT="3")
    assert node.warnings == (
        "GOSSIP_FANOUTS is not a variable of this node: did you mean GOSSIP_FANOUT?",
        "GOSSIP_ZZZ is not a variable of this node",
        "P2P_PORTS is not a variable of this node: did you mean P2P_PORT?",
    )


def test_help_names_every_variable_once() -> None:
    lines = describe_variables().splitlines()
    heads = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert heads == [variable.name for variable in VARIABLES]
    assert max(map(len, lines)) <= 100
