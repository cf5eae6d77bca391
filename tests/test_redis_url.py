"""`gossip.redis_url`: what a URL says, and what is none."""

import pytest

from gossip.redis_url import UrlFault, parse_redis_url


@pytest.mark.parametrize(
    ("text", "hosts", "db"),
    [
        ("redis://h", (("h", 6379),), 0),
        ("redis://h/", (("h", 6379),), 0),
        ("redis://h.example:1/15", (("h.example", 1),), 15),
        ("redis://[::1]:65535/2", (("::1", 65_535),), 2),
        ("redis://192.0.2.1?db=3", (("192.0.2.1", 6379),), 3),
        ("unix:///run/valkey.sock", (), 0),
        ("unix:///run/valkey.sock?db=4", (), 4),
        ("redis+sentinel://a,b:1,[::1]/main", (("a", 26_379), ("b", 1), ("::1", 26_379)), 0),
        ("redis+sentinel://a/main/5", (("a", 26_379),), 5),
    ],
)
def test_places(text: str, hosts: tuple[tuple[str, int], ...], db: int) -> None:
    url = parse_redis_url(text)
    assert (url.hosts, url.db) == (hosts, db)
    assert url.tls is None


def test_a_socket_file() -> None:
    url = parse_redis_url("unix:///run/val%20key.sock?password=a%26b")
    assert (url.path, url.username, url.password) == ("/run/val key.sock", None, "a&b")


@pytest.mark.parametrize(
    ("text", "username", "password"),
    [
        ("redis://h", None, None),
        ("redis://:secret@h", None, "secret"),
        ("redis://user:p%40%2F%3a%25@h", "user", "p@/:%"),
        ("redis://h?username=u&password=p%23", "u", "p#"),
        ("redis+sentinel://user:secret@a,b/main", "user", "secret"),
        ("redis+sentinel://a@b:secret@a,b/main", "a@b", "secret"),
    ],
)
def test_credentials(text: str, username: str | None, password: str | None) -> None:
    url = parse_redis_url(text)
    assert (url.username, url.password) == (username, password)
    assert (url.sentinel_username, url.sentinel_password) == (None, None)


def test_sentinels_have_a_name_of_the_service_and_credentials_of_their_own() -> None:
    url = parse_redis_url(
        "redis+sentinel://:secret@a/my-main?sentinel_username=s&sentinel_password=other"
    )
    assert (url.service, url.password) == ("my-main", "secret")
    assert (url.sentinel_username, url.sentinel_password) == ("s", "other")


@pytest.mark.parametrize("scheme", ["rediss://h", "rediss+sentinel://h/main"])
def test_tls_and_its_options(scheme: str) -> None:
    assert parse_redis_url(scheme).tls == {}
    url = parse_redis_url(
        f"{scheme}?ssl_ca_certs=/etc/ca.pem&ssl_cert_reqs=optional&ssl_check_hostname=No"
    )
    assert url.tls == {
        "ssl_ca_certs": "/etc/ca.pem",
        "ssl_cert_reqs": "optional",
        "ssl_check_hostname": False,
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "h:6379",
        "http://h",
        "REDIS://h",
        "redis:/h",
        "redis://",
        "redis://:secret@",
        "redis://a,b",
        "redis://h:0",
        "redis://h:65536",
        "redis://h:port",
        "redis://h h",
        "redis://::1",
        "redis://h/main",
        "redis://h/-1",
        "redis://h/1/2",
        "redis://h#1",
        "redis://h?db=x",
        "redis://h?db",
        "redis://h?db=",
        "redis://h?db=1&db=2",
        "redis://h?socket_timeout=1",
        "redis://h?ssl_ca_certs=/ca.pem",
        "redis://h?sentinel_password=p",
        "redis://h\n",
        "rediss://h?ssl_ca_cert=/ca.pem",
        "rediss://h?ssl_cert_reqs=some",
        "rediss://h?ssl_check_hostname=perhaps",
        "rediss://h?sentinel_password=p",
        "unix://",
        "unix:///",
        "unix://run/valkey.sock",
        "redis+sentinel://a",
        "redis+sentinel://a/",
        "redis+sentinel://a,/main",
        "redis+sentinel:///main",
        "redis+sentinel://a/main/db",
        "redis+sentinel://a/main/1/2",
    ],
)
def test_what_is_no_url_of_a_redis_is_refused(text: str) -> None:
    with pytest.raises(UrlFault):
        parse_redis_url(text)


def test_a_url_that_is_shown_shows_no_secrets() -> None:
    url = parse_redis_url("rediss+sentinel://:hush@a/main?sentinel_password=hush&ssl_password=hush")
    assert "hush" not in repr(url)
