import pytest

from gossip.loopback import is_forwarded, is_loopback, is_loopback_address

ADDRESSES = ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"]
NAMES = ["localhost", "LocalHost", "[::1]"]
OTHERS = ["", "unix:", "0.0.0.0", "::", "192.0.2.7", "::ffff:192.0.2.7", "localhost.example", "[x"]


@pytest.mark.parametrize("host", ADDRESSES + NAMES)
def test_this_machine_by_name_or_address(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", OTHERS)
def test_other_machines(host: str) -> None:
    assert not is_loopback(host)
    assert not is_loopback_address(host)


def test_a_client_is_an_address_and_never_a_name() -> None:
    assert all(is_loopback_address(address) for address in ADDRESSES)
    assert not any(is_loopback_address(name) for name in NAMES)


@pytest.mark.parametrize(
    "header", ["Forwarded", "VIA", "x-real-ip", "X-Forwarded-For", "x-forwarded-proto"]
)
def test_proxies_are_known_by_their_headers(header: str) -> None:
    assert is_forwarded(["host", header])


def test_other_headers_are_no_proxys() -> None:
    assert not is_forwarded(["Host", "X-Forwarded", "X-Real", "Viaduct"])
