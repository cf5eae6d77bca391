import pytest
from django.http import QueryDict

from gossip.core.entries import Entry
from gossip.dashboard import queries
from gossip.dashboard.queries import ROWS, TEXT, Query
from tests.support.fake_port import NOW, FakePort


def test_a_query_is_parsed_and_made_again() -> None:
    query = queries.parse(QueryDict("prefix=a%2F&after=a%2F1&member=B&status=suspected&page=3"))
    assert query == Query("a/", "a/1", "B", "suspected", 3)
    assert query.link(page=4) == "?prefix=a%2F&after=a%2F1&member=B&status=suspected&page=4"
    assert query.link(after="", status="all", page=1) == "?prefix=a%2F&member=B"
    assert Query().link() == "?"


@pytest.mark.parametrize(
    "given", ["", "status=x&page=0x1", "page=-1", "page=", "page=%C2%B2", "page=12345678", "x=1"]
)
def test_nonsense_counts_as_not_given(given: str) -> None:
    assert queries.parse(QueryDict(given)) == Query()


def test_texts_are_bounded() -> None:
    long = "x" * (TEXT + 1)
    query = queries.parse(QueryDict(f"prefix={long}&after={long}&member={long}"))
    assert {len(query.prefix), len(query.after), len(query.member)} == {TEXT}


async def test_members_by_status_text_and_page(port: FakePort) -> None:
    for number in range(2 * ROWS + 1):
        status = "suspected" if number == 7 else "active"
        port.know(f"0xA{number:03}", status, api_endpoint=f"http://host-{number}.example")
    everybody = await port.members()

    def ids(query: Query) -> list[str]:
        return [row.node_id for row in queries.members(query, everybody, NOW).rows]

    assert ids(Query(status="suspected")) == ids(Query(member="HOST-7.")) == ["0xA007"]
    assert ids(Query(member="0xa00", page=1)) == [f"0xA00{digit}" for digit in range(10)]
    first, last = (queries.members(Query(page=page), everybody, NOW) for page in (1, 99))
    assert (first.first, first.last, first.found, first.pages) == (1, ROWS, 51, 3)
    assert (last.first, last.last) == (51, 51)
    nobody = queries.members(Query(member="?"), everybody, NOW)
    assert (nobody.first, nobody.last, nobody.found) == (0, 0, 0)


async def test_data_by_prefix_and_page(port: FakePort) -> None:
    port.hold(*(Entry(f"k{number:02}", 1, b"1") for number in range(ROWS + 2)))
    port.hold(Entry("k00", 2, None), Entry("a", 1, b"1"))
    first = await queries.data(Query(prefix="k"))
    assert [row.key for row in first.rows] == [f"k{number:02}" for number in range(1, ROWS + 1)]
    assert first.next_after == "k25"
    second = await queries.data(Query(prefix="k", after=first.next_after))
    assert [row.key for row in second.rows] == ["k26"]
    assert second.next_after == ""
