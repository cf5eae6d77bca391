"""What may be dialed (L4, W9)."""

import pytest

from gossip.core.addresses import api_url, forbidden, gossip_url, names_loopback
from gossip.core.config import Limits

LIMITS = Limits()


@pytest.mark.parametrize(
    "url",
    [
        *("ws://a/ws", "wss://a.example:443/ws", "ws://10.0.0.1:3001/ws", "ws://[::1]:3001/ws"),
        *("ws://a/prefix/ws", "WS://A/ws"),
    ],
)
def test_l4_a_gossip_endpoint_is_kept_as_it_is(url: str) -> None:
    assert gossip_url(url, LIMITS) == url


@pytest.mark.parametrize(
    "url",
    [
        *(None, 5, b"ws://a/ws", ["ws://a/ws"], "", "a", "/ws", "ws:", "ws://", "ws:///ws"),
        *("http://a/ws", "https://a/ws", "file:///ws", "wsx://a/ws", "ws//a/ws"),
        *("ws://a", "ws://a/", "ws://a/ws/", "ws://a/wss", "ws://a/xws", "ws://a/WS"),
        *("ws://u@a/ws", "ws://u:p@a/ws", "ws://@a/ws"),
        *("ws://a/ws?", "ws://a/ws?x=1", "ws://a/ws#", "ws://a?/ws", "ws://a#/ws"),
        *("ws://a:0/ws", "ws://a:65536/ws", "ws://a:-1/ws", "ws://a:x/ws", "ws://a:1:2/ws"),
        *("ws://a b/ws", " ws://a/ws", "ws://a/ws\n", "ws://a/\x00/ws", "ws://a/\x7f/ws"),
        *("ws://a\\@b/ws", 'ws://a"/ws', "ws://{a}/ws", "ws://ä.example/ws", "ws://a／ws"),
        *("ws://[::1/ws", "ws://[x]/ws"),
    ],
    ids=ascii,
)
def test_l4_what_is_no_endpoint_is_refused(url: object) -> None:
    assert gossip_url(url, LIMITS) is None


def test_l4_the_length_of_a_url_has_a_bound() -> None:
    longest = "ws://" + "a" * (LIMITS.text - 8) + "/ws"
    assert gossip_url(longest, LIMITS) == longest
    assert gossip_url("ws://a" + longest[5:], LIMITS) is None


@pytest.mark.parametrize(
    ("url", "accepted"),
    [
        ("http://a:3001", True),
        ("https://a/prefix", True),
        ("ws://a/ws", False),
        ("http://u@a", False),
        ("http://a?x", False),
        ("http://", False),
        (7, False),
    ],
)
def test_l4_an_api_endpoint_is_an_http_origin(url: object, accepted: bool) -> None:
    assert api_url(url, LIMITS) == (url if accepted else None)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("169.254.169.254", "link-local"),
        ("169.254.0.1", "link-local"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("::ffff:169.254.169.254", "link-local"),
        ("2002:a9fe:a9fe::1", "link-local"),
        ("100.100.100.200", "metadata"),
        ("192.0.0.192", "metadata"),
        ("fd00:ec2::254", "metadata"),
        ("::ffff:100.100.100.200", "metadata"),
        ("0.0.0.0", "not-unicast"),
        ("::", "not-unicast"),
        ("::ffff:0.0.0.0", "not-unicast"),
        ("224.0.0.1", "not-unicast"),
        ("ff02::1", "not-unicast"),
        ("255.255.255.255", "not-unicast"),
        ("10.0.0.1", None),
        ("192.168.1.1", None),
        ("93.184.216.34", None),
        ("2001:db8::1", None),
        ("fd00::1", None),
    ],
)
@pytest.mark.parametrize("loopback_allowed", [True, False])
def test_l4_addresses_that_are_never_dialed(
    address: str, why: str | None, loopback_allowed: bool
) -> None:
    assert forbidden(address, loopback_allowed=loopback_allowed) == why


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"])
def test_l4_loopback_is_dialed_only_where_it_is_allowed(address: str) -> None:
    assert forbidden(address, loopback_allowed=True) is None
    assert forbidden(address, loopback_allowed=False) == "loopback"


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        *(("localhost", True), ("LOCALHOST", True), ("a.localhost", True), ("127.0.0.1", True)),
        *(("127.9.9.9", True), ("[::1]", True)),
        *(("notlocalhost", False), ("localhost.example", False), ("10.0.0.1", False)),
    ],
)
def test_l4_names_of_loopback(host: str, is_loopback: bool) -> None:
    assert names_loopback(f"ws://{host}:3001/ws") == is_loopback
