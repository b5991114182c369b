"""Replies with more than words over HTTP: each network's own limits, all told at once, and files of others are not there."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.platforms.port import Channel
from server.tenants.rules import Role
from server.tenants.uow import begin_read
from tests.api import Api
from tests.factories import channels
from tests.factories.inbox import a_conversation
from tests.factories.tenants import AnOrganization, APerson, a_person, an_agency
from tests.schema.asking import change, codes, send

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 100
PDF = b"%PDF-1.7 " + b"0" * 100
REPLY = "message { id text attachments { kind title url copy { path } } }"
QUICK = {"quickReplies": [{"title": "Yes", "payload": "YES"}]}
BUTTON = {"buttons": [{"title": "Open", "url": "https://shop.example.test/"}]}
Desk = tuple[AnOrganization, APerson, dict[str, Any]]


async def a_desk(database: Database, settings: Settings, channel: Channel) -> Desk:
    """A clerk before a conversation of one network; and the input of a reply to it."""
    agency = await an_agency(database)
    unit_id = agency.units["client 1"]
    clerk = await a_person(database, settings, agency, unit_id, Role.OPERATOR)
    page = await channels.a_page(database, agency, unit_id, channel=channel)
    row = await a_conversation(database, agency, page, "Hello?")
    seen = encode("msg", row.last_message_id or new_id())
    return agency, clerk, {"conversationId": encode("cnv", row.id), "lastMessageSeenId": seen}


async def a_file(api: Api, unit_id: object, person: APerson, body: bytes = PNG, media: str = "image/png") -> str:
    """Upload one file; return its id."""
    answer = await api.http.post(
        f"{api.url}/files",
        params={"unit": encode("unit", unit_id), "name": "cake"},  # type: ignore[arg-type]  # a unit's id
        content=body,
        headers={"content-type": media, "authorization": f"Bearer {person.token}"},
    )
    assert answer.status_code == 201, answer.text
    name: str = answer.json()["id"]
    return name


def refusals(payload: dict[str, Any]) -> list[tuple[str, str]]:
    """Code and first step of the path of each refusal."""
    return sorted((one["code"], (one["path"] or [""])[0]) for one in payload["userErrors"])


async def queued(database: Database, agency: AnOrganization) -> int:
    """Count the sends."""
    async with begin_read(database, agency.scope) as uow:
        return int((await uow.session.execute(text("SELECT count(*) FROM send_intent"))).scalar_one())


TAKEN: dict[Channel, dict[str, list[tuple[str, str]]]] = {
    Channel.MESSENGER: {"picture": [], "pdf": [], "both": [("SEND_TEXT_REFUSED", "text")], "quick": [], "button": []},
    Channel.INSTAGRAM: {"picture": [], "pdf": [], "both": [("SEND_TEXT_REFUSED", "text")], "quick": [], "button": []},
    Channel.X: {
        "picture": [],
        "pdf": [("SEND_MEDIA_REFUSED", "mediaIds")],
        "both": [],
        "quick": [("SEND_NOT_OFFERED", "quickReplies")],
        "button": [("SEND_NOT_OFFERED", "buttons")],
    },
    Channel.TIKTOK: {
        "picture": [],
        "pdf": [("SEND_MEDIA_REFUSED", "mediaIds")],
        "both": [("SEND_TEXT_REFUSED", "text")],
        "quick": [("SEND_NOT_OFFERED", "quickReplies")],
        "button": [],
    },
}


@pytest.mark.parametrize("channel", TAKEN, ids=str)
async def test_each_network_takes_the_parts_that_it_has_and_refuses_the_others(
    api: Api, database: Database, settings: Settings, channel: Channel
) -> None:
    for part, expected in TAKEN[channel].items():
        agency, clerk, reply = await a_desk(database, settings, channel)
        unit_id = agency.units["client 1"]
        picture = await a_file(api, unit_id, clerk)
        pdf = await a_file(api, unit_id, clerk, PDF, "application/pdf")
        more: dict[str, dict[str, Any]] = {
            "picture": {"mediaIds": [picture]},
            "pdf": {"mediaIds": [pdf]},
            "both": {"mediaIds": [picture], "text": "Like this."},
            "quick": {"text": "Yes?", **QUICK},
            "button": {"text": "Look.", **BUTTON},
        }

        told = await change(api, "conversationReply", REPLY, reply | more[part], token=clerk.token)

        assert refusals(told) == expected, part
        assert await queued(database, agency) == (0 if expected else 1)


async def test_a_picture_that_was_sent_shows_a_link_of_ours_and_the_same_wish_sends_it_once(
    api: Api, database: Database, settings: Settings
) -> None:
    agency, clerk, reply = await a_desk(database, settings, Channel.MESSENGER)
    wanted = reply | {"mediaIds": [await a_file(api, agency.units["client 1"], clerk)]}

    first = await change(api, "conversationReply", REPLY, wanted, token=clerk.token, key="k")
    again = await change(api, "conversationReply", REPLY, wanted, token=clerk.token, key="k")
    other = await send(api, "conversationReply", REPLY, wanted | QUICK, token=clerk.token, key="k")
    keyless = await send(api, "conversationReply", REPLY, wanted, token=clerk.token, key=None)

    (attachment,) = first["message"]["attachments"]
    shown = await api.http.get(attachment["url"].replace(settings.web.public_url.rstrip("/"), api.url))
    assert (attachment["kind"], shown.content) == ("image", PNG)
    assert first["message"]["id"] == again["message"]["id"]
    assert (other.codes, keyless.codes) == (["IDEMPOTENCY_KEY_REUSED"], ["IDEMPOTENCY_REQUIRED"])
    assert await queued(database, agency) == 1


async def test_everything_that_a_network_refuses_is_told_in_one_answer(
    api: Api, database: Database, settings: Settings
) -> None:
    agency, clerk, reply = await a_desk(database, settings, Channel.TIKTOK)
    button = {"title": "x" * 41, "url": "http://plain.example.test/"}
    wanted = reply | {"text": "y" * 41, "buttons": [button] * 4} | QUICK

    told = await change(api, "conversationReply", REPLY, wanted, token=clerk.token)

    assert set(refusals(told)) == {
        ("INBOX_TEXT_TOO_LONG", "text"),
        ("SEND_NOT_OFFERED", "quickReplies"),
        ("SEND_NOT_OFFERED", "buttons"),
        ("SEND_TOO_MANY_CHOICES", "buttons"),
        ("SEND_CHOICE_REFUSED", "buttons"),
        ("SEND_BUTTON_REFUSED", "buttons"),
    }
    assert await queued(database, agency) == 0


async def test_bytes_are_counted_where_the_network_counts_bytes(
    api: Api, database: Database, settings: Settings
) -> None:
    _, clerk, reply = await a_desk(database, settings, Channel.INSTAGRAM)

    told = [
        codes(await change(api, "conversationReply", REPLY, reply | {"text": words}, token=clerk.token))
        for words in ("ä" * 501, "ä" * 500)
    ]

    assert told == [["INBOX_TEXT_TOO_LONG"], []]


async def test_a_file_or_a_quoted_message_of_somebody_else_is_as_good_as_none(
    api: Api, database: Database, settings: Settings
) -> None:
    # Given: files and messages of the sibling unit and of another organization, and one message of another conversation here.
    agency, clerk, reply = await a_desk(database, settings, Channel.MESSENGER)
    other, stranger, theirs = await a_desk(database, settings, Channel.MESSENGER)
    beside = agency.units["client 2"]
    sibling = await a_person(database, settings, agency, beside, Role.OPERATOR, "sibling")
    files = [await a_file(api, beside, sibling), await a_file(api, other.units["client 1"], stranger)]

    # When they are named. Then: the answer is the one for ids that were never given, and for garbage.
    told = [
        await change(api, "conversationReply", REPLY, reply | {"mediaIds": [one]}, token=clerk.token)
        for one in (*files, encode("file", new_id()), "file_nonsense", theirs["conversationId"])
    ]
    assert all(one == told[0] for one in told)
    assert (codes(told[0]), told[0]["userErrors"][0]["path"]) == (["NOT_FOUND"], ["mediaIds", "0"])
    quoted = [
        await change(
            api, "conversationReply", REPLY, reply | {"text": "Hi", "replyToMessageId": one}, token=clerk.token
        )
        for one in (theirs["lastMessageSeenId"], encode("msg", new_id()), "msg_nonsense")
    ]
    assert all(one == quoted[0] for one in quoted)
    assert (codes(quoted[0]), quoted[0]["userErrors"][0]["path"]) == (["NOT_FOUND"], ["replyToMessageId"])
    assert await queued(database, agency) == 0
