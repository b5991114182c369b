"""How campaigns leave."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import update

from server.campaigns.models import CampaignPageRow, CampaignRecipientRow, CampaignRow, CampaignState
from server.sends import leaving as sends
from server.tenants.leaving import How, Leaving, among, of_contact, of_units
from server.tenants.uow import UnitOfWork

LEAVING = (
    Leaving(
        CampaignRecipientRow,
        How.ROWS,
        of_units(CampaignRecipientRow.unit_id),
        of_contact(CampaignRecipientRow.contact_id),
    ),
    Leaving(CampaignPageRow, How.ROWS, of_units(CampaignPageRow.unit_id)),
    Leaving(CampaignRow, How.ROWS, of_units(CampaignRow.unit_id)),
)
_ENDED = (CampaignState.DONE, CampaignState.CANCELLED)


async def stop(uow: UnitOfWork, unit_ids: Sequence[UUID]) -> int:
    """Cancel every campaign of these units that is not over, and withdraw its leave to send; return how many."""
    stopped = await uow.session.execute(
        update(CampaignRow)
        .where(
            CampaignRow.organization_id == uow.scope.organization_id,
            CampaignRow.unit_id == among(unit_ids),
            CampaignRow.state.not_in(_ENDED),
        )
        .values(state=CampaignState.CANCELLED, finished_at=await uow.now())
        .returning(CampaignRow.id)
        .execution_options(synchronize_session=False)
    )
    await sends.stop_batches(uow, unit_ids)
    uow.announce("campaigns")
    return len(stopped.all())
