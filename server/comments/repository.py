"""SQL of public comments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from server.comments.models import CommentReplyRow, PublicCommentRow, PublicKind
from server.kit.pagination import Keyset, PageArguments
from server.tenants.cuts import at, in_reach
from server.tenants.models import UnitClosureRow
from server.tenants.scope import Scope


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which public texts a list shows; None is no condition."""

    unit_id: UUID | None = None
    page_id: UUID | None = None
    kind: PublicKind | None = None
    post_id: str | None = None
    is_handled: bool | None = None


async def insert_comment(session: AsyncSession, values: Mapping[str, Any]) -> bool:
    """Insert a text; False if the page has one of that name."""
    inserted = await session.execute(
        insert(PublicCommentRow)
        .values(**values)
        .on_conflict_do_nothing(index_elements=["organization_id", "page_id", "platform_id"])
        .returning(PublicCommentRow.id)
    )
    return inserted.first() is not None


async def by_platform_id(
    session: AsyncSession, organization_id: UUID, page_id: UUID, platform_id: str
) -> PublicCommentRow | None:
    """Lock and return the text that the page's platform calls so."""
    statement = (
        select(PublicCommentRow)
        .where(
            PublicCommentRow.organization_id == organization_id,
            PublicCommentRow.page_id == page_id,
            PublicCommentRow.platform_id == platform_id,
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(statement)).one_or_none()


async def comment(
    session: AsyncSession, scope: Scope, comment_id: UUID, *, lock: bool = False
) -> PublicCommentRow | None:
    """Return one text that the scope reaches."""
    statement = select(PublicCommentRow).where(
        PublicCommentRow.organization_id == scope.organization_id,
        PublicCommentRow.id == comment_id,
        in_reach(scope, PublicCommentRow.unit_id),
    )
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return (await session.scalars(statement)).one_or_none()


async def comments_by_id(session: AsyncSession, scope: Scope, ids: Sequence[UUID]) -> Sequence[PublicCommentRow]:
    """Return those of the texts that the scope reaches."""
    statement = select(PublicCommentRow).where(
        PublicCommentRow.organization_id == scope.organization_id,
        PublicCommentRow.id.in_(ids),
        in_reach(scope, PublicCommentRow.unit_id),
    )
    return (await session.scalars(statement)).all()


async def list_comments(
    session: AsyncSession,
    organization_id: UUID,
    keyset: Keyset,
    arguments: PageArguments,
    wanted: Wanted,
    unit_ids: Sequence[UUID] | None,
) -> Sequence[PublicCommentRow]:
    """Return up to `size + 1` texts of the list, of `unit_ids` only where these are given."""
    conditions = [PublicCommentRow.organization_id == organization_id, at(PublicCommentRow.unit_id, unit_ids)]
    if wanted.unit_id is not None:
        below = select(UnitClosureRow.descendant_id).where(
            UnitClosureRow.organization_id == organization_id, UnitClosureRow.ancestor_id == wanted.unit_id
        )
        conditions.append(PublicCommentRow.unit_id.in_(below))
    if wanted.page_id is not None:
        conditions.append(PublicCommentRow.page_id == wanted.page_id)
    if wanted.kind is not None:
        conditions.append(PublicCommentRow.kind == wanted.kind)
    if wanted.post_id is not None:
        conditions.append(PublicCommentRow.post_id == wanted.post_id)
    if wanted.is_handled is not None:
        column = PublicCommentRow.handled_at
        conditions.append(column.is_not(None) if wanted.is_handled else column.is_(None))
    statement = select(PublicCommentRow).where(*conditions, *keyset.beyond(arguments))
    return (await session.scalars(statement.order_by(*keyset.order(arguments)).limit(arguments.size + 1))).all()


async def insert_reply(session: AsyncSession, values: Mapping[str, Any]) -> None:
    """Note a reply beside its text."""
    await session.execute(insert(CommentReplyRow).values(**values))


async def has_private_reply(session: AsyncSession, organization_id: UUID, comment_id: UUID) -> bool:
    """Say whether the text has had its private reply."""
    statement = select(CommentReplyRow.id).where(
        CommentReplyRow.organization_id == organization_id,
        CommentReplyRow.comment_id == comment_id,
        CommentReplyRow.is_private,
    )
    return (await session.scalars(statement.limit(1))).first() is not None


async def replies_of(session: AsyncSession, scope: Scope, comment_ids: Sequence[UUID]) -> Sequence[CommentReplyRow]:
    """Return our replies to these texts, oldest first."""
    statement = (
        select(CommentReplyRow)
        .where(
            CommentReplyRow.organization_id == scope.organization_id,
            CommentReplyRow.comment_id.in_(comment_ids),
            in_reach(scope, CommentReplyRow.unit_id),
        )
        .order_by(CommentReplyRow.id)
    )
    return (await session.scalars(statement)).all()


async def forget_texts(session: AsyncSession, organization_id: UUID, page_id: UUID) -> datetime | None:
    """Forget the words and names whose time is over; return when the next ones are due."""
    of_page = (PublicCommentRow.organization_id == organization_id, PublicCommentRow.page_id == page_id)
    ends = {
        PublicCommentRow.text_until: PublicCommentRow.text,
        PublicCommentRow.name_until: PublicCommentRow.person_name,
    }
    for until, what in ends.items():
        await session.execute(
            update(PublicCommentRow)
            .where(*of_page, until <= func.clock_timestamp())
            .values({what: None, until: None})
            .execution_options(synchronize_session=False)
        )
    soonest = select(func.least(*(func.min(until) for until in ends), type_=DateTime(timezone=True))).where(*of_page)
    return (await session.scalars(soonest)).one()
