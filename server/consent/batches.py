"""Reading consent for many people at once, so that a list of them costs one statement."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import select, tuple_

from server.consent.models import ConsentRow, WindowRow
from server.tenants.uow import UnitOfWork

PageAndContact = tuple[UUID, UUID]


async def consents_of_contacts(uow: UnitOfWork, contact_ids: Sequence[UUID]) -> Mapping[UUID, list[ConsentRow]]:
    """Return the last words of each person on each topic at each page of the scope, newest first; the silent are left out."""
    statement = (
        select(ConsentRow)
        .where(ConsentRow.organization_id == uow.scope.organization_id, ConsentRow.contact_id.in_(contact_ids))
        .order_by(ConsentRow.occurred_at.desc(), ConsentRow.page_id, ConsentRow.topic_id)
    )
    found: dict[UUID, list[ConsentRow]] = defaultdict(list)
    for row in await uow.session.scalars(statement):
        found[row.contact_id].append(row)
    return dict(found)


async def windows_of(uow: UnitOfWork, pairs: Sequence[PageAndContact]) -> Mapping[PageAndContact, WindowRow]:
    """Return the windows of these people at these pages; who never acted there has none."""
    if not pairs:
        return {}
    statement = select(WindowRow).where(
        WindowRow.organization_id == uow.scope.organization_id,
        tuple_(WindowRow.page_id, WindowRow.contact_id).in_(pairs),
    )
    return {(row.page_id, row.contact_id): row for row in await uow.session.scalars(statement)}
