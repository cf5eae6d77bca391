"""Whatever clients send: keys come back as they were, and nothing is a bug of ours."""

from io import BytesIO
from urllib.parse import quote

import msgspec
from django.core.handlers.asgi import ASGIRequest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import APIException

from gossip.api import requests
from gossip.core.values import parse
from tests.support.asgi import scope

JSON = {"content-type": "application/json"}
VALID = rb'{"key":"\u00e9","value":[{"a":"\ud83d\ude00"},-1.5e3,null]}'
keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(keys, st.sampled_from(["", "/"]), st.booleans())
def test_a_quoted_key_comes_back(key: str, slash: str, shy: bool) -> None:
    quoted = quote(key, safe="") if shy else "".join(f"%{byte:02x}" for byte in key.encode())
    request = ASGIRequest(scope("GET", f"/gossip/data/{quoted}{slash}".encode()), BytesIO())
    decoded = request.path.removeprefix("/gossip/data/")
    assert requests.key_in_path(request, decoded) == key


def status_of(body: bytes) -> int:
    request = ASGIRequest(scope("POST", b"/gossip/data", headers=JSON), BytesIO(body))
    try:
        requests.write(request)
    except APIException as refusal:
        return refusal.status_code
    return 201


@given(st.integers(0, len(VALID)), st.integers(0, 3), st.binary(max_size=6))
def test_any_body_is_a_write_or_refused(at: int, cut: int, junk: bytes) -> None:
    assert status_of(VALID[:at] + junk + VALID[at + cut :]) in {201, 400}


@given(st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_the_value_arrives_as_it_was_written(value: object) -> None:
    body = b'{"value": %b, "key": "k"}' % msgspec.json.encode(value)
    request = ASGIRequest(scope("POST", b"/gossip/data", headers=JSON), BytesIO(body))
    assert parse(bytes(requests.write(request).value)) == value
