"""Public comments: what the public says about a page, and how we answer it, in public or once in private."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from server.audit import service as audit
from server.audit.actions import Action
from server.channels import service as channels
from server.channels.service import PageRef
from server.comments import errors, repository, rules
from server.comments.jobs import ForgetTexts
from server.comments.models import CommentReplyRow, PublicCommentRow, PublicKind, Visibility
from server.comments.repository import Wanted
from server.comments.rules import Standing
from server.contacts import service as contacts
from server.kit.errors import NotFound
from server.kit.ids import new_id
from server.kit.pagination import Keyset, Page, PageArguments, SortKey
from server.platforms.capabilities import catalogue
from server.platforms.capabilities.capability import Capability, text_length
from server.platforms.port import CommentChanged, ReviewChanged
from server.sends import queueing as sends
from server.sends.queueing import CommentReplySend
from server.sends.witness import OwnComment, settle_comment_reply
from server.tenants import service as tenants
from server.tenants.rules import Permission
from server.tenants.scope import ActorKind
from server.tenants.uow import UnitOfWork

__all__ = ["Wanted"]

_NAMELESS = "nameless"


@dataclass(frozen=True, slots=True)
class _News:
    """What an event says of one public text, in one shape for comments, mentions and reviews."""

    platform_id: str
    kind: PublicKind
    verb: str
    standing: Standing
    occurred_at: datetime
    person_name: str | None
    is_own: bool = False
    post_id: str | None = None
    parent_id: str | None = None


async def apply_comment(uow: UnitOfWork, page: PageRef, contact_id: UUID | None, event: CommentChanged) -> None:
    """Store what happened to a comment or mention; the same result for every order and repetition of its events.

    `contact_id` is who wrote it; None for the page itself and for people whom the platform does not name.
    """
    standing = Standing(event.text, Visibility.VISIBLE, event.occurred_at)
    news = _News(
        event.comment_id,
        PublicKind(event.kind.value),
        event.verb,
        standing,
        event.occurred_at,
        event.person_name,
        event.is_own,
        event.post_id,
        event.parent_id,
    )
    await _apply(uow, page, contact_id, news)
    below = tuple(one for one in (event.parent_id, event.post_id) if one is not None)
    if event.is_own and event.text is not None and below and event.verb == "add":
        await settle_comment_reply(uow, page.id, OwnComment(event.comment_id, below, event.text, event.occurred_at))


async def apply_review(uow: UnitOfWork, page: PageRef, contact_id: UUID | None, event: ReviewChanged) -> None:
    """Store what happened to a recommendation; the same result for every order and repetition of its events."""
    standing = Standing(
        event.text, Visibility.VISIBLE, event.occurred_at, rating=event.rating, recommendation=event.recommendation
    )
    news = _News(event.review_id, PublicKind.REVIEW, event.verb, standing, event.occurred_at, event.person_name)
    await _apply(uow, page, contact_id, news)


async def _apply(uow: UnitOfWork, page: PageRef, contact_id: UUID | None, news: _News) -> None:
    organization_id = uow.scope.organization_id
    now = await uow.now()
    kept = rules.FOREVER if news.is_own else rules.kept_until(catalogue.at(page.channel, now), now)
    fresh = rules.first(news.verb, news.standing)
    values = {
        "organization_id": organization_id,
        "id": new_id(),
        "unit_id": page.unit_id,
        "page_id": page.id,
        "platform_id": news.platform_id,
        "kind": news.kind,
        "post_id": news.post_id,
        "parent_id": news.parent_id,
        "contact_id": contact_id,
        "person_name": news.person_name,
        "is_own": news.is_own,
        "occurred_at": news.occurred_at,
        "text_until": kept.text,
        "name_until": None if news.person_name is None else kept.name,
        **_columns(fresh),
    }
    if not await repository.insert_comment(uow.session, values):
        row = await repository.by_platform_id(uow.session, organization_id, page.id, news.platform_id)
        if row is None:
            raise NotFound
        _merge(row, contact_id, news, kept)
    if kept.first is not None:
        uow.defer(ForgetTexts(page.id), key=str(page.id), delay=kept.first - now)
    uow.announce("comments")


def _merge(row: PublicCommentRow, contact_id: UUID | None, news: _News, kept: rules.Kept) -> None:
    before = Standing(
        row.text, row.visibility, row.told_at, row.is_edited, row.rating, row.recommendation, row.shown_at
    )
    after = rules.changed(before, news.verb, news.standing)
    for name, value in _columns(after).items():
        setattr(row, name, value)
    row.occurred_at = min(row.occurred_at, news.occurred_at)
    row.is_own = row.is_own or news.is_own
    row.contact_id = row.contact_id or contact_id
    if row.person_name is None and news.person_name is not None:
        row.person_name, row.name_until = news.person_name, rules.sooner(row.name_until, kept.name)
    row.post_id = row.post_id or news.post_id
    row.parent_id = row.parent_id or news.parent_id
    if after.text != before.text:
        row.text_until = rules.sooner(row.text_until, kept.text)


def _columns(standing: Standing) -> dict[str, object]:
    return {
        "text": standing.text,
        "visibility": standing.visibility,
        "told_at": standing.told_at,
        "shown_at": standing.shown_at,
        "is_edited": standing.is_edited,
        "rating": standing.rating,
        "recommendation": standing.recommendation,
    }


async def comments_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Sequence[PublicCommentRow]:
    """Return those of the texts that the scope may read, in no particular order. Needs inbox:read on their units."""
    rows = await repository.comments_by_id(uow.session, uow.scope, ids)
    return [row for row in rows if uow.scope.may(Permission.INBOX_READ, row.unit_id)]


async def list_comments(uow: UnitOfWork, arguments: PageArguments, wanted: Wanted) -> Page[PublicCommentRow]:
    """List public texts, newest first. Needs inbox:read; those of units where the scope lacks it are left out."""
    if wanted.unit_id is None:
        uow.scope.require_anywhere(Permission.INBOX_READ)
    else:
        uow.scope.require(Permission.INBOX_READ, wanted.unit_id)
    keys = (
        SortKey(PublicCommentRow.occurred_at, datetime, descending=True),
        SortKey(PublicCommentRow.id, UUID, descending=True),
    )
    asked = [wanted.unit_id, wanted.page_id, wanted.kind, wanted.post_id, wanted.is_handled]
    keyset = Keyset(keys, ["comments", *(None if one is None else str(one) for one in asked)])
    units = uow.scope.units_with(Permission.INBOX_READ)
    rows = await repository.list_comments(uow.session, uow.scope.organization_id, keyset, arguments, wanted, units)
    return keyset.page(rows, arguments, lambda row: (row.occurred_at, row.id))


async def replies_of(uow: UnitOfWork, comment_ids: Sequence[UUID]) -> dict[UUID, list[CommentReplyRow]]:
    """Return our replies to these texts, oldest first; texts without any are left out."""
    found: dict[UUID, list[CommentReplyRow]] = defaultdict(list)
    for row in await repository.replies_of(uow.session, uow.scope, comment_ids):
        found[row.comment_id].append(row)
    return dict(found)


async def reply(uow: UnitOfWork, comment_id: UUID, text: str, *, is_private: bool) -> PublicCommentRow:
    """Queue a reply to a public text: below it, or once in private. Needs inbox:reply on its unit.

    Raises CommentGone, ReplyNotOffered, AuthorUnknown, PrivateReplyTooLate, PrivateReplyUsed, ReplyEmpty, ReplyTooLong,
    UnitArchived.
    """
    row = await _comment(uow, comment_id, Permission.INBOX_REPLY)
    await tenants.working_unit(uow, row.unit_id)
    if row.visibility is Visibility.REMOVED or row.is_own:
        raise errors.CommentGone
    page = await channels.page_ref(uow, row.page_id)
    capability = catalogue.at(page.channel, await uow.now())
    _check_length(capability, text, is_private=is_private)
    if is_private:
        await _check_private(uow, row, capability)
    elif not capability.offers_comment_reply or row.kind is PublicKind.REVIEW:
        raise errors.ReplyNotOffered(is_private=False)
    await _queue(uow, row, page, text, is_private=is_private)
    return row


def _check_length(capability: Capability, text: str, *, is_private: bool) -> None:
    if not text.strip():
        raise errors.ReplyEmpty
    limit = capability.text_limit if is_private else capability.comment_limit
    length = text_length(capability, text)
    if length > limit:
        raise errors.ReplyTooLong(length, limit)


async def _check_private(uow: UnitOfWork, row: PublicCommentRow, capability: Capability) -> None:
    until = rules.private_reply_until(capability, row.occurred_at)
    if until is None or row.kind is not PublicKind.COMMENT:
        raise errors.ReplyNotOffered(is_private=True)
    if row.contact_id is None:
        raise errors.AuthorUnknown
    if until <= await uow.now():
        raise errors.PrivateReplyTooLate
    if await repository.has_private_reply(uow.session, uow.scope.organization_id, row.id):
        raise errors.PrivateReplyUsed


async def _queue(uow: UnitOfWork, row: PublicCommentRow, page: PageRef, text: str, *, is_private: bool) -> None:
    actor, reply_id = uow.scope.actor, new_id()
    author_id = actor.id if actor.kind is ActorKind.MEMBER else None
    contact_id, external_id = await _writer(uow, row, page)
    send_id = await sends.enqueue_comment_reply(
        uow,
        CommentReplySend(
            page_id=page.id,
            unit_id=row.unit_id,
            contact_id=contact_id,
            recipient_external_id=external_id,
            comment_id=row.platform_id,
            commented_at=row.occurred_at,
            text=text,
            author_id=author_id,
            dedupe_key=f"comment-reply:{reply_id}",
        ),
        is_private=is_private,
    )
    await repository.insert_reply(
        uow.session,
        {
            "organization_id": uow.scope.organization_id,
            "id": reply_id,
            "unit_id": row.unit_id,
            "comment_id": row.id,
            "send_id": send_id,
            "author_id": author_id,
            "is_private": is_private,
        },
    )
    row.handled_at, row.handled_by = await uow.now(), actor.id
    uow.announce("comments")
    await audit.record(uow, Action.COMMENT_REPLY, row.id, {"private": is_private})


async def _writer(uow: UnitOfWork, row: PublicCommentRow, page: PageRef) -> tuple[UUID, str]:
    """Return who gets the reply. Everybody whom the platform does not name is one nameless contact of the page."""
    if row.contact_id is None:
        return await contacts.identify(uow, page, _NAMELESS), _NAMELESS
    identities = (await contacts.identities_of(uow, [row.contact_id])).get(row.contact_id, [])
    for identity in identities:
        if identity.page_id == page.id:
            return row.contact_id, identity.external_id
    raise errors.AuthorUnknown


async def set_handled(uow: UnitOfWork, comment_id: UUID, *, is_handled: bool) -> PublicCommentRow:
    """Say that a public text needs nothing more of us, or that it does. Needs inbox:work on its unit. Repeatable."""
    row = await _comment(uow, comment_id, Permission.INBOX_WORK)
    if (row.handled_at is not None) != is_handled:
        row.handled_at = await uow.now() if is_handled else None
        row.handled_by = uow.scope.actor.id if is_handled else None
        uow.announce("comments")
        await audit.record(uow, Action.COMMENT_HANDLE, row.id, {"handled": is_handled})
    return row


async def forget_texts(uow: UnitOfWork, page_id: UUID) -> datetime | None:
    """Forget the words and names of strangers whose time is over, in the raw events too; return when the next are due."""
    due = await repository.forget_texts(uow.session, uow.scope.organization_id, page_id)
    page = await channels.page_ref(uow, page_id)
    now = await uow.now()
    before = rules.forgotten_before(catalogue.at(page.channel, now), now)
    if before is not None:
        await channels.forget_payloads(uow, page_id, before)
    uow.announce("comments")
    return due


async def _comment(uow: UnitOfWork, comment_id: UUID, permission: Permission) -> PublicCommentRow:
    row = await repository.comment(uow.session, uow.scope, comment_id, lock=True)
    if row is None:
        raise NotFound(path=("commentId",))
    uow.scope.require_on(permission, row.unit_id, "commentId", read_with=Permission.INBOX_READ)
    return row
