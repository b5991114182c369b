"""Public comments are told about in any order and more than once; what stands afterwards is always the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from server.comments.models import Visibility
from server.comments.rules import (
    FOREVER,
    Kept,
    Standing,
    changed,
    first,
    forgotten_before,
    kept_until,
    private_reply_until,
)
from server.platforms.capabilities import catalogue
from server.platforms.port import Channel

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
VERBS = ("add", "edited", "hide", "unhide", "remove")


def news(text: str | None, minute: int = 0) -> Standing:
    return Standing(text, Visibility.VISIBLE, NOON + timedelta(minutes=minute))


def after(told: list[tuple[str, Standing]]) -> Standing:
    (verb, standing), *rest = told
    stands = first(verb, standing)
    for verb, standing in rest:
        stands = changed(stands, verb, standing)
    return stands


TOLD = st.lists(
    st.tuples(
        st.sampled_from(VERBS),
        st.builds(news, st.none() | st.sampled_from(["a", "b", "c"]), st.integers(0, 3)),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=2_000)
@given(TOLD, st.data())
def test_every_order_and_every_repetition_of_the_news_ends_alike(
    told: list[tuple[str, Standing]], data: st.DataObject
) -> None:
    repeated = told + data.draw(st.lists(st.sampled_from(told), max_size=4))

    assert after(data.draw(st.permutations(repeated))) == after(told)


def test_the_later_wording_stands() -> None:
    assert after([("edited", news("new", 1)), ("add", news("old"))]) == Standing(
        "new", Visibility.VISIBLE, NOON + timedelta(minutes=1), is_edited=True
    )


def test_what_was_removed_has_no_words_and_does_not_come_back() -> None:
    stands = after([("remove", news(None, 1)), ("add", news("secret")), ("edited", news("more", 2))])

    assert (stands.text, stands.visibility) == (None, Visibility.REMOVED)


def test_what_was_hidden_keeps_its_words() -> None:
    stands = after([("hide", news(None, 1)), ("add", news("rude"))])

    assert (stands.text, stands.visibility) == ("rude", Visibility.HIDDEN)


def test_what_was_shown_again_is_visible_until_it_is_hidden_later() -> None:
    hidden, shown = ("hide", news(None, 1)), ("unhide", news(None, 2))

    assert after([shown, ("add", news("rude")), hidden]).visibility is Visibility.VISIBLE
    assert after([shown, ("hide", news(None, 3)), hidden]).visibility is Visibility.HIDDEN
    assert after([("hide", news(None, 2)), shown]).visibility is Visibility.HIDDEN
    assert after([("remove", news(None)), shown]).visibility is Visibility.REMOVED


def test_private_replies_and_strangers_words_have_their_end_from_the_channel() -> None:
    of = {channel: catalogue.at(channel, NOON) for channel in Channel}

    assert private_reply_until(of[Channel.MESSENGER], NOON) == NOON + timedelta(days=7)
    assert private_reply_until(of[Channel.LINKEDIN], NOON) is None
    assert kept_until(of[Channel.LINKEDIN], NOON) == Kept(NOON + timedelta(hours=47), NOON + timedelta(hours=23))
    assert kept_until(of[Channel.LINKEDIN], NOON).first == NOON + timedelta(hours=23)
    assert forgotten_before(of[Channel.LINKEDIN], NOON) == NOON - timedelta(hours=23)
    assert (kept_until(of[Channel.MESSENGER], NOON), forgotten_before(of[Channel.MESSENGER], NOON)) == (FOREVER, None)
