"""Webhook bodies that others published, read as their index says."""

from __future__ import annotations

from collections.abc import Callable

from server.platforms.port import MessageEchoed, MessageReceived
from tests.platforms.items import ms
from tests.platforms.tiktok.factory import ACCOUNT, PERSON, read

Published = Callable[[str], bytes]
MID = "u5Buqc6lAghuOelnHUZV88DK2A=="
THREAD = "u5JhpselBAhoPOlnH0tZ9y07kg=="


def test_a_text_is_read_with_its_conversation(published: Published) -> None:
    [(raw, event)] = read(published("tiktok-receive-text"))

    assert (raw.kind, raw.page_external_id, raw.external_id, raw.mailbox) == ("message", ACCOUNT, MID, PERSON)
    assert raw.occurred_at == ms(1789814497488)
    assert event == MessageReceived(PERSON, MID, "hello", (), ms(1789814497488), thread_id=THREAD)


def test_the_contact_of_an_echo_is_whom_it_went_to(published: Published) -> None:
    [(raw, event)] = read(published("tiktok-send-echo-text"))

    assert (raw.kind, raw.page_external_id, raw.external_id, raw.mailbox) == ("echo", ACCOUNT, MID, PERSON)
    assert event == MessageEchoed(PERSON, MID, "reply from the business", (), ms(1789814497488), thread_id=THREAD)
