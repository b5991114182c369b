"""Taking back, signals and folders over HTTP: what each network does, who may, and that a foreign id is as good as none."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from sqlalchemy import text

from server.config import Settings
from server.inbox import service as inbox
from server.inbox.models import ConversationRow, MessageRow
from server.inbox.service import media
from server.inbox.service.media import Copied
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.platforms.port import Attachment, Channel, MessageEchoed
from server.tenants.rules import Role
from server.tenants.uow import begin, begin_read
from tests.api import Api
from tests.factories import channels
from tests.factories.inbox import a_conversation, messages_of
from tests.factories.tenants import AnOrganization, APerson, a_person, an_agency
from tests.schema.asking import change, codes, details, send

UNSEND = "effect message { id unsend unsendDetail isUnsent text }"
TALK = "conversation { id folder revision }"


@dataclass(frozen=True, slots=True)
class ADesk:
    """A clerk with a conversation in which the page has said something by hand, with a picture."""

    organization: AnOrganization
    clerk: APerson
    conversation: ConversationRow
    asked: MessageRow
    said: MessageRow

    @property
    def talk(self) -> dict[str, str]:
        """Name the conversation in an input."""
        return {"conversationId": encode("cnv", self.conversation.id)}

    @property
    def message(self) -> dict[str, str]:
        """Name the page's message in an input."""
        return {"messageId": encode("msg", self.said.id)}


async def a_desk(database: Database, settings: Settings, channel: Channel = Channel.X) -> ADesk:
    """Make a desk of one network."""
    agency = await an_agency(database)
    unit_id = agency.units["client 1"]
    clerk = await a_person(database, settings, agency, unit_id, Role.OPERATOR)
    page = await channels.a_page(database, agency, unit_id, channel=channel)
    row = await a_conversation(database, agency, page, "Hello?")
    async with begin(database, agency.scope) as uow:
        picture = Attachment("image", "https://platform.example.test/picture", None)
        echo = MessageEchoed("person", f"m_{new_id().hex}", "By hand", (picture,), await uow.now())
        await inbox.record_echo(uow, page, row.contact_id, echo, None)
    asked, said = await messages_of(database, agency, row.id)
    return ADesk(agency, clerk, row, asked, said)


async def others(database: Database, settings: Settings, desk: ADesk) -> dict[str, APerson]:
    """People who may do nearly everything, elsewhere; and somebody who may only read here."""
    agency, foreign = desk.organization, await an_agency(database)
    here, beside = agency.units["client 1"], agency.units["client 2"]
    return {
        "sibling": await a_person(database, settings, agency, beside, Role.MANAGER, "sibling"),
        "stranger": await a_person(database, settings, foreign, foreign.root_id, Role.OWNER),
        "reader": await a_person(database, settings, agency, here, Role.ANALYST, "reader"),
    }


async def acts(database: Database, desk: ADesk, action: str) -> int:
    """Count the events of an action."""
    async with begin_read(database, desk.organization.scope) as uow:
        statement = text("SELECT count(*) FROM audit_event WHERE action = :action")
        return int((await uow.session.execute(statement, {"action": action})).scalar_one())


async def jobs(database: Database, desk: ADesk, kind: str) -> int:
    """Count what is owed of a kind."""
    async with begin_read(database, desk.organization.scope) as uow:
        statement = text("SELECT count(*) FROM job WHERE kind = :kind")
        return int((await uow.session.execute(statement, {"kind": kind})).scalar_one())


async def test_a_message_is_taken_back_once_for_any_number_of_calls(
    api: Api, database: Database, settings: Settings
) -> None:
    desk = await a_desk(database, settings)

    first = await change(api, "messageUnsend", UNSEND, desk.message, token=desk.clerk.token, key="k")
    again = await change(api, "messageUnsend", UNSEND, desk.message, token=desk.clerk.token, key="k")
    another = await change(api, "messageUnsend", UNSEND, desk.message, token=desk.clerk.token)
    differs = await send(
        api, "messageUnsend", UNSEND, desk.message | {"eraseHere": False}, token=desk.clerk.token, key="k"
    )

    assert codes(first) == []
    assert first["effect"] == "DELETE_FOR_ME"
    assert (first["message"]["unsend"], first["message"]["isUnsent"], first["message"]["text"]) == (
        "REQUESTED",
        False,
        "By hand",
    )
    assert again == first == another
    assert differs.codes == ["IDEMPOTENCY_KEY_REUSED"]
    assert (await acts(database, desk, "inbox:message:unsend"), await jobs(database, desk, "inbox.unsend_message")) == (
        1,
        1,
    )


@pytest.mark.parametrize("channel", [Channel.MESSENGER, Channel.INSTAGRAM, Channel.TIKTOK])
async def test_where_a_network_takes_nothing_back_the_answer_says_so(
    api: Api, database: Database, settings: Settings, channel: Channel
) -> None:
    desk = await a_desk(database, settings, channel)

    refused = await change(api, "messageUnsend", UNSEND, desk.message, token=desk.clerk.token)

    assert codes(refused) == ["INBOX_UNSEND_NOT_SUPPORTED"]
    assert details(refused["userErrors"][0]) == {"effect": ["NOT_SUPPORTED"]}
    assert await jobs(database, desk, "inbox.unsend_message") == 0


