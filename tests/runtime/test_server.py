"""The server against peers and clients that behave badly, and its way from start to stop."""

import json
import select
import signal
import socket
from collections.abc import Iterator

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from gossip.runtime.server_http import BODY_LIMIT
from gossip.runtime.websocket import MESSAGE_LIMIT
from tests.support.serving import (
    DEADLINE,
    HANDSHAKE,
    STANDALONE,
    link,
    listens,
    opened,
    request,
    running,
)
from tests.support.serving import served as serve
from tests.support.waiting import eventually

MEBIBYTE = 1_048_576
KERNEL_BUFFERS = 16 * MEBIBYTE
"""What two sockets of one connection may hold between them, generously."""


def memory(port: int) -> int:
    """Bytes that the server holds."""
    return int(request(port, "GET", "/memory")[1]) * 1024


def wait_closed(peer: ClientConnection) -> int | None:
    """The code of the server's close frame; None where it sent none."""
    try:
        while True:
            peer.recv(DEADLINE)
    except ConnectionClosed as closed:
        return None if closed.rcvd is None else closed.rcvd.code


def masked(payload: bytes) -> bytes:
    """One text frame of a client, short and masked with zeros."""
    assert len(payload) <= 125
    return bytes([0x81, 0x80 | len(payload), 0, 0, 0, 0]) + payload


def upgraded(port: int) -> socket.socket:
    """A link without a WebSocket library."""
    sock = opened(port, HANDSHAKE)
    received = b""
    while not received.endswith(b"\r\n\r\n"):
        received += sock.recv(1)
    assert received.startswith(b"HTTP/1.1 101 ")
    return sock


def read_to_end(sock: socket.socket) -> bytes:
    """What comes until the server closes or resets the connection."""
    received = b""
    try:
        while chunk := sock.recv(65_536):
            received += chunk
    except ConnectionResetError:
        pass
    return received


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """An echoing server that many tests share."""
    with serve("echo") as (_, number):
        yield number


def test_frames_come_back_in_order(port: int) -> None:
    with link(port) as peer:
        for number in range(1_000):
            peer.send(str(number))
        assert [peer.recv(DEADLINE) for _ in range(1_000)] == [str(n) for n in range(1_000)]


def test_a_frame_may_be_as_large_as_a_plain_peers_state(port: int) -> None:
    with link(port) as peer:
        peer.send("x" * MESSAGE_LIMIT)
        assert len(peer.recv(DEADLINE)) == MESSAGE_LIMIT


def test_a_larger_frame_is_refused_before_it_arrived(port: int) -> None:
    header = b"\x81\xff" + (MESSAGE_LIMIT + 1).to_bytes(8, "big") + bytes(4)
    with upgraded(port) as sock:
        sock.sendall(header)
        assert (1009).to_bytes(2, "big") in read_to_end(sock)


def test_an_oversized_message_is_closed_with_its_code(port: int) -> None:
    with link(port) as peer:
        peer.send("x" * (MESSAGE_LIMIT + 1))
        assert wait_closed(peer) == 1009


def test_a_peer_that_reads_nothing_costs_no_memory() -> None:
    with serve("flood") as (_, port):
        before = memory(port)
        with upgraded(port):
            # Each request gives the flood another chance to go on.
            for _ in range(200):
                request(port, "GET", "/flooded")
            flooded = int(request(port, "GET", "/flooded")[1])
            assert 0 < flooded * 65_536 < KERNEL_BUFFERS
            assert memory(port) - before < 8 * MEBIBYTE


