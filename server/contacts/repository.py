"""SQL of contacts, their identities and labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from server.contacts.models import ContactIdentityRow, ContactLabelRow, ContactRow, LabelRow
from server.kit.pagination import Keyset, PageArguments
from server.tenants.cuts import at, in_reach, in_reach_or_above
from server.tenants.models import UnitClosureRow
from server.tenants.rules import Permission
from server.tenants.scope import Scope


async def contact_id_of(session: AsyncSession, organization_id: UUID, page_id: UUID, external_id: str) -> UUID | None:
    """Return the contact whom a page's platform names so."""
    statement = select(ContactIdentityRow.contact_id).where(
        ContactIdentityRow.organization_id == organization_id,
        ContactIdentityRow.page_id == page_id,
        ContactIdentityRow.external_id == external_id,
    )
    return (await session.execute(statement)).scalar_one_or_none()


async def contact_ids_of(
    session: AsyncSession, organization_id: UUID, page_id: UUID, external_ids: Sequence[str]
) -> dict[str, UUID]:
    """Return the contacts whom a page's platform names so, by that name."""
    statement = select(ContactIdentityRow.external_id, ContactIdentityRow.contact_id).where(
        ContactIdentityRow.organization_id == organization_id,
        ContactIdentityRow.page_id == page_id,
        ContactIdentityRow.external_id.in_(external_ids),
    )
    return {name: contact_id for name, contact_id in await session.execute(statement)}


async def insert_contact(session: AsyncSession, organization_id: UUID, contact_id: UUID, unit_id: UUID) -> None:
    """Insert a contact of whom nothing is known."""
    await session.execute(insert(ContactRow).values(organization_id=organization_id, id=contact_id, unit_id=unit_id))


async def insert_identity(session: AsyncSession, values: dict[str, Any]) -> bool:
    """Insert an identity; False if another transaction named a contact so first."""
    inserted = await session.execute(
        insert(ContactIdentityRow)
        .values(**values)
        .on_conflict_do_nothing(index_elements=["organization_id", "page_id", "external_id"])
        .returning(ContactIdentityRow.id)
    )
    return inserted.first() is not None


async def note_thread(
    session: AsyncSession, organization_id: UUID, page_id: UUID, contact_id: UUID, thread_id: str
) -> None:
    """Write how the platform names the conversation of a page with a contact, if it is news."""
    await session.execute(
        update(ContactIdentityRow)
        .where(
            ContactIdentityRow.organization_id == organization_id,
            ContactIdentityRow.page_id == page_id,
            ContactIdentityRow.contact_id == contact_id,
            ContactIdentityRow.thread_external_id.is_distinct_from(thread_id),
        )
        .values(thread_external_id=thread_id)
    )


async def mark_erased(session: AsyncSession, organization_id: UUID, contact_id: UUID) -> None:
    """Note that a new contact is somebody who was erased before."""
    await session.execute(
        update(ContactRow)
        .where(ContactRow.organization_id == organization_id, ContactRow.id == contact_id)
        .values(was_erased=True)
    )


async def erased_before(session: AsyncSession, organization_id: UUID, ids: Sequence[UUID]) -> Sequence[ContactRow]:
    """Return those of the contacts who were erased before and came back."""
    statement = select(ContactRow).where(
        ContactRow.organization_id == organization_id, ContactRow.id.in_(ids), ContactRow.was_erased
    )
    return (await session.scalars(statement)).all()


async def delete_contact(session: AsyncSession, organization_id: UUID, contact_id: UUID) -> None:
    """Delete a contact that nothing refers to yet."""
    await session.execute(
        delete(ContactRow).where(ContactRow.organization_id == organization_id, ContactRow.id == contact_id)
    )


async def contact(session: AsyncSession, organization_id: UUID, contact_id: UUID) -> ContactRow | None:
    """Return one contact that the scope sees."""
    statement = select(ContactRow).where(ContactRow.organization_id == organization_id, ContactRow.id == contact_id)
    return (await session.scalars(statement)).one_or_none()


async def contacts_by_id(session: AsyncSession, scope: Scope, ids: Sequence[UUID]) -> Sequence[ContactRow]:
    """Return the contacts with these ids that the scope sees."""
    statement = select(ContactRow).where(
        ContactRow.organization_id == scope.organization_id, ContactRow.id.in_(ids), in_reach(scope, ContactRow.unit_id)
    )
    return (await session.scalars(statement)).all()


async def identities_of(
    session: AsyncSession, organization_id: UUID, contact_ids: Sequence[UUID]
) -> Sequence[ContactIdentityRow]:
    """Return the identities of these contacts, in the order in which they became known."""
    statement = (
        select(ContactIdentityRow)
        .where(ContactIdentityRow.organization_id == organization_id, ContactIdentityRow.contact_id.in_(contact_ids))
        .order_by(ContactIdentityRow.id)
    )
    return (await session.scalars(statement)).all()


