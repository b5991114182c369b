"""Webhook bodies that others published, read as their index says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from server.platforms.port import Attachment, CommentChanged, MessageReceived
from tests.platforms.instagram.items import read

Published = Callable[[str], bytes]


def test_a_text_message_is_read(published: Published) -> None:
    [(raw, event)] = read(published("instagram-message-text"))

    at = datetime.fromtimestamp(1569262485349 / 1000, UTC)
    assert (raw.kind, raw.page_external_id, raw.external_id) == ("message", "17841400008460056", "m_ABCDEFG123456")
    assert raw.mailbox == "1234567890"
    assert event == MessageReceived(
        "1234567890", "m_ABCDEFG123456", "Hello, I need help with my order", (), at.replace(microsecond=349_000)
    )


def test_a_story_reply_is_read_with_its_times_as_iso_strings_and_its_account_as_the_recipient(
    published: Published,
) -> None:
    [(raw, event)] = read(published("instagram-story-reply"))

    at = datetime(2021, 9, 8, 6, 34, 4, tzinfo=UTC)
    story = Attachment("story_reply", "https://chatwoot-assets.local/sample.png", may_be_stored=False)
    assert (raw.page_external_id, raw.mailbox, raw.external_id) == (
        "chatwoot-app-user-id-1",
        "Sender-id-1",
        "message-id-1",
    )
    assert raw.occurred_at == at
    assert event == MessageReceived("Sender-id-1", "message-id-1", "This is the story reply", (story,), at)


def test_a_comment_is_read_that_answers_another_one(published: Published) -> None:
    [(raw, event)] = read(published("instagram-comment"))

    assert (raw.kind, raw.page_external_id, raw.mailbox) == ("comment", "0", "comment:123456789")
    assert event == CommentChanged(
        comment_id="123456789",
        post_id="76543987",
        parent_id="987654321",
        verb="add",
        person="1234536447",
        person_name="testuser",
        is_own=False,
        text="This is an example.",
        occurred_at=datetime.fromtimestamp(1519399307, UTC),
    )