def test_a_slow_peer_gets_everything_when_it_reads_again() -> None:
    with serve("flood") as (_, port), link(port) as peer:
        for _ in range(50):
            request(port, "GET", "/flooded")
        # More than the kernel held: the flood went on.
        for _ in range(2 * KERNEL_BUFFERS // 65_536):
            assert len(peer.recv(DEADLINE)) == 65_536


def test_a_client_that_reads_nothing_costs_no_memory(port: int) -> None:
    before = memory(port)
    with opened(port, b"GET /stream HTTP/1.1\r\nHost: test\r\n\r\n"):
        for _ in range(200):
            request(port, "GET", "/")
        assert memory(port) - before < 8 * MEBIBYTE


def test_a_flood_is_not_read_while_the_node_is_busy() -> None:
    with serve("deaf") as (_, port), upgraded(port) as sock:
        before = memory(port)
        sock.setblocking(False)
        frames = masked(b"x" * 100) * 600
        sent = 0
        while select.select([], [sock], [], 1)[1] and sent < 4 * KERNEL_BUFFERS:
            sent += sock.send(frames)
        assert sent < KERNEL_BUFFERS
        assert memory(port) - before < 8 * MEBIBYTE


def test_a_body_of_the_largest_size_is_taken(port: int) -> None:
    assert request(port, "POST", "/body", body=b"x" * BODY_LIMIT) == (200, b"%d" % BODY_LIMIT)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_larger_body_is_refused(port: int, chunked: bool) -> None:
    body = b"x" * (BODY_LIMIT + 1)
    status, answer = request(
        port, "POST", "/body", body=iter([body]) if chunked else body, encode_chunked=chunked
    )
    assert status == 413
    assert json.loads(answer)["success"] is False


def test_a_body_is_refused_for_what_it_says_it_is(port: int) -> None:
    head = (
        b"POST /body HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    )
    with opened(port, head % (BODY_LIMIT + 1)) as sock:
        answer = read_to_end(sock)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in answer


@pytest.mark.parametrize(
    "first", [b"", b"GET / HT", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n"]
)
def test_a_request_that_never_ends_is_cut_off(first: bytes) -> None:
    with serve("echo", "--timeout", "0.3") as (_, port), opened(port, first) as sock:
        assert read_to_end(sock) == b""


def test_a_trickle_does_not_extend_the_deadline() -> None:
    with serve("echo", "--timeout", "0.5") as (_, port), opened(port, b"GET /") as sock:
        sock.settimeout(0.05)
        received: bytes | None = None
        # 400 rounds of 50 ms: far beyond the deadline, which every byte would put off.
        for _ in range(400):
            try:
                sock.sendall(b"x")
                received = sock.recv(1)
            except TimeoutError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                received = b""
            break
        assert received == b""


def test_a_socket_beyond_the_bound_is_closed_at_once() -> None:
    with serve("echo", "--sockets", "2") as (_, port):
        with opened(port), link(port) as peer:
            with opened(port) as third:
                assert third.recv(1) == b""
            peer.send("still here")
            assert peer.recv(DEADLINE) == "still here"
        # Both ended, one of them as a WebSocket: there is room again, for two.
        with until_admitted(port), link(port) as peer:
            peer.send("back")
            assert peer.recv(DEADLINE) == "back"


def until_admitted(port: int) -> socket.socket:
    """Open a socket that the server keeps; it hears of a closed one only when it looks."""
    for _ in range(100):
        sock = opened(port, b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        if sock.recv(65_536):
            return sock
        sock.close()
    raise AssertionError("never admitted")


def test_links_leave_room_for_requests() -> None:
    with serve("echo", "--sockets", "5") as (process, port), link(port), link(port):
        with link(port):
            with pytest.raises(InvalidStatus) as refusal:
                link(port)
            response = refusal.value.response
            assert response.status_code == 503
            assert json.loads(response.body)["success"] is False
            assert request(port, "GET", "/")[0] == 200
        process.wait_for("event=sockets_refused count=1 held=4 websockets=3")
        process.wait_for("closed 1000")
        with link(port) as peer:
            peer.send("room again")
            assert peer.recv(DEADLINE) == "room again"


def test_refused_sockets_are_a_line_now_and_then() -> None:
    with serve("echo", "--sockets", "1") as (process, port), opened(port):
        for _ in range(10):
            with opened(port) as refused:
                assert refused.recv(1) == b""
        process.wait_for("event=sockets_refused count=1 held=1 websockets=0")
        assert process.stop() == 0
    assert process.text.count("sockets_refused") == 1


def test_an_answered_request_is_forgotten_at_once(port: int) -> None:
    for _ in range(50):
        request(port, "GET", "/")
    # This request, and perhaps the last one.
    assert int(request(port, "GET", "/connections")[1]) <= 2


def test_an_answer_that_nobody_read_is_freed_without_a_collection() -> None:
    with serve("echo", "--keep-garbage") as (_, port):
        for _ in range(20):
            with opened(port, b"GET /large HTTP/1.1\r\nHost: test\r\n\r\n") as sock:
                assert sock.recv(1)
        # That of the one who asks.
        eventually(lambda: int(request(port, "GET", "/requests")[1]) == 1)


def test_an_answer_that_breaks_off_is_one_line() -> None:
    with serve("echo") as (process, port):
        with opened(port, b"GET /gone HTTP/1.1\r\nHost: test\r\n\r\n") as sock:
            answer = read_to_end(sock)
        assert b"the beginning" in answer
        assert not answer.endswith(b"0\r\n\r\n")
        process.wait_for("answer_broken_off")
    assert "Traceback" not in process.text


def test_what_the_start_left_is_kept_out_of_collections(port: int) -> None:
    assert int(request(port, "GET", "/frozen")[1]) > 10_000


def test_a_broken_handshake_is_answered_and_forgotten(port: int) -> None:
    with opened(port, HANDSHAKE.replace(b"Sec-WebSocket-Key", b"Sec-WebSocket-Kex")) as sock:
        assert read_to_end(sock).startswith(b"HTTP/1.1 400 ")
    with link(port) as peer:
        peer.send("fine")
        assert peer.recv(DEADLINE) == "fine"


def test_a_masking_fault_drops_the_socket(port: int) -> None:
    with upgraded(port) as sock:
        sock.sendall(b"\x81\x02hi")
        assert read_to_end(sock) == b""


def test_a_peer_that_answers_no_ping_is_dropped() -> None:
    with serve("echo", "--ping", "1.5") as (_, port), link(port) as alive:
        with upgraded(port) as silent:
            # A ping, and then nothing more.
            assert read_to_end(silent)[0] == 0x89
        alive.send("still here")
        assert alive.recv(DEADLINE) == "still here"


def test_the_node_starts_and_stops_in_order() -> None:
    with serve("echo") as (process, port), link(port) as peer:
        peer.send("hello")
        peer.recv(DEADLINE)
        process.child.send_signal(signal.SIGTERM)
        assert wait_closed(peer) == 4409
        assert process.ended() == 0
    told = [line.strip() for line in process.lines if "level=" not in line]
    assert told == [
        "prepare",
        "begin",
        f"listening on {port}",
        "opened loopback=True",
        "finish",
        "closed 4409",
    ]


def test_after_a_signal_it_serves_on_while_it_drains() -> None:
    with serve("echo", "--drain", "1") as (process, port):
        process.child.send_signal(signal.SIGTERM)
        while request(port, "GET", "/draining")[1] != b"1":
            assert process.child.poll() is None
        assert process.ended() == 0


def test_an_interrupt_stops_it_as_well() -> None:
    with serve("echo") as (process, _):
        assert process.stop(signal.SIGINT) == 0


def test_who_was_not_told_hears_that_we_go_away() -> None:
    with serve("mute") as (process, port), link(port) as peer:
        process.child.send_signal(signal.SIGTERM)
        assert wait_closed(peer) == 1001
        assert process.ended() == 0


def test_a_request_under_way_is_answered_at_a_stop() -> None:
    with serve("echo") as (process, port):
        with opened(port, b"GET /slow HTTP/1.1\r\nHost: test\r\n\r\n") as sock:
            process.wait_for("asked")
            process.child.send_signal(signal.SIGTERM)
            assert b"answered" in read_to_end(sock)
        assert process.ended() == 0


def test_a_node_that_does_not_stop_is_left_behind() -> None:
    with serve("stuck") as (process, _):
        assert process.stop() == 1
        assert "did not stop within" in process.text


@pytest.mark.parametrize(
    ("second", "code"), [(signal.SIGTERM, 1), (signal.SIGINT, -signal.SIGINT)], ids=["TERM", "INT"]
)
def test_sigterm_may_come_twice_and_sigint_ends_it_at_once(
    second: signal.Signals, code: int
) -> None:
    with serve("stuck") as (process, port):
        process.child.send_signal(signal.SIGTERM)
        # It listens no more: the first signal has arrived.
        while listens(port):
            pass
        assert process.stop(second) == code


def test_what_is_left_of_the_process_can_be_ended() -> None:
    with serve("linger") as (process, _):
        process.child.send_signal(signal.SIGTERM)
        process.wait_for("lingers")
        assert process.stop() == -signal.SIGTERM


def test_a_failed_node_ends_the_process_with_an_error() -> None:
    with serve("fail") as (process, port), link(port) as peer:
        peer.send("go")
        assert wait_closed(peer) == 4409
        assert process.ended() == 1
        assert "gossipnode: the node failed" in process.text
        assert "finish" in process.text


def test_a_taken_port_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        with running([*STANDALONE, "echo", "--port", str(number)]) as process:
            assert process.ended() == 1
    complaints = [line for line in process.lines if line.startswith("gossipnode: ")]
    assert len(complaints) == 1
    assert f"PORT={number}: cannot listen on 127.0.0.1:{number}" in complaints[0]
    assert "begin" not in process.text
    assert "finish" in process.text
