"""What the public writes below a page's posts, as a stranger sees it: read, answered in public or once in private, gone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from server.audit.actions import Action
from server.channels.models import EventState, PlatformEventRow
from server.channels.service import PageRef
from server.comments import service as comments
from server.config import Settings
from server.kit.db import Database
from server.kit.ids import new_id
from server.platforms.port import Channel, CommentChanged
from server.tenants.rules import Role
from server.tenants.uow import begin
from tests.api import Api
from tests.factories.channels import a_page
from tests.factories.sends import a_shop
from tests.factories.tenants import a_franchise, a_person
from tests.schema.asking import codes, send
from tests.standin_server import Platform
from tests.workshop import Workshop

LIST = """query($filter: PublicCommentFilter) { publicComments(filter: $filter) { nodes { id kind visibility text personName
  isOwn handledAt privateReplyUntil contact { id } page { name } replies { isPrivate state text } } } }"""
REPLY = "comment { id replies { isPrivate state text } } userErrors { code path }"


async def _only(api: Api, token: str, **filter: object) -> dict:
    [node] = (await api.ask(LIST, {"filter": filter}, token=token)).data["publicComments"]["nodes"]
    return node


async def test_a_comment_is_read_and_answered_below_it_and_once_in_private(
    database: Database, settings: Settings, api: Api, platform: Platform, workshop: Workshop
) -> None:
    shop = await a_shop(database, platform, f"{api.url}/webhooks/messenger")
    page, psid = shop.page.external_id, "700000000000002"
    person = await a_person(database, settings, shop.organization, shop.page.unit_id, Role.OPERATOR)
    await platform.control("customers", [{"page": page, "psid": psid, "first_name": "Grace"}])
    await platform.control(f"customers/{page}/{psid}/comment", {"message": "How much is shipping?"})
    await workshop.settle(shop.organization.id, platform)
    told = await _only(api, person.token, isHandled=False)

    below = await send(
        api, "publicCommentReply", REPLY, {"commentId": told["id"], "text": "Free!"}, token=person.token, key="k1"
    )
    wish = {"commentId": told["id"], "text": "Write to us here.", "isPrivate": True}
    private = await send(api, "publicCommentReply", REPLY, wish, token=person.token, key="k2")
    again = await send(api, "publicCommentReply", REPLY, wish, token=person.token, key="k3")
    await workshop.settle(shop.organization.id, platform)

    assert (told["kind"], told["visibility"], told["text"]) == ("COMMENT", "VISIBLE", "How much is shipping?")
    assert told["privateReplyUntil"] is not None
    assert codes(below.data["publicCommentReply"]) == codes(private.data["publicCommentReply"]) == []
    assert codes(again.data["publicCommentReply"]) == ["COMMENT_PRIVATE_REPLY_USED"]
    shown = await _only(api, person.token, kind="COMMENT", isHandled=True)
    assert [(one["isPrivate"], one["state"], one["text"]) for one in shown["replies"]] == [
        (False, "SENT", "Free!"),
        (True, "SENT", "Write to us here."),
    ]
    accepted = {entry["text"] for entry in await platform.ledger(page)}
    assert {"Free!", "Write to us here."} <= accepted
    assert await workshop.dead_jobs(shop.organization.id) == []


async def test_taking_a_comment_off_the_list_and_putting_it_back_stand_in_the_trail_once_each(
    database: Database, settings: Settings, api: Api
) -> None:
    franchise = await a_franchise(database, locations=1)
    unit_id = franchise.units["location 1"]
    page = await a_page(database, franchise, unit_id)
    person = await a_person(database, settings, franchise, unit_id, Role.OPERATOR)
    async with begin(database, franchise.scope) as uow:
        await comments.apply_comment(uow, page, None, await _comment(uow, "c9", "add", "Hello"))
    told = await _only(api, person.token, isHandled=False)

    for is_handled in (True, True, False):
        wish = {"commentId": told["id"], "isHandled": is_handled}
        await send(api, "publicCommentSetHandled", "comment { id }", wish, token=person.token, key=None)

    async with begin(database, franchise.scope) as uow:
        found = await uow.session.execute(
            text("SELECT details ->> 'handled' FROM audit_event WHERE action = :action ORDER BY seq"),
            {"action": Action.COMMENT_HANDLE.value},
        )
        assert list(found.scalars()) == ["true", "false"]


async def test_who_may_only_read_sets_nothing_and_another_location_sees_nothing(
    database: Database, settings: Settings, api: Api
) -> None:
    franchise = await a_franchise(database, locations=2)
    page = await a_page(database, franchise, franchise.units["location 1"])
    reader = await a_person(database, settings, franchise, franchise.units["location 1"], Role.ANALYST)
    stranger = await a_person(database, settings, franchise, franchise.units["location 2"], Role.OPERATOR)
    async with begin(database, franchise.scope) as uow:
        await comments.apply_comment(uow, page, None, await _comment(uow, "c1", "add", "Hello"))

    seen = await api.ask(LIST, {"filter": None}, token=stranger.token)

    assert seen.data["publicComments"]["nodes"] == []
    owner = await a_person(database, settings, franchise, franchise.root_id, Role.OWNER)
    told = await _only(api, owner.token)
    wish = {"commentId": told["id"], "isHandled": True}
    for person, code in ((stranger, "NOT_FOUND"), (reader, None)):
        answer = await send(
            api, "publicCommentSetHandled", "comment { id } userErrors { code }", wish, token=person.token, key=None
        )
        if code is None:
            assert answer.body.get("errors") or codes(answer.data["publicCommentSetHandled"])
        else:
            assert codes(answer.data["publicCommentSetHandled"]) == [code]


async def _comment(uow: object, comment_id: str, verb: str, words: str | None, **more: object) -> CommentChanged:
    now = await uow.now()  # type: ignore[attr-defined]
    return CommentChanged(comment_id, "post_1", None, verb, None, "Grace", False, words, now, **more)  # type: ignore[arg-type]


async def test_a_reply_that_the_network_does_not_offer_is_refused_with_what_to_do_instead(
    database: Database, settings: Settings, api: Api
) -> None:
    franchise = await a_franchise(database, locations=1)
    unit_id = franchise.units["location 1"]
    page = await a_page(
        database, franchise, unit_id, channel=Channel.LINKEDIN, external_id=f"urn:li:organization:{new_id().int}"
    )
    person = await a_person(database, settings, franchise, unit_id, Role.OPERATOR)
    async with begin(database, franchise.scope) as uow:
        await comments.apply_comment(uow, page, None, await _comment(uow, "urn:li:comment:(activity:1,2)", "add", "Hi"))
    told = await _only(api, person.token)

    refusals = {
        name: await send(
            api, "publicCommentReply", REPLY, {"commentId": told["id"], **wish}, token=person.token, key=name
        )
        for name, wish in {
            "private": {"text": "Hi", "isPrivate": True},
            "empty": {"text": "  "},
            "long": {"text": "x" * 1_251},
        }.items()
    }

    assert {name: codes(one.data["publicCommentReply"]) for name, one in refusals.items()} == {
        "private": ["COMMENT_REPLY_NOT_OFFERED"],
        "empty": ["COMMENT_REPLY_EMPTY"],
        "long": ["COMMENT_REPLY_TOO_LONG"],
    }
    assert told["privateReplyUntil"] is None


async def test_what_was_removed_on_the_network_has_no_words_here_and_gets_no_answer(
    database: Database, settings: Settings, api: Api
) -> None:
    franchise = await a_franchise(database, locations=1)
    unit_id = franchise.units["location 1"]
    page = await a_page(database, franchise, unit_id)
    person = await a_person(database, settings, franchise, unit_id, Role.OPERATOR)
    async with begin(database, franchise.scope) as uow:
        for verb, words in (("remove", None), ("add", "secret")):
            await comments.apply_comment(uow, page, None, await _comment(uow, "c2", verb, words))

    told = await _only(api, person.token)
    answer = await send(
        api, "publicCommentReply", REPLY, {"commentId": told["id"], "text": "Hi"}, token=person.token, key="k"
    )

    assert (told["visibility"], told["text"]) == ("REMOVED", None)
    assert codes(answer.data["publicCommentReply"]) == ["COMMENT_GONE"]


@pytest.mark.parametrize(
    ("channel", "age", "words", "name"),
    [
        (Channel.LINKEDIN, timedelta(hours=22), "Words of somebody", "Grace"),
        (Channel.LINKEDIN, timedelta(hours=24), "Words of somebody", None),
        (Channel.LINKEDIN, timedelta(hours=48), None, None),
        (Channel.MESSENGER, timedelta(days=900), "Words of somebody", "Grace"),
    ],
)
async def test_strangers_names_and_words_are_forgotten_where_the_networks_terms_say_so(
    database: Database, workshop: Workshop, channel: Channel, age: timedelta, words: str | None, name: str | None
) -> None:
    franchise = await a_franchise(database, locations=1)
    page: PageRef = await a_page(
        database,
        franchise,
        franchise.units["location 1"],
        channel=channel,
        external_id=f"urn:li:organization:{new_id().int}",
    )
    async with begin(database, franchise.scope) as uow:
        await comments.apply_comment(uow, page, None, await _comment(uow, "c3", "add", "Words of somebody"))
        await uow.session.execute(
            text(
                "UPDATE public_comment SET text_until = text_until - :age, name_until = name_until - :age"
                " WHERE organization_id = :o"
            ),
            {"o": franchise.id, "age": age},
        )

    await workshop.work(franchise.id, within=timedelta(days=3))

    async with begin(database, franchise.scope) as uow:
        row = (await uow.session.execute(text("SELECT text, person_name FROM public_comment"))).one()
    assert (row.text, row.person_name) == (words, name)


async def test_the_raw_notification_of_a_strangers_comment_is_emptied_in_the_hour_before_the_name_must_be_gone(
    database: Database, workshop: Workshop
) -> None:
    franchise = await a_franchise(database, locations=1)
    where = franchise.units["location 1"]
    urn = f"urn:li:organization:{new_id().int}"
    page: PageRef = await a_page(database, franchise, where, channel=Channel.LINKEDIN, external_id=urn)
    async with begin(database, franchise.scope) as uow:
        await comments.apply_comment(uow, page, None, await _comment(uow, "c4", "add", "Words of somebody"))
        now = await uow.now()
        for age in (22, 24):
            values = {"page_id": page.id, "channel": page.channel, "kind": "comment", "mailbox": "", "occurred_at": now}
            uow.session.add(
                PlatformEventRow(
                    **values,
                    organization_id=franchise.id,
                    id=new_id(),
                    external_id=f"of {age} hours ago",
                    payload={"from": "Grace"},
                    state=EventState.HANDLED,
                    created_at=now - timedelta(hours=age),
                )
            )

    await workshop.work(franchise.id, within=timedelta(days=3))

    async with begin(database, franchise.scope) as uow:
        found = await uow.session.execute(text("SELECT external_id, payload FROM platform_event ORDER BY 1"))
        assert [tuple(row) for row in found] == [("of 22 hours ago", {"from": "Grace"}), ("of 24 hours ago", {})]
