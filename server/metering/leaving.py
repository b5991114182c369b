"""How costs leave: the money stays in the books of the unit above, by month, without pages, campaigns and references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text, update

from server.metering.models import CarriedCostRow, CostRow
from server.tenants.leaving import How, Leaving, among, of_units
from server.tenants.uow import UnitOfWork

LEAVING = (
    Leaving(CostRow, How.ROWS, of_units(CostRow.unit_id)),
    Leaving(CarriedCostRow, How.ROWS, of_units(CarriedCostRow.unit_id)),
)

_CARRY = text("""
WITH gone AS (
  DELETE FROM cost WHERE organization_id = :organization AND unit_id = ANY (cast(:units AS uuid[]))
  RETURNING occurred_at, origin, currency, amount_micros, delivered
), summed AS (
  SELECT date_trunc('month', occurred_at AT TIME ZONE 'UTC')::date AS month, origin, currency,
    sum(amount_micros)::bigint AS amount_micros, sum(delivered)::bigint AS delivered, count(*) AS rows
  FROM gone GROUP BY 1, 2, 3
), carried AS (
  INSERT INTO carried_cost
    (organization_id, id, unit_id, left_unit_id, month, origin, currency, amount_micros, delivered)
  SELECT :organization, gen_random_uuid(), :above, :left, month, origin, currency, amount_micros, delivered FROM summed
)
SELECT currency, sum(amount_micros)::bigint AS amount_micros, sum(rows)::bigint AS rows FROM summed
GROUP BY currency ORDER BY currency
""")


@dataclass(frozen=True, slots=True)
class Carried:
    """What was carried over in one currency, and from how many priced events."""

    currency: str
    amount_micros: int
    rows: int


async def carry_over(uow: UnitOfWork, unit_ids: Sequence[UUID], above_id: UUID, left_id: UUID) -> list[Carried]:
    """Sum up the costs of units that leave for the unit above, and delete them, in one statement.

    Repeatable: what was carried is no cost any more.
    """
    await uow.session.execute(
        update(CarriedCostRow)
        .where(CarriedCostRow.organization_id == uow.scope.organization_id, CarriedCostRow.unit_id == among(unit_ids))
        .values(unit_id=above_id)
        .execution_options(synchronize_session=False)
    )
    values = {
        "organization": uow.scope.organization_id,
        "units": list(unit_ids),
        "above": above_id,
        "left": left_id,
    }
    return [Carried(*row) for row in await uow.session.execute(_CARRY, values)]
