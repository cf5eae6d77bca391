"""The instruments of the soak: they must be able to fail."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.soak.logs import complaints
from tests.soak.plan import LONGEST, SPARED, Wrong, disorders, mishaps
from tests.soak.proxy import Network, Trouble
from tests.soak.watch import Weight, percentile, slope
from tests.soak.writers import Ledger
from tests.support.process import free_ports
from tests.support.waiting import eventually


class TestPlan:
    def test_a_seed_is_a_plan(self) -> None:
        assert mishaps(1, 3, 600) == mishaps(1, 3, 600) != mishaps(2, 3, 600)
        assert (
            list(disorders(1, 8, 600)) == list(disorders(1, 8, 600)) != list(disorders(2, 8, 600))
        )

    def test_everything_ends_in_time_and_nothing_overlaps_on_a_node(self) -> None:
        for node in range(8):
            each = mishaps(1, node, 600)
            assert all(0 <= mishap.seconds <= LONGEST for mishap in each)
            ends = [mishap.at + mishap.seconds for mishap in each]
            assert ends[-1] <= 600
            assert all(end < mishap.at for end, mishap in zip(ends, each[1:], strict=False))

    def test_some_are_never_ended(self) -> None:
        ended = {Wrong.KILL, Wrong.WIPE, Wrong.STOP}
        for node in SPARED:
            assert not ended.intersection(mishap.wrong for mishap in mishaps(1, node, 6_000))
        assert ended <= {mishap.wrong for mishap in mishaps(1, max(SPARED) + 1, 6_000)}


class TestLedger:
    @pytest.fixture
    def ledger(self) -> Ledger:
        ledger = Ledger()
        ledger.promised("k", 5, "five")
        ledger.promised("k", 7, "seven")
        ledger.promised("k", 6, "six")
        return ledger

    @pytest.mark.parametrize(
        ("entry", "lost"),
        [
            ({"version": 7, "value": "seven"}, 0),
            ({"version": 8, "value": "whatever"}, 0),
            ({"version": 6, "value": "six"}, 1),
            ({"version": 7, "value": "six"}, 1),
            ({"version": 7}, 1),
        ],
    )
    def test_what_was_acknowledged_must_be_there(
        self, ledger: Ledger, entry: dict[str, object], lost: int
    ) -> None:
        assert len(ledger.lost({"k": entry})) == lost

    def test_a_key_must_not_vanish(self, ledger: Ledger) -> None:
        assert ledger.lost({}) == ["k: gone, version 7 was acknowledged"]

    def test_what_was_refused_must_not_be_there(self, ledger: Ledger) -> None:
        ledger.turned_down("k", "refused")
        assert len(ledger.lost({"k": {"version": 9, "value": "refused"}})) == 1

    def test_what_was_not_answered_may_be_there(self, ledger: Ledger) -> None:
        ledger.uncertain("k", "perhaps")
        assert ledger.lost({"k": {"version": 7, "value": "perhaps"}}) == []

    def test_a_deletion_is_a_version_without_a_value(self, ledger: Ledger) -> None:
        ledger.promised("k", 9, None)
        assert ledger.lost({"k": {"version": 9}}) == []


class TestLogs:
    FAILING = 'timestamp=t level=error event=journal_failing detail="disk I/O error" backlog=1'
    RECOVERED = "timestamp=t level=info event=journal_recovered"

    @pytest.mark.parametrize(
        ("lines", "count"),
        [
            (["timestamp=t level=warning event=bootstrap_silent"], 0),
            ([FAILING, RECOVERED], 0),
            ([FAILING], 1),
            ([FAILING.replace("disk I/O error", "no such table")], 1),
            (["timestamp=t level=error event=node_failed"], 1),
            (['timestamp=t level=info event=x exception="Traceback (most"'], 1),
            (["Traceback (most recent call last):"], 1),
        ],
    )
    def test_complaints(self, tmp_path: Path, lines: list[str], count: int) -> None:
        log = tmp_path / "log"
        log.write_text("\n".join(lines))
        assert len(complaints(log)) == count


class TestWatch:
    def test_a_slope_is_of_what_counts(self) -> None:
        filling = [Weight(at, 100_000 * at) for at in range(20)]
        full = [Weight(at, 2_000_000 + 10 * at) for at in range(20, 100)]
        assert slope([*filling, *full], since=20) == pytest.approx(10)

    def test_a_percentile_of_few_is_the_greatest(self) -> None:
        assert percentile([3, 1, 2], 0.99) == 3
        assert percentile(list(range(1_000)), 0.99) == 990
        assert percentile([], 0.99) == 0


class Wire:
    """Both ends of one connection through a proxy."""

    def __init__(self, dialer: socket.socket, server: socket.socket) -> None:
        self.dialer = dialer
        self.server = server

    def carries(self, text: bytes) -> bool:
        self.dialer.sendall(text)
        return self.server.recv(100) == text


class TestProxy:
    @pytest.fixture
    def wired(self) -> Iterator[tuple[Network, Wire]]:
        [public] = free_ports(1)
        with ExitStack() as stack:
            target = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            network = stack.enter_context(Network([(public, target.getsockname()[1])]))
            dialer = stack.enter_context(socket.create_connection(("127.0.0.1", public)))
            server = stack.enter_context(target.accept()[0])
            for end in (dialer, server):
                end.settimeout(10)
            yield network, Wire(dialer, server)

    def test_it_passes_on_what_comes(self, wired: tuple[Network, Wire]) -> None:
        network, wire = wired
        assert wire.carries(b"hello")
        assert network.open_links == 1
        wire.server.close()
        assert wire.dialer.recv(100) == b""
        wire.dialer.close()
        eventually(lambda: network.open_links == 0)

    def test_a_cut_is_a_reset(self, wired: tuple[Network, Wire]) -> None:
        network, wire = wired
        network.disturb_node(Trouble.CUT, 0, 0.0)
        for end in (wire.dialer, wire.server):
            with pytest.raises(ConnectionResetError):
                end.recv(100)

    def test_nobody_hears_through_a_half_open_connection(self, wired: tuple[Network, Wire]) -> None:
        network, wire = wired
        trouble = network.disturb_links(Trouble.HALF_OPEN, list, 0.0)
        wire.dialer.sendall(b"lost")
        wire.dialer.close()
        wire.server.settimeout(0.2)
        with pytest.raises(TimeoutError):
            wire.server.recv(100)
        trouble.end()
        with pytest.raises(ConnectionResetError):
            wire.server.recv(100)

    def test_a_stalled_connection_loses_nothing(self, wired: tuple[Network, Wire]) -> None:
        network, wire = wired
        trouble = network.disturb_links(Trouble.STALL, list, 0.0)
        wire.dialer.sendall(b"late")
        wire.server.settimeout(0.2)
        with pytest.raises(TimeoutError):
            wire.server.recv(100)
        trouble.end()
        wire.server.settimeout(10)
        assert wire.server.recv(100) == b"late"

    def test_a_delay_keeps_the_order(self, wired: tuple[Network, Wire]) -> None:
        network, wire = wired
        network.disturb_links(Trouble.DELAY, list, 0.01)
        assert wire.carries(b"one")
        assert wire.carries(b"two")
