"""The list of entries: what it costs, and what it finds."""

from urllib.parse import quote

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from gossip import services
from gossip.admin.entries import EntryForm, following
from gossip.admin.logins import ATTEMPTS, FailedLogins
from gossip.admin.paging import MOST
from gossip.core.entries import Entry
from gossip.core.errors import WriteRefused
from gossip.models import EntryRow
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
    page, _ = listed(client, "?q=key/&p=10")
    assert "?key__gt=key%2F00999&amp;q=key%2F" in page
    page, _ = listed(client, "?key__gt=key/00999&q=key/")
    assert "key/01000" in page
    assert "key/00999<" not in page
    assert "deleted" not in page


@pytest.mark.parametrize("query", ["?p=9", "?q=deleted", "?o=-1&p=10"])
def test_there_is_no_link_behind_where_it_would_lead_elsewhere(client: Client, query: str) -> None:
    assert "__gt" not in listed(client, query)[0]


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


@pytest.mark.parametrize("query", ["?value__regex=(", "?value__icontains=v", "?version__gt=1"])
def test_an_address_names_no_lookup_but_that_of_the_link(client: Client, query: str) -> None:
    assert client.get(LIST + query).status_code == 400


# Who may do what


@pytest.fixture
def deleted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys that the services were asked to delete."""
    keys: list[str] = []
    monkeypatch.setattr(services, "delete", keys.append)
    return keys


def chosen(*keys: str, across: str = "0") -> dict[str, object]:
    return {
        "action": "delete_entries",
        "_selected_action": keys,
        "select_across": across,
        "index": "0",
    }


def test_what_is_selected_is_deleted(client: Client, deleted: list[str]) -> None:
    client.post(LIST, chosen("key/00001", "key/00002"))
    assert deleted == ["key/00001", "key/00002"]


def test_the_history_tells_of_deletions_that_happened(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def delete(key: str) -> None:
        if key == "key/00002":
            raise WriteRefused("journal", "the disk is full")

    monkeypatch.setattr(services, "delete", delete)
    for number in (1, 2):
        client.post(f"{LIST}key_2F0000{number}/delete/", {"post": "yes"})
    client.post(LIST, chosen("key/00003"))
    told = LogEntry.objects.order_by("object_id").values_list("object_id", flat=True)
    assert list(told) == ["key/00001", "key/00003"]


def test_not_all_pages_are_deleted_at_once(client: Client, deleted: list[str]) -> None:
    answer = client.post(LIST, chosen("key/00001", across="1"), follow=True)
    assert deleted == []
    assert "one page at a time" in answer.content.decode()


@pytest.fixture
def viewer() -> Client:
    """Somebody who may log in and look at entries, and no more."""
    user = User.objects.create_user("viewer", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_entryrow"))
    client = Client(headers={"host": "localhost"})
    client.force_login(user)
    return client


def test_who_may_only_look_changes_nothing(viewer: Client, deleted: list[str]) -> None:
    assert viewer.get(LIST).status_code == 200
    viewer.post(LIST, chosen("key/00001"))
    assert deleted == []


def test_the_pages_of_now_want_the_rights_of_their_tables(viewer: Client) -> None:
    # No node runs here: 503 is what who may see the page gets.
    assert viewer.get("/admin/now/aside/").status_code == 503
    for path in ("members/", "members/forget/?node_id=x", "aside/drop/?key=k", "refused/"):
        assert viewer.get(f"/admin/now/{path}").status_code == 403
    assert viewer.post("/admin/now/members/forget/", {"node_id": "x"}).status_code == 403
    assert viewer.post("/admin/now/aside/drop/", {"key": "k"}).status_code == 403
    index = viewer.get("/admin/").content.decode()
    assert "Versions of the future" in index
    assert "Refused input" not in index


def test_a_guess_from_within_a_session_counts(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin.site, "failed_logins", FailedLogins())
    guess = {"username": "root", "password": "wrong"}
    statuses = [client.post("/admin/login/", guess).status_code for _ in range(ATTEMPTS + 1)]
    assert statuses == [200] * ATTEMPTS + [429]


def test_blanks_belong_to_a_key() -> None:
    form = EntryForm({"key": " k ", "value": "1"})
    assert form.is_valid()
    assert form.cleaned_data["key"] == " k "


def test_a_value_that_would_become_too_long_is_not_indented() -> None:
    deep = "[" * 30 + ",".join("1" * 30_000) + "]" * 30
    assert EntryForm(instance=EntryRow(key="k", value=deep)).initial["value"] == deep
    assert "\n" in EntryForm(instance=EntryRow(key="k", value="[1]")).initial["value"]