async def list_contacts(
    session: AsyncSession,
    organization_id: UUID,
    keyset: Keyset,
    arguments: PageArguments,
    *,
    unit_id: UUID | None,
    label_id: UUID | None,
    unit_ids: Sequence[UUID] | None,
) -> Sequence[ContactRow]:
    """Return up to `size + 1` contacts: under `unit_id`, with the label, and only of `unit_ids` where these are given."""
    statement = select(ContactRow).where(ContactRow.organization_id == organization_id, *keyset.beyond(arguments))
    if unit_id is not None:
        below = select(UnitClosureRow.descendant_id).where(
            UnitClosureRow.organization_id == organization_id, UnitClosureRow.ancestor_id == unit_id
        )
        statement = statement.where(ContactRow.unit_id.in_(below))
    statement = statement.where(at(ContactRow.unit_id, unit_ids))
    if label_id is not None:
        labelled = exists().where(
            ContactLabelRow.organization_id == organization_id,
            ContactLabelRow.contact_id == ContactRow.id,
            ContactLabelRow.label_id == label_id,
        )
        statement = statement.where(labelled)
    ordered = statement.order_by(*keyset.order(arguments)).limit(arguments.size + 1)
    return (await session.scalars(ordered)).all()


async def set_profile(session: AsyncSession, organization_id: UUID, contact_id: UUID, values: dict[str, Any]) -> None:
    """Write what the platform says about a person where nothing stands yet, and when it was asked."""
    await session.execute(
        update(ContactRow)
        .where(ContactRow.organization_id == organization_id, ContactRow.id == contact_id)
        .values(
            profile_read_at=func.clock_timestamp(),
            **{column: func.coalesce(getattr(ContactRow, column), told) for column, told in values.items()},
        )
    )


async def insert_label(session: AsyncSession, values: dict[str, Any]) -> bool:
    """Insert a label; False if the unit has one of that name."""
    inserted = await session.execute(
        insert(LabelRow)
        .values(**values)
        .on_conflict_do_nothing(index_elements=["organization_id", "unit_id", "name"])
        .returning(LabelRow.id)
    )
    return inserted.first() is not None


async def labels_by_id(session: AsyncSession, scope: Scope, ids: Sequence[UUID]) -> Sequence[LabelRow]:
    """Return the labels with these ids that the scope sees."""
    statement = select(LabelRow).where(*_seen_by(scope), LabelRow.id.in_(ids))
    return (await session.scalars(statement)).all()


async def list_labels(
    session: AsyncSession, scope: Scope, keyset: Keyset, arguments: PageArguments, unit_id: UUID | None
) -> Sequence[LabelRow]:
    """Return up to `size + 1` labels: those that a unit may use, or all that the scope sees."""
    statement = select(LabelRow).where(*_seen_by(scope), *keyset.beyond(arguments))
    if unit_id is not None:
        above = select(UnitClosureRow.ancestor_id).where(
            UnitClosureRow.organization_id == scope.organization_id, UnitClosureRow.descendant_id == unit_id
        )
        statement = statement.where(LabelRow.unit_id.in_(above))
    ordered = statement.order_by(*keyset.order(arguments)).limit(arguments.size + 1)
    return (await session.scalars(ordered)).all()


def _seen_by(scope: Scope) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return LabelRow.organization_id == scope.organization_id, in_reach_or_above(
        scope, LabelRow.unit_id, Permission.CONTACT_READ
    )


async def is_above(session: AsyncSession, organization_id: UUID, upper_id: UUID, lower_id: UUID) -> bool:
    """Say whether the second unit is the first or stands under it."""
    found = exists().where(
        UnitClosureRow.organization_id == organization_id,
        UnitClosureRow.ancestor_id == upper_id,
        UnitClosureRow.descendant_id == lower_id,
    )
    return bool((await session.execute(select(found))).scalar_one())


async def insert_contact_label(session: AsyncSession, organization_id: UUID, row: ContactRow, label_id: UUID) -> bool:
    """Put a label on a contact; return whether it was not there."""
    made = await session.execute(
        insert(ContactLabelRow)
        .values(organization_id=organization_id, contact_id=row.id, label_id=label_id, unit_id=row.unit_id)
        .on_conflict_do_nothing()
        .returning(ContactLabelRow.label_id)
    )
    return made.first() is not None


async def delete_contact_label(session: AsyncSession, organization_id: UUID, contact_id: UUID, label_id: UUID) -> bool:
    """Take a label off a contact; return whether it was there."""
    gone = await session.execute(
        delete(ContactLabelRow)
        .where(
            ContactLabelRow.organization_id == organization_id,
            ContactLabelRow.contact_id == contact_id,
            ContactLabelRow.label_id == label_id,
        )
        .returning(ContactLabelRow.label_id)
    )
    return gone.first() is not None


async def labels_of_contacts(
    session: AsyncSession, organization_id: UUID, contact_ids: Sequence[UUID]
) -> list[tuple[UUID, LabelRow]]:
    """Return (contact, label) pairs, by the label's name."""
    statement = (
        select(ContactLabelRow.contact_id, LabelRow)
        .join(
            LabelRow,
            and_(LabelRow.organization_id == ContactLabelRow.organization_id, LabelRow.id == ContactLabelRow.label_id),
        )
        .where(ContactLabelRow.organization_id == organization_id, ContactLabelRow.contact_id.in_(contact_ids))
        .order_by(LabelRow.name, LabelRow.id)
    )
    return [(contact_id, label) for contact_id, label in await session.execute(statement)]
