"""SQL of daily work: owners, states, notes and labels of conversations."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import and_, delete, exists, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from server.inbox.models import AssignmentRow, ConversationLabelRow, ConversationRow, NoteRow
from server.inbox.repository.inbound import NOW_XID
from server.kit.ids import new_id
from server.tenants.models import MemberRow, MembershipRow, UnitClosureRow
from server.tenants.rules import Role


async def change(session: AsyncSession, row: ConversationRow, values: dict[str, object]) -> None:
    """Write columns of a locked conversation and mark it as changed."""
    statement = (
        update(ConversationRow)
        .where(ConversationRow.organization_id == row.organization_id, ConversationRow.id == row.id)
        .values(**values, revision=ConversationRow.revision + 1, change_xid=NOW_XID)
        .execution_options(synchronize_session=False)
    )
    await session.execute(statement)
    await session.refresh(row)


async def has_member(session: AsyncSession, organization_id: UUID, member_id: UUID) -> bool:
    """Say whether the organization has this member."""
    found = exists().where(MemberRow.organization_id == organization_id, MemberRow.id == member_id)
    return bool((await session.execute(select(found))).scalar_one())


async def is_worker_at(
    session: AsyncSession, organization_id: UUID, member_id: UUID, unit_id: UUID, roles: Collection[Role]
) -> bool:
    """Say whether an active member holds one of the roles on the unit or above it."""
    found = exists().where(
        MemberRow.organization_id == organization_id,
        MemberRow.id == member_id,
        MemberRow.deactivated_at.is_(None),
        MembershipRow.organization_id == organization_id,
        MembershipRow.member_id == MemberRow.id,
        MembershipRow.role.in_(roles),
        UnitClosureRow.organization_id == organization_id,
        UnitClosureRow.ancestor_id == MembershipRow.unit_id,
        UnitClosureRow.descendant_id == unit_id,
    )
    return bool((await session.execute(select(found))).scalar_one())


async def insert_assignment(
    session: AsyncSession, row: ConversationRow, assignee_id: UUID | None, actor_id: UUID
) -> None:
    """Add an entry to the history of owners."""
    session.add(
        AssignmentRow(
            organization_id=row.organization_id,
            id=new_id(),
            unit_id=row.unit_id,
            conversation_id=row.id,
            assignee_id=assignee_id,
            actor_id=actor_id,
        )
    )
    await session.flush()


async def insert_note(session: AsyncSession, row: ConversationRow, author_id: UUID, text: str) -> NoteRow:
    """Store a remark."""
    note = NoteRow(
        organization_id=row.organization_id,
        id=new_id(),
        unit_id=row.unit_id,
        conversation_id=row.id,
        author_id=author_id,
        text=text,
    )
    session.add(note)
    await session.flush()
    return note


async def is_at_or_above(session: AsyncSession, organization_id: UUID, ancestor_id: UUID, unit_id: UUID) -> bool:
    """Say whether a unit is another one, or stands above it."""
    found = exists().where(
        UnitClosureRow.organization_id == organization_id,
        UnitClosureRow.ancestor_id == ancestor_id,
        UnitClosureRow.descendant_id == unit_id,
    )
    return bool((await session.execute(select(found))).scalar_one())


async def insert_label(session: AsyncSession, row: ConversationRow, label_id: UUID) -> bool:
    """Put a label on; say whether it was not there."""
    statement = (
        insert(ConversationLabelRow)
        .values(organization_id=row.organization_id, conversation_id=row.id, label_id=label_id, unit_id=row.unit_id)
        .on_conflict_do_nothing()
        .returning(ConversationLabelRow.label_id)
    )
    return (await session.execute(statement)).first() is not None


async def delete_label(session: AsyncSession, row: ConversationRow, label_id: UUID) -> bool:
    """Take a label off; say whether it was there."""
    statement = (
        delete(ConversationLabelRow)
        .where(
            and_(
                ConversationLabelRow.organization_id == row.organization_id,
                ConversationLabelRow.conversation_id == row.id,
                ConversationLabelRow.label_id == label_id,
            )
        )
        .returning(ConversationLabelRow.label_id)
        .execution_options(synchronize_session=False)
    )
    return (await session.execute(statement)).first() is not None
