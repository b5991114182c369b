"""Queueing sends: one row for one intention, of whatever kind. The gate decides when a row is claimed, not here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from server.kit.ids import new_id
from server.platforms.port import OutgoingKind, UtilityTemplate
from server.sends.composing import PLAIN, Extras, Placed
from server.sends.errors import AlreadyQueued, CommentAnswered
from server.sends.jobs import QUEUE_OF, DrainPage, ReconcilePage
from server.sends.models import Purpose
from server.sends.repository import intents as repository
from server.tenants.uow import UnitOfWork


@dataclass(frozen=True, slots=True)
class ReplySend:
    """One reply of a person to a contact. `dedupe_key` is unique per intention within the organization.

    `media` are the files of `extras` with their kinds on the channel; both were checked by the composer's rules.
    """

    page_id: UUID
    unit_id: UUID
    contact_id: UUID
    recipient_external_id: str
    text: str
    author_id: UUID | None
    dedupe_key: str
    human_agent: bool = False
    thread_external_id: str | None = None
    extras: Extras = PLAIN
    media: tuple[Placed, ...] = ()


@dataclass(frozen=True, slots=True)
class CampaignSend:
    """One marketing message of a campaign; `content_digest` is what its batch must have approved."""

    id: UUID
    unit_id: UUID
    page_id: UUID
    contact_id: UUID
    recipient_external_id: str
    batch_id: UUID
    topic_id: UUID
    text: str
    content_digest: bytes
    platform_campaign_id: str
    dedupe_key: str


@dataclass(frozen=True, slots=True)
class CommentReplySend:
    """One answer to a public comment: below it in public, or to its writer in private.

    `contact_id` is the comment's writer, whom the page's platform names `recipient_external_id`; `commented_at` is the
    platform's time of the comment. `dedupe_key` counts for public answers; in private a comment is answered once.
    """

    page_id: UUID
    unit_id: UUID
    contact_id: UUID
    recipient_external_id: str
    comment_id: str
    commented_at: datetime
    text: str
    author_id: UUID | None
    dedupe_key: str


@dataclass(frozen=True, slots=True)
class UtilitySend:
    """One message about something that the person bought or booked, by a template that the platform approved.

    `text` is what the person will read, for our own inbox.
    """

    page_id: UUID
    unit_id: UUID
    contact_id: UUID
    recipient_external_id: str
    template: UtilityTemplate
    text: str
    author_id: UUID | None
    dedupe_key: str


def ring(uow: UnitOfWork, page_id: UUID, purpose: Purpose) -> None:
    """Ask for the page's due sends of this purpose to be carried out."""
    uow.defer(DrainPage(page_id, purpose), key=f"{page_id}:{purpose.value}", queue=QUEUE_OF[purpose])


async def enqueue_reply(uow: UnitOfWork, reply: ReplySend) -> UUID:
    """Queue one reply and return the send's id. The gate decides when it is claimed, not here."""
    values: dict[str, object] = {
        **_common(reply),
        "human_agent": reply.human_agent,
        "thread_external_id": reply.thread_external_id,
        "reply_to_message_id": reply.extras.reply_to,
        "media": [{"file": str(one.file_id), "kind": one.kind.value} for one in reply.media],
        "quick_replies": [{"title": one.title, "payload": one.payload} for one in reply.extras.quick_replies],
        "buttons": [{"title": one.title, "payload": one.payload, "url": one.url} for one in reply.extras.buttons],
    }
    return await _insert(uow, reply.page_id, values)


async def enqueue_comment_reply(uow: UnitOfWork, reply: CommentReplySend, *, is_private: bool) -> UUID:
    """Queue one answer to a comment and return the send's id.

    Raises CommentAnswered for a second private one, and for a public one whose key was used.

    A private answer goes to the platform once for each comment, whatever became of the first; it must arrive within the
    channel's period after the comment, and no window has to be open. The caller has checked the capability and the text.
    """
    key = f"private-reply:{reply.page_id}:{reply.comment_id}" if is_private else reply.dedupe_key
    values: dict[str, object] = {
        **_common(replace(reply, dedupe_key=key)),
        "kind": OutgoingKind.PRIVATE_REPLY if is_private else OutgoingKind.COMMENT_REPLY,
        "comment_id": reply.comment_id,
        "commented_at": reply.commented_at,
    }
    send_id = new_id()
    if not await _insert_once(uow, send_id, values):
        raise CommentAnswered
    ring(uow, reply.page_id, Purpose.CONVERSATIONAL)
    return send_id


async def enqueue_utility(uow: UnitOfWork, wanted: UtilitySend) -> UUID:
    """Queue one utility message and return the send's id. It needs no open window; whoever is suppressed gets none."""
    template = wanted.template
    values: dict[str, object] = {
        **_common(wanted),
        "kind": OutgoingKind.UTILITY,
        "utility": {
            "name": template.name,
            "language": template.language,
            "parameters": list(template.parameters),
        },
    }
    return await _insert(uow, wanted.page_id, values)


def _common(wanted: ReplySend | CommentReplySend | UtilitySend) -> dict[str, object]:
    return {
        "unit_id": wanted.unit_id,
        "page_id": wanted.page_id,
        "contact_id": wanted.contact_id,
        "recipient_external_id": wanted.recipient_external_id,
        "purpose": Purpose.CONVERSATIONAL,
        "text": wanted.text,
        "author_id": wanted.author_id,
        "dedupe_key": wanted.dedupe_key,
    }


async def _insert(uow: UnitOfWork, page_id: UUID, values: dict[str, object]) -> UUID:
    send_id = new_id()
    if not await _insert_once(uow, send_id, values):
        raise AlreadyQueued
    ring(uow, page_id, Purpose.CONVERSATIONAL)
    return send_id


async def _insert_once(uow: UnitOfWork, send_id: UUID, values: dict[str, object]) -> bool:
    row = {"organization_id": uow.scope.organization_id, "id": send_id, **values}
    return await repository.insert_once(uow.session, row)


async def enqueue_campaign(uow: UnitOfWork, wanted: Sequence[CampaignSend]) -> None:
    """Queue marketing messages; one whose dedupe key exists is left alone, so a page may be expanded twice."""
    await repository.insert_intents(
        uow.session,
        [
            {
                "organization_id": uow.scope.organization_id,
                "id": one.id,
                "unit_id": one.unit_id,
                "page_id": one.page_id,
                "contact_id": one.contact_id,
                "recipient_external_id": one.recipient_external_id,
                "batch_id": one.batch_id,
                "topic_id": one.topic_id,
                "purpose": Purpose.MARKETING,
                "kind": OutgoingKind.MARKETING,
                "text": one.text,
                "content_digest": one.content_digest,
                "platform_campaign_id": one.platform_campaign_id,
                "dedupe_key": one.dedupe_key,
            }
            for one in wanted
        ],
    )
    for page_id in {one.page_id for one in wanted}:
        ring(uow, page_id, Purpose.MARKETING)


def ask_to_reconcile(uow: UnitOfWork, page_id: UUID, grace_s: float) -> None:
    """Ask for the page's unknowns to be looked up once the grace has passed."""
    uow.defer(ReconcilePage(page_id), key=str(page_id), delay=timedelta(seconds=grace_s))
