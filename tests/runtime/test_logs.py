"""What the log looks like, seen from outside: configuring it changes the whole process."""

import subprocess
import sys

from tests.support.serving import ROOT


def logged(code: str, level: str = "info") -> list[str]:
    """The lines that a process writes which configures the log and then runs this code."""
    head = (
        f"import logging, structlog; from gossip.runtime import logs; logs.configure({level!r})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", head + code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_an_event_is_one_line_of_pairs() -> None:
    [line] = logged("structlog.get_logger('gossip').info('peer_joined', subject='0x1 2', links=3)")
    timestamp, rest = line.split(" ", 1)
    assert timestamp.startswith("timestamp=20")
    assert timestamp.endswith("Z")
    assert rest == 'level=info event=peer_joined subject="0x1 2" links=3'


def test_a_library_writes_the_same_line() -> None:
    [line] = logged("logging.getLogger('django').warning('odd %s', 'thing')")
    assert line.endswith('level=warning event="odd thing" logger=django')


def test_a_traceback_stays_in_its_line() -> None:
    [line] = logged("try: 1 / 0\nexcept ZeroDivisionError: logging.exception('defect')")
    assert "event=defect" in line
    assert "ZeroDivisionError" in line


def test_the_level_counts() -> None:
    code = "structlog.get_logger('gossip').info('a'); logging.error('b')"
    assert len(logged(code, "error")) == 1
    assert len(logged(code, "info")) == 2


def test_requests_and_connections_are_not_logged() -> None:
    names = ["daphne.ws_protocol", "django.request", "uvicorn.access", "websockets.client"]
    assert logged(f"for name in {names}: logging.getLogger(name).warning('noise')", "debug") == []


def test_a_refusal_is_no_defect() -> None:
    code = "log = logging.getLogger('django.request'); log.error('Service Unavailable: /readyz')"
    assert logged(code) == []
    [line] = logged(f"{code}\ntry: 1 / 0\nexcept ZeroDivisionError: log.error('x', exc_info=True)")
    assert "ZeroDivisionError" in line


def test_configuring_twice_writes_once() -> None:
    assert len(logged("logs.configure('info'); structlog.get_logger('gossip').info('once')")) == 1
