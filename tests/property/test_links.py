"""Both ends of several links decide alike which one survives (L2)."""

from hypothesis import given
from hypothesis import strategies as st

from gossip.core.events import Instant, LinkId
from gossip.core.links import Links
from tests.support.core import config

NOW = Instant(1.0, 1)


Pair = tuple[str, str, dict[str, int]]
"""Who dialed, the id of its `join`, and the incarnation that each end said on it."""


def survivor(links: list[Pair], order: list[int], me: str, peer: str) -> int:
    """Which of these links this end keeps."""
    table = Links(config(node_id=me))
    for number, index in enumerate(order):
        dialer, join_id, lives = links[index]
        link = table.open(LinkId(number), "ws://x/ws" if dialer == me else None, False, NOW)
        table.identify(link, peer)
        link.joined = link.extended = link.introduced = True
        link.incarnation, link.own_incarnation, link.join_id = lives[peer], lives[me], join_id
    chosen = table.settle_duplicates(peer, me)
    assert chosen is not None
    return order[chosen.id]


@given(
    st.data(),
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b"]),
            st.text(max_size=3),
            st.fixed_dictionaries({"a": st.integers(1, 3), "b": st.integers(1, 3)}),
        ),
        min_size=2,
        max_size=5,
        unique_by=lambda link: link[1],
    ),
)
def test_l2_both_ends_keep_the_same_link(data: st.DataObject, links: list[Pair]) -> None:
    orders = st.permutations(range(len(links)))
    ours = survivor(links, data.draw(orders), "a", "b")
    theirs = survivor(links, data.draw(orders), "b", "a")
    assert ours == theirs
    lives = [sum(link[2].values()) for link in links]
    latest = [link for link, sums in zip(links, lives, strict=True) if sums == max(lives)]
    assert links[ours] in latest
    if any(dialer == "a" for dialer, *_ in latest):
        assert links[ours][0] == "a"