async def test_what_a_person_wrote_is_not_the_pages_to_take_back(
    api: Api, database: Database, settings: Settings
) -> None:
    desk = await a_desk(database, settings)
    theirs = {"messageId": encode("msg", desk.asked.id)}

    refused = await change(api, "messageUnsend", UNSEND, theirs, token=desk.clerk.token)

    assert (codes(refused), refused["userErrors"][0]["path"]) == (["INVALID_INPUT"], ["messageId"])


async def test_our_copies_go_with_what_the_page_took_back(api: Api, database: Database, settings: Settings) -> None:
    desk = await a_desk(database, settings)
    async with begin(database, desk.organization.scope) as uow:
        await media.store_copies(uow, desk.said.id, [Copied(0, b"a picture", "image/png")])
    async with begin_read(database, desk.clerk.scope) as uow:
        (copy,) = (await media.copies_of(uow, [desk.said.id]))[desk.said.id]
    address = f"{api.url}/attachments/{encode('med', copy.id)}"
    bearer = {"authorization": f"Bearer {desk.clerk.token}"}
    assert (await api.http.get(address, headers=bearer)).content == b"a picture"

    await change(api, "messageUnsend", UNSEND, desk.message, token=desk.clerk.token)
    async with begin(database, desk.organization.scope) as uow:
        await inbox.end_unsending(uow, desk.said.id, failure=None, erases=True)

    assert (await api.http.get(address, headers=bearer)).status_code == 404


CALLS = {
    "messageUnsend": (UNSEND, "messageId", "msg", {}),
    "conversationSignal": ("conversation { id }", "conversationId", "cnv", {"signal": "TYPING_ON"}),
    "conversationFolderChange": (TALK, "conversationId", "cnv", {"folder": "SPAM"}),
}


@pytest.mark.parametrize("field", CALLS)
async def test_a_foreign_id_is_answered_as_a_random_one_and_who_only_reads_is_refused(
    api: Api, database: Database, settings: Settings, field: str
) -> None:
    desk = await a_desk(database, settings)
    selection, name, prefix, more = CALLS[field]
    real = {**desk.talk, **desk.message}[name]
    people = await others(database, settings, desk)

    for person in ("sibling", "stranger"):
        told = [
            await change(api, field, selection, {name: one, **more}, token=people[person].token)
            for one in (real, encode(prefix, new_id()), f"{prefix}_nonsense", encode("page", new_id()))
        ]
        assert all(one == told[0] for one in told)
        assert (codes(told[0]), told[0]["userErrors"][0]["path"]) == (["NOT_FOUND"], [name])
    refused = await change(api, field, selection, {name: real, **more}, token=people["reader"].token)
    nobody = await send(api, field, selection, {name: real, **more}, token=None, key=new_id().hex)

    assert codes(refused) == ["PERMISSION_DENIED"]
    assert nobody.codes == ["UNAUTHENTICATED"]
    owed = [await jobs(database, desk, one) for one in ("inbox.unsend_message", "inbox.show_signal")]
    assert owed == [0, 0]


async def test_each_signal_is_owed_once_where_the_network_has_it_and_refused_where_not(
    api: Api, database: Database, settings: Settings
) -> None:
    offered = await a_desk(database, settings, Channel.TIKTOK)
    refused = await a_desk(database, settings, Channel.X)

    for signal in ("TYPING_ON", "MARK_READ", "TYPING_ON"):
        shown = await change(
            api,
            "conversationSignal",
            "conversation { id }",
            offered.talk | {"signal": signal},
            token=offered.clerk.token,
        )
        assert (codes(shown), shown["conversation"]["id"]) == ([], offered.talk["conversationId"])
        told = await change(
            api,
            "conversationSignal",
            "conversation { id }",
            refused.talk | {"signal": signal},
            token=refused.clerk.token,
        )
        assert (codes(told), told["userErrors"][0]["path"]) == (["SEND_NOT_OFFERED"], ["signal"])

    assert await jobs(database, offered, "inbox.show_signal") == 2
    assert await acts(database, offered, "inbox:conversation:signal") == 3
    assert await jobs(database, refused, "inbox.show_signal") == 0


async def test_a_folder_is_changed_once_and_the_trail_knows_it(
    api: Api, database: Database, settings: Settings
) -> None:
    desk = await a_desk(database, settings)
    wanted = desk.talk | {"folder": "SPAM"}

    first = await change(api, "conversationFolderChange", TALK, wanted, token=desk.clerk.token, key="k")
    again = await change(api, "conversationFolderChange", TALK, wanted, token=desk.clerk.token, key="k")
    same = await change(api, "conversationFolderChange", TALK, wanted, token=desk.clerk.token)

    assert first["conversation"]["folder"] == "SPAM"
    assert again == first
    assert same["conversation"]["revision"] == first["conversation"]["revision"]
    assert await acts(database, desk, "inbox:conversation:change_folder") == 1
