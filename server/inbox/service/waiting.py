"""When people who wait for an answer should get it, by what their unit promises now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from server.inbox.repository import waiting as repository
from server.tenants import service as tenants
from server.tenants.rules import Permission
from server.tenants.settings import FirstResponse, SettingName
from server.tenants.uow import UnitOfWork


@dataclass(frozen=True, slots=True)
class AnswerDue:
    """Until when somebody should be answered, and whether that has passed."""

    at: datetime
    is_overdue: bool


async def answers_due(uow: UnitOfWork, ids: Sequence[UUID]) -> Mapping[UUID, AnswerDue]:
    """Return when the conversations that wait should be answered, of those that the scope may read, by id.

    The promise is the effective one at this moment. The number of SQL statements is the same for any number of ids.
    """
    name = SettingName.FIRST_RESPONSE_SLA
    units = uow.scope.units_with(Permission.INBOX_READ)
    found = await repository.waiting(uow.session, uow.scope.organization_id, ids, units)
    promised = await tenants.effective_many(uow, {one.unit_id for one in found}, [name])
    now = await uow.now()
    due: dict[UUID, AnswerDue] = {}
    for one in found:
        value = promised[one.unit_id][name].value
        if isinstance(value, FirstResponse) and value.minutes is not None:
            at = one.since + timedelta(minutes=value.minutes)
            due[one.conversation_id] = AnswerDue(at, at < now)
    return due
