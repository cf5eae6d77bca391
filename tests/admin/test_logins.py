"""How often somebody may guess a password."""

from gossip.admin.logins import ADDRESSES, ATTEMPTS, WITHIN, FailedLogins


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_after_so_many_failures_an_address_waits_and_no_other() -> None:
    clock = Clock()
    logins = FailedLogins(clock)
    for _ in range(ATTEMPTS):
        assert logins.wait("a") == 0
        logins.failed("a")
        clock.now += 1
    assert logins.wait("a") == WITHIN - ATTEMPTS
    assert logins.wait("b") == 0
    clock.now += WITHIN - ATTEMPTS
    assert logins.wait("a") == 0
    logins.failed("a")
    assert logins.wait("a") == 1


def test_a_network_of_ipv6_is_one_address() -> None:
    logins = FailedLogins()
    for number in range(ATTEMPTS):
        logins.failed(f"2001:db8::{number:x}")
        logins.failed(f"192.0.2.{number}")
    assert logins.wait("2001:db8::ffff") > 0
    assert logins.wait("2001:db8:0:1::") == 0
    assert logins.wait("192.0.2.0") == 0


def test_the_addresses_are_bounded() -> None:
    logins = FailedLogins()
    for _ in range(ATTEMPTS):
        logins.failed("first")
    for number in range(ADDRESSES - 1):
        logins.failed(f"{number}")
    assert logins.wait("first") > 0
    logins.failed("one more")
    assert logins.wait("first") == 0
