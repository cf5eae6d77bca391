"""What is kept where U+0000 is refused. The databases themselves are in `tests/stores`."""

from hypothesis import given
from hypothesis import strategies as st

from gossip.columns import escaped, unescaped

texts = st.text(st.sampled_from("\x00\x01\x02\x03aä😀"), max_size=12) | st.text()


@given(texts)
def test_every_text_comes_back_and_is_kept_without_nul(text: str) -> None:
    assert "\x00" not in escaped(text)
    assert unescaped(escaped(text)) == text


@given(texts, texts)
def test_the_order_of_two_texts_is_kept(one: str, other: str) -> None:
    assert (escaped(one) < escaped(other)) == (one < other)


def test_a_text_without_control_characters_is_kept_as_it_is() -> None:
    assert escaped("key \t ä") == "key \t ä"
