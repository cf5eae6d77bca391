import ipaddress

import pytest

from gossip.kinds import HostRule
from gossip.transport.resolver import Candidates, Resolver

LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
ELSEWHERE = ipaddress.ip_network("192.0.2.0/24")


async def resolve(
    host: str, *, loopback_allowed: bool = True, **lists: list[HostRule]
) -> Candidates:
    return await Resolver(**lists)(host, 80, loopback_allowed=loopback_allowed)


async def test_an_address_stands_for_itself() -> None:
    assert await resolve("192.0.2.1") == ([ipaddress.ip_address("192.0.2.1")], [])


async def test_a_name_is_looked_up() -> None:
    admitted, _ = await resolve("localhost")
    assert admitted
    assert all(address.is_loopback for address in admitted)


@pytest.mark.parametrize("host", ["node.invalid", "a" * 64 + ".example", "a..example"])
async def test_a_name_without_addresses_is_refused(host: str) -> None:
    admitted, [refusal] = await resolve(host)
    assert admitted == []
    assert refusal.startswith(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "::ffff:127.0.0.1"])
async def test_loopback_must_be_allowed(host: str) -> None:
    assert (await resolve(host)).refusals == []
    admitted, refusals = await resolve(host, loopback_allowed=False)
    assert admitted == []
    assert all("forbidden (loopback)" in refusal for refusal in refusals)
    assert refusals


@pytest.mark.parametrize("host", ["169.254.169.254", "fe80::1", "0.0.0.0", "224.0.0.1"])
async def test_some_addresses_are_never_admitted(host: str) -> None:
    admitted, [refusal] = await resolve(host, allow=[ipaddress.ip_network(host)])
    assert admitted == []
    assert "forbidden" in refusal


@pytest.mark.parametrize("denied", [LOOPBACK, "127.0.0.1"])
async def test_what_the_operator_denies_is_refused(denied: HostRule) -> None:
    admitted, refusals = await resolve("127.0.0.1", allow=["127.0.0.1", LOOPBACK], deny=[denied])
    assert (admitted, refusals) == ([], ["127.0.0.1: in GOSSIP_DIAL_DENY"])


async def test_a_network_denies_its_addresses_wrapped_in_ipv6_too() -> None:
    admitted, [refusal] = await resolve("::ffff:127.0.0.1", deny=[LOOPBACK])
    assert admitted == []
    assert "GOSSIP_DIAL_DENY" in refusal


@pytest.mark.parametrize("allowed", [ELSEWHERE, "other.example"])
async def test_what_the_operator_does_not_allow_is_refused(allowed: HostRule) -> None:
    admitted, refusals = await resolve("127.0.0.1", allow=[allowed])
    assert (admitted, refusals) == ([], ["127.0.0.1: not in GOSSIP_DIAL_ALLOW"])


@pytest.mark.parametrize("allowed", [LOOPBACK, "127.0.0.1"])
async def test_what_the_operator_allows_is_admitted(allowed: HostRule) -> None:
    assert (await resolve("127.0.0.1", allow=[ELSEWHERE, allowed])).refusals == []
