import pytest

from gossip.core.errors import ConfigurationError
from gossip.runtime.daphne_command import settle_address

APPLICATION = "gossipnode.asgi:application"


@pytest.mark.parametrize(
    ("options", "port", "host"),
    [
        ([], "8000", "127.0.0.1"),
        (["-p", "3001"], "3001", "127.0.0.1"),
        (["-b", "0.0.0.0"], "8000", "0.0.0.0"),
        (["-b", "[::1]", "-p", "3001"], "3001", "::1"),
        (["-b", "localhost"], "8000", "127.0.0.1"),
    ],
)
def test_the_settings_follow_the_options(options: list[str], port: str, host: str) -> None:
    environ: dict[str, str] = {}
    settle_address(environ, [*options, APPLICATION])
    assert environ == {"PORT": port, "HOST": host}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_settings_that_say_the_same_are_left_alone(host: str) -> None:
    environ = {"PORT": "3001", "HOST": host}
    settle_address(environ, ["-p", "3001", APPLICATION])
    assert environ == {"PORT": "3001", "HOST": host}


@pytest.mark.parametrize(
    ("environ", "options", "names"),
    [
        ({"PORT": "3001"}, [], ["PORT=3001", "8000"]),
        ({"PORT": "3001"}, ["-p", "3002"], ["PORT=3001", "3002"]),
        ({"HOST": "127.0.0.1"}, ["-b", "0.0.0.0"], ["HOST=127.0.0.1", "0.0.0.0"]),
    ],
)
def test_settings_that_say_otherwise_stop_the_start(
    environ: dict[str, str], options: list[str], names: list[str]
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        settle_address(environ, [*options, APPLICATION])
    assert all(name in str(refused.value) for name in names)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("options", [["-u", "x"], ["--fd", "3"], ["-e", "tcp:port=3001"]])
def test_an_endpoint_that_nobody_can_read_must_be_told(options: list[str]) -> None:
    with pytest.raises(ConfigurationError, match=r"^HOST must be set"):
        settle_address({"PORT": "3001"}, [*options, APPLICATION])
    environ = {"PORT": "3001", "HOST": "127.0.0.1"}
    settle_address(environ, [*options, APPLICATION])
    assert environ == {"PORT": "3001", "HOST": "127.0.0.1"}
