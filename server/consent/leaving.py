"""How consent leaves, the ledger included: a proof of consent is about a person and goes with the person."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from server.consent.models import (
    ConsentEventRow,
    ConsentRow,
    MarketingUseRow,
    SuppressionRow,
    TopicRow,
    WindowRow,
)
from server.contacts import leaving as contacts
from server.tenants.leaving import How, Leaving, among, of_contact, of_units
from server.tenants.uow import UnitOfWork

LEAVING = (
    Leaving(MarketingUseRow, How.ROWS, of_units(MarketingUseRow.unit_id), of_contact(MarketingUseRow.contact_id)),
    Leaving(WindowRow, How.ROWS, of_units(WindowRow.unit_id), of_contact(WindowRow.contact_id)),
    Leaving(SuppressionRow, How.ROWS, of_units(SuppressionRow.unit_id), of_contact(SuppressionRow.contact_id)),
    Leaving(ConsentRow, How.ROWS, of_units(ConsentRow.unit_id), of_contact(ConsentRow.contact_id)),
    Leaving(ConsentEventRow, How.ROWS, of_units(ConsentEventRow.unit_id), of_contact(ConsentEventRow.contact_id)),
    Leaving(TopicRow, How.ROWS, of_units(TopicRow.unit_id)),
)


async def remember_suppressed(uow: UnitOfWork, unit_ids: Sequence[UUID]) -> int:
    """Put everybody of these units to whom nothing may be sent on the list that outlives them; return how many hashes.

    Repeatable: the list holds each of them once.
    """
    statement = select(SuppressionRow.contact_id).where(
        SuppressionRow.organization_id == uow.scope.organization_id, SuppressionRow.unit_id == among(unit_ids)
    )
    return await contacts.remember(uow, (await uow.session.scalars(statement)).all())
