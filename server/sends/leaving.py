"""How sends leave: the people and the texts go, the numbers of a campaign that stays remain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, select, text, update
from sqlalchemy.orm import InstrumentedAttribute

from server.sends.models import (
    BatchState,
    EarlyReceiptRow,
    PageMediaRow,
    QuotaUseRow,
    ReceiptMarkRow,
    SendAttemptRow,
    SendBatchRow,
    SendIntentRow,
    SendState,
    SendTallyRow,
)
from server.tenants.leaving import How, Leaving, among, of_contact, of_units
from server.tenants.uow import UnitOfWork


def _of_sends(column: InstrumentedAttribute[UUID]) -> Callable[[UUID], ColumnElement[bool]]:
    return lambda contact_id: column.in_(
        select(SendIntentRow.id).where(
            SendIntentRow.organization_id == column.class_.organization_id, SendIntentRow.contact_id == contact_id
        )
    )


LEAVING = (
    Leaving(ReceiptMarkRow, How.ROWS, of_units(ReceiptMarkRow.unit_id), of_contact(ReceiptMarkRow.contact_id)),
    Leaving(EarlyReceiptRow, How.ROWS, of_units(EarlyReceiptRow.unit_id), of_contact(EarlyReceiptRow.contact_id)),
    Leaving(SendAttemptRow, How.ROWS, of_units(SendAttemptRow.unit_id), _of_sends(SendAttemptRow.send_id)),
    Leaving(SendIntentRow, How.ROWS, of_units(SendIntentRow.unit_id), of_contact(SendIntentRow.contact_id)),
    Leaving(SendTallyRow, How.ROWS, of_units(SendTallyRow.unit_id)),
    Leaving(SendBatchRow, How.ROWS, of_units(SendBatchRow.unit_id)),
    Leaving(PageMediaRow, How.ROWS, of_units(PageMediaRow.unit_id)),
    Leaving(QuotaUseRow, How.STAYS, note="numbers of calls at a platform; names no tenant but those that wait now"),
)

# One statement: whoever dies in the middle has either counted and deleted, or neither.
_TALLY = """
WITH chosen AS (
  SELECT s.id, s.batch_id, s.state, s.delivery, s.reason, batch.unit_id FROM send_intent s
  JOIN send_batch batch ON batch.organization_id = s.organization_id AND batch.id = s.batch_id
  WHERE s.organization_id = :organization AND {chosen}
), attempts AS (
  DELETE FROM send_attempt a USING chosen WHERE a.organization_id = :organization AND a.send_id = chosen.id
), gone AS (
  DELETE FROM send_intent s USING chosen WHERE s.organization_id = :organization AND s.id = chosen.id
), counted AS (
  INSERT INTO send_tally (organization_id, id, unit_id, batch_id, state, delivery, reason, count)
  SELECT :organization, gen_random_uuid(), unit_id, batch_id, state, delivery, reason, count(*)
  FROM chosen GROUP BY unit_id, batch_id, state, delivery, reason
)
SELECT count(*) FROM chosen
"""
_TALLY_CONTACT = text(_TALLY.format(chosen="s.contact_id = :contact"))
_TALLY_UNITS = text(
    _TALLY.format(
        chosen="s.unit_id = ANY (cast(:units AS uuid[])) AND batch.unit_id <> ALL (cast(:units AS uuid[])) LIMIT :limit"
    )
)


async def tally_contact(uow: UnitOfWork, contact_id: UUID) -> int:
    """Turn the campaign sends to one contact into numbers of their campaigns; return how many there were."""
    values = {"organization": uow.scope.organization_id, "contact": contact_id}
    return int((await uow.session.execute(_TALLY_CONTACT, values)).scalar_one())


async def tally_units(uow: UnitOfWork, unit_ids: Sequence[UUID], limit: int) -> int:
    """Turn up to `limit` sends of campaigns that stay, to people of units that leave, into numbers; return how many."""
    values = {"organization": uow.scope.organization_id, "units": list(unit_ids), "limit": limit}
    return int((await uow.session.execute(_TALLY_UNITS, values)).scalar_one())


async def cancel_queued(uow: UnitOfWork, unit_ids: Sequence[UUID], limit: int) -> int:
    """Cancel up to `limit` sends of these units that nobody claimed; return how many. They were unclaimable already."""
    some = (
        select(SendIntentRow.id)
        .where(
            SendIntentRow.organization_id == uow.scope.organization_id,
            SendIntentRow.unit_id == among(unit_ids),
            SendIntentRow.state == SendState.QUEUED,
        )
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return await _cancel(uow, SendIntentRow.id.in_(some))


async def cancel_for_contact(uow: UnitOfWork, contact_id: UUID) -> int:
    """Cancel what is queued for one contact; return how many sends."""
    return await _cancel(uow, SendIntentRow.contact_id == contact_id)


async def _cancel(uow: UnitOfWork, chosen: ColumnElement[bool]) -> int:
    statement = (
        update(SendIntentRow)
        .where(
            SendIntentRow.organization_id == uow.scope.organization_id,
            chosen,
            SendIntentRow.state == SendState.QUEUED,
        )
        .values(state=SendState.CANCELLED, reason="LEAVING", settled_at=await uow.now())
        .returning(SendIntentRow.id)
        .execution_options(synchronize_session=False)
    )
    return len((await uow.session.execute(statement)).all())


async def stop_batches(uow: UnitOfWork, unit_ids: Sequence[UUID]) -> None:
    """Let nothing more out under the leave of campaigns of these units. Takes effect with the next claim."""
    await uow.session.execute(
        update(SendBatchRow)
        .where(SendBatchRow.organization_id == uow.scope.organization_id, SendBatchRow.unit_id == among(unit_ids))
        .values(state=BatchState.STOPPED, approved_digest=None)
        .execution_options(synchronize_session=False)
    )
