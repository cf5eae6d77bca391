"""The list of entries: what it costs, and what it finds."""

from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from gossip.admin.entries import following
from gossip.admin.paging import MOST
from gossip.core.entries import Entry
from gossip.stores.rows import upsert_entries

pytestmark = [pytest.mark.django_db, pytest.mark.urls("gossip.admin.urls")]

LIST = "/admin/gossip/entryrow/"
ROWS = 3_000


@pytest.fixture(autouse=True)
def entries(db: None) -> None:
    rows = [Entry(f"key/{number:05}", 1 + number, b'"v"') for number in range(ROWS)]
    upsert_entries(
        "default", [*rows, Entry("deleted", 1, None), Entry("long", 1, b'"' + b"1" * 900 + b'"')]
    )


@pytest.fixture
def client(admin_user: User) -> Client:
    """Logged in."""
    client = Client(headers={"host": "localhost"})
    client.force_login(admin_user)
    return client


def listed(client: Client, query: str = "") -> tuple[str, list[str]]:
    """The page, and the queries that it took."""
    with CaptureQueriesContext(
        connection,
    ) as captured:
        answer = client.get(LIST + query)
    assert answer.status_code == 200
    return answer.content.decode(), [query["sql"] for query in captured]


@pytest.mark.parametrize(
    "query",
    ["", "?p=9", "?q=key/02", "?key__gt=key/02500", "?o=-1", "?o=3", "?o=-4.1", "?q=nothing"],
)
def test_a_list_takes_few_queries_and_none_reads_the_whole_table(
    client: Client, query: str
) -> None:
    _, queries = listed(client, query)
    # The user, how many there are, and the rows of the page.
    assert len(queries) == 3
    for sql in queries:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            plan = " ".join(str(row[-1]) for row in cursor.fetchall())
        assert "TEMP B-TREE" not in plan, sql
        assert "LIMIT" in sql or "SEARCH" in plan, sql
        if "key/02" in sql:
            assert "SEARCH" in plan, sql


def test_no_page_lies_behind_the_bound(client: Client) -> None:
    page, queries = listed(client)
    assert f"{MOST} entries" in page
    assert f"LIMIT {MOST}" in " ".join(queries)
    assert client.get(LIST + "?p=11").status_code == 302


def test_behind_the_last_key_it_goes_on(client: Client) -> None:
    page, _ = listed(client, "?q=key/")
    assert "?key__gt=key%2F00099" in page
    page, _ = listed(client, "?key__gt=key/00099")
    assert "key/00100" in page
    assert "key/00099<" not in page


@pytest.mark.parametrize("found", ["key/01234", "deleted"])
def test_a_search_is_for_a_prefix(client: Client, found: str) -> None:
    page, _ = listed(client, f"?q={found[:-1]}")
    assert found in page
    page, _ = listed(client, f"?q={found[1:]}")
    assert "0 entries" in page


@pytest.mark.parametrize("odd", ["\U0010ffff", "\ud7ff", "\ue000", "z"])
def test_a_search_finds_whatever_follows_the_prefix(client: Client, odd: str) -> None:
    keys = [f"odd{odd}", f"odd{odd}\U0010ffff!", f"odd{odd}a"]
    upsert_entries("default", [Entry(key, 1, b"1") for key in [*keys, "odd ", "pdd"]])
    page, _ = listed(client, f"?q={quote(f'odd{odd}')}")
    assert "3 entries" in page
    assert all(key in page for key in keys)


def test_nothing_follows_the_last_character() -> None:
    assert following("\U0010ffff") is None
    assert following("a\U0010ffff") == "b"
    assert following("a\ud7ff") == "a\ue000"


def test_a_list_shows_how_a_value_begins(client: Client) -> None:
    page, queries = listed(client, "?q=long")
    assert "1" * 79 + "…" in page
    assert '"value"' not in queries[-1].replace('SUBSTR("gossip_entry"."value", 1, 81)', "")


def test_without_a_node_nothing_is_written_and_the_page_says_so(client: Client) -> None:
    answer = client.post(LIST + "add/", {"key": "k", "value": "1"}, follow=True)
    assert "Nothing was changed: no node runs in this process" in answer.content.decode()
    row = "/admin/gossip/entryrow/key_2F00001/"
    answer = client.post(row + "change/", {"value": "2"}, follow=True)
    assert "Nothing was changed" in answer.content.decode()
    answer = client.post(row + "delete/", {"post": "yes"}, follow=True)
    assert "Nothing was changed" in answer.content.decode()
    answer = client.get("/admin/now/members/")
    assert answer.status_code == 503
    assert "no node runs in this process" in answer.content.decode()
