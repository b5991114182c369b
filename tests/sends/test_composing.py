"""What one message may carry: every limit is the channel's, and what breaks one is named with it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from server.kit.ids import new_id
from server.platforms.capabilities import catalogue
from server.platforms.capabilities.capability import Capability
from server.platforms.port import Button, Channel, QuickReply
from server.sends.composing import Extras, Piece, problems, text_limit

NOW = datetime(2026, 11, 22, tzinfo=UTC)
MB = 1_000_000


def of(channel: Channel) -> Capability:
    """Return what a channel allows."""
    return catalogue.at(channel, NOW)


def pieces(*files: tuple[str, int]) -> tuple[Piece, ...]:
    """Make files of these types and sizes."""
    return tuple(Piece(new_id(), "file", mime_type, size) for mime_type, size in files)


def codes(channel: Channel, extras: Extras, text: str = "") -> list[tuple[str, tuple[str, ...]]]:
    """Return what is refused, and where."""
    return [(one.code.removeprefix("send."), tuple(one.path)) for one in problems(of(channel), text, extras)]


REPLY = QuickReply("Yes", "YES")
LINK = Button("Open", url="https://bakery.example/")
ANSWER = Button("Yes", "YES")


@pytest.mark.parametrize(
    ("channel", "extras", "text", "refused"),
    [
        (Channel.MESSENGER, Extras(pieces(("image/png", MB))), "", []),
        (Channel.MESSENGER, Extras(pieces(("image/png", 26 * MB))), "", [("media_too_large", ("mediaIds", "0"))]),
        (Channel.MESSENGER, Extras(pieces(("image/webp", MB))), "", [("media_refused", ("mediaIds", "0"))]),
        (Channel.MESSENGER, Extras(pieces(("image/png", MB))), "Look", [("text_refused", ("text",))]),
        (Channel.X, Extras(pieces(("image/png", MB))), "Look", []),
        (Channel.X, Extras(pieces(("image/gif", 15 * MB))), "Look", []),
        (Channel.X, Extras(pieces(("image/gif", 16 * MB))), "", [("media_too_large", ("mediaIds", "0"))]),
        (Channel.X, Extras(pieces(("image/png", 6 * MB))), "", [("media_too_large", ("mediaIds", "0"))]),
        (Channel.X, Extras(pieces(("image/gif", 1), ("image/png", 1))), "", [("too_much_media", ("mediaIds",))]),
        (Channel.MESSENGER, Extras(pieces(*[("image/png", 1)] * 31)), "", [("too_much_media", ("mediaIds",))]),
        (
            Channel.MESSENGER,
            Extras(pieces(("image/png", 1), ("video/mp4", 1))),
            "",
            [("too_much_media", ("mediaIds",))],
        ),
        (Channel.TIKTOK, Extras(pieces(("image/png", 4 * MB))), "", [("media_too_large", ("mediaIds", "0"))]),
        (Channel.TIKTOK, Extras(pieces(("video/mp4", 1))), "", [("media_refused", ("mediaIds", "0"))]),
        (Channel.MESSENGER, Extras(quick_replies=(REPLY,) * 11), "Well?", []),
        (Channel.MESSENGER, Extras(quick_replies=(REPLY,) * 12), "Well?", [("too_many_choices", ("quickReplies",))]),
        (Channel.X, Extras(quick_replies=(REPLY,)), "Well?", [("not_offered", ("quickReplies",))]),
        (
            Channel.MESSENGER,
            Extras(quick_replies=(QuickReply("y" * 21, "Y"),)),
            "Well?",
            [("choice_refused", ("quickReplies", "0", "title"))],
        ),
        (Channel.MESSENGER, Extras(buttons=(LINK, ANSWER)), "Well?", []),
        (Channel.MESSENGER, Extras(buttons=(ANSWER,) * 4), "Well?", [("too_many_choices", ("buttons",))]),
        (Channel.X, Extras(buttons=(ANSWER,)), "Well?", [("not_offered", ("buttons",))]),
        (
            Channel.MESSENGER,
            Extras(buttons=(Button("Open", url="javascript:alert(1)"), Button("Both", "P", "https://a.example"))),
            "Well?",
            [("button_refused", ("buttons", "0")), ("button_refused", ("buttons", "1"))],
        ),
    ],
)
def test_each_limit_of_a_channel_is_kept_and_named(
    channel: Channel, extras: Extras, text: str, refused: list[tuple[str, tuple[str, ...]]]
) -> None:
    assert codes(channel, extras, text) == refused


def test_the_limit_is_told_with_what_broke_it() -> None:
    (found,) = problems(of(Channel.TIKTOK), "", Extras(pieces(("image/png", 4 * MB))))

    assert found.data == {"size": 4 * MB, "limit": 3 * MB}


def test_above_buttons_the_text_is_shorter_where_the_channel_says_so() -> None:
    plain, with_buttons = Extras(), Extras(buttons=(ANSWER,))

    assert [text_limit(of(Channel.MESSENGER), one) for one in (plain, with_buttons)] == [2_000, 640]
