"""Media: uploaded once for a page, used again, uploaded anew when the platform forgot them, and served by links."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.config import Settings
from server.kit.db import Database
from server.kit.ids import new_id
from server.platforms.port import Channel, FailureReason, MediaKind, NotSent, OutgoingMessage, PlatformCallFailed
from server.sends import media_links
from server.sends import service as sends
from server.sends.composing import Extras, Piece, Placed
from server.sends.media_links import MediaLink
from server.sends.models import SendState
from server.sends.service import ReplySend
from server.tenants import service as tenants
from server.tenants.rules import Permission
from server.tenants.service import NewFile
from server.tenants.uow import begin
from tests.factories.post_office import ACounter, PostOffice, a_counter, people_of
from tests.factories.sends import AShop, the_send
from tests.workshop import Workshop

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 100
PEPPER = "pepper-of-the-test-suite-0123456789"


async def chunks(content: bytes) -> AsyncIterator[bytes]:
    """Yield a file in one piece."""
    yield content


async def a_picture(database: Database, shop: AShop) -> UUID:
    """Store a picture at the page's unit."""
    new = NewFile(shop.page.unit_id, "cake.png", "image/png", timedelta(days=1), Permission.INBOX_READ)
    async with begin(database, shop.organization.scope) as uow:
        return (await tenants.store_file(uow, new, chunks(PNG))).id


async def a_picture_message(database: Database, shop: AShop, person: tuple[UUID, str], file_id: UUID) -> UUID:
    """Queue a message that carries a picture."""
    page = shop.page
    extras = Extras(media=(Piece(file_id, "cake.png", "image/png", len(PNG)),))
    media = (Placed(file_id, "cake.png", MediaKind.IMAGE),)
    reply = ReplySend(page.id, page.unit_id, *person, "", None, f"test:{new_id()}", extras=extras, media=media)
    async with begin(database, shop.organization.scope) as uow:
        return await sends.enqueue_reply(uow, reply)


@pytest.fixture
async def counter(database: Database, settings: Settings, workshop: Workshop) -> ACounter:
    """A Messenger page at a post office."""
    return await a_counter(database, settings, workshop.runtime.lock, Channel.MESSENGER)


def named(office: PostOffice) -> list[str]:
    """Return what the messages called their media."""
    return [one.platform_media_id for message in office.sent for one in message.media]


async def test_a_file_is_uploaded_once_and_sent_often(database: Database, counter: ACounter) -> None:
    people = await people_of(database, counter.shop, 3)
    file_id = await a_picture(database, counter.shop)
    for person in people[:2]:
        await a_picture_message(database, counter.shop, person, file_id)
    await counter.workshop.settle(counter.shop.organization.id)
    await a_picture_message(database, counter.shop, people[2], file_id)

    await counter.workshop.settle(counter.shop.organization.id)

    assert [(one.content, one.mime_type, one.kind) for one in counter.office.uploads] == [
        (PNG, "image/png", MediaKind.IMAGE)
    ]
    assert named(counter.office) == ["media-1"] * 3


async def test_an_expired_name_is_uploaded_again(database: Database, counter: ACounter) -> None:
    people = await people_of(database, counter.shop, 2)
    file_id = await a_picture(database, counter.shop)
    counter.office.media_expire_at = datetime.now(UTC) + timedelta(minutes=1)  # too soon to be used again
    for person in people:
        await a_picture_message(database, counter.shop, person, file_id)
        await counter.workshop.settle(counter.shop.organization.id)

    assert named(counter.office) == ["media-1", "media-2"]


async def test_a_name_that_the_platform_forgot_is_uploaded_anew_once(database: Database, counter: ACounter) -> None:
    people = await people_of(database, counter.shop, 2)
    file_id = await a_picture(database, counter.shop)
    await a_picture_message(database, counter.shop, people[0], file_id)
    await counter.workshop.settle(counter.shop.organization.id)

    def forgets(message: OutgoingMessage) -> NotSent | None:
        is_old = any(one.platform_media_id == "media-1" for one in message.media)
        return NotSent(FailureReason.BAD_CONTENT, False, "no such attachment") if is_old else None

    counter.office.says = forgets
    again = await a_picture_message(database, counter.shop, people[1], file_id)
    await counter.workshop.settle(counter.shop.organization.id)

    assert (await the_send(database, counter.shop, again)).state is SendState.SENT
    assert named(counter.office) == ["media-1", "media-1", "media-2"]


async def test_what_is_refused_right_after_its_upload_fails_for_good(database: Database, counter: ACounter) -> None:
    (person,) = await people_of(database, counter.shop)
    counter.office.says = lambda message: NotSent(FailureReason.BAD_CONTENT, False, "not a picture")
    send_id = await a_picture_message(database, counter.shop, person, await a_picture(database, counter.shop))

    await counter.workshop.settle(counter.shop.organization.id)

    failed = await the_send(database, counter.shop, send_id)
    assert (failed.state, failed.reason, len(counter.office.sent)) == (SendState.NOT_SENT, "BAD_CONTENT", 1)


class Refusing(PostOffice):
    """A post office that takes no files."""

    async def upload_media(self, page: object, media: object) -> object:  # type: ignore[override]
        """Refuse."""
        raise PlatformCallFailed(FailureReason.BAD_CONTENT, "too many pixels")


async def test_a_failed_upload_fails_its_message_and_holds_no_other(
    database: Database, settings: Settings, workshop: Workshop
) -> None:
    office = Refusing(Channel.MESSENGER)
    counter = await a_counter(database, settings, workshop.runtime.lock, Channel.MESSENGER, office)
    person, other = await people_of(database, counter.shop, 2)
    failed = await a_picture_message(database, counter.shop, person, await a_picture(database, counter.shop))
    page = counter.shop.page
    async with begin(database, counter.shop.organization.scope) as uow:
        reply = ReplySend(page.id, page.unit_id, *other, "Hello", None, f"test:{new_id()}")
        fine = await sends.enqueue_reply(uow, reply)

    await counter.workshop.settle(counter.shop.organization.id)

    row = await the_send(database, counter.shop, failed)
    assert (row.state, row.reason, row.detail) == (SendState.NOT_SENT, "BAD_CONTENT", "too many pixels")
    assert (await the_send(database, counter.shop, fine)).state is SendState.SENT


NOW = datetime(2026, 11, 22, tzinfo=UTC)
LINK = MediaLink(new_id(), new_id(), NOW + timedelta(hours=1))


def test_a_link_reads_back_until_its_end() -> None:
    token = media_links.write(PEPPER, LINK)

    assert media_links.read(PEPPER, token, NOW) == LINK
    assert media_links.read(PEPPER, token, NOW + timedelta(hours=1)) is None
    assert media_links.read("another-pepper-of-32-characters-000", token, NOW) is None


@given(st.integers(0, 90), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"))
def test_no_letter_of_a_link_can_be_changed(place: int, letter: str) -> None:
    token = media_links.write(PEPPER, LINK)
    changed = token[:place] + letter + token[place + 1 :]

    assert changed == token or media_links.read(PEPPER, changed, NOW) is None


@given(st.text(max_size=200))
def test_no_text_is_taken_for_a_link(text: str) -> None:
    assert media_links.read(PEPPER, text, NOW) is None
