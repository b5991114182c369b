"""Grants whose tokens end and rotate: the same account here and at the stand-in's X."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text, update

from server.channels.models import ConnectedAccountRow
from server.channels.service import PageRef
from server.channels.service.pages import refresh_identity
from server.kit import jobs
from server.kit.db import Database
from server.kit.ids import new_id
from server.platforms.port import Channel
from server.tenants.uow import begin, begin_read
from tests.factories.channels import a_page
from tests.factories.tenants import AnOrganization, an_agency
from tests.standin_server import Platform
from workers.run import Run, Runtime


@dataclass(frozen=True, slots=True)
class AnAccount:
    """A tenant with one page whose calls use a grant that can be renewed."""

    organization: AnOrganization
    page: PageRef
    account_id: UUID


async def a_renewable(
    database: Database, platform: Platform, *, ends_in: timedelta = timedelta(seconds=30)
) -> AnAccount:
    """A page on X whose token ends so soon; the stand-in knows both tokens."""
    organization = await an_agency(database)
    external_id = str(10**15 + new_id().int % 10**15)
    access, renewing = f"access-{new_id().hex}", f"refresh-{new_id().hex}"
    body = {"id": external_id, "name": "Bakery", "access_token": access, "refresh_token": renewing}
    await platform.control("x/accounts", body)
    page = await a_page(
        database,
        organization,
        organization.units["client 1"],
        channel=Channel.X,
        external_id=external_id,
        token="",
        account_token=access,
        ad_account_id=None,
    )
    async with begin(database, organization.scope) as uow:
        account_id = (
            await uow.session.execute(text("SELECT account_id FROM page WHERE id = :id"), {"id": page.id})
        ).scalar_one()
        now = datetime.now(UTC)
        await uow.session.execute(
            update(ConnectedAccountRow)
            .where(ConnectedAccountRow.id == account_id)
            .values(
                external_id=external_id,
                is_refreshable=True,
                token_expires_at=now + ends_in,
                tokens_at=now + ends_in - timedelta(hours=2),
                refresh_token_sealed=uow.keys.seal(renewing, refresh_identity(organization.id, account_id)),
            )
        )
    return AnAccount(organization, page, account_id)


def a_run(runtime: Runtime, organization_id: UUID) -> Run:
    """A run of some job of the organization, outside of any queue."""
    claimed = jobs.ClaimedJob(organization_id, new_id(), "test", {}, 1, 1, 0)
    return Run(runtime, claimed, runtime.lock.worker_id)


async def the_account(database: Database, account: AnAccount) -> ConnectedAccountRow:
    """Read the grant."""
    async with begin_read(database, account.organization.scope) as uow:
        found = await uow.session.get(ConnectedAccountRow, (account.organization.id, account.account_id))
        assert found is not None
        return found


async def health_of(database: Database, page: PageRef, organization: AnOrganization) -> tuple[str, str | None]:
    """Read what a page shows of its health."""
    async with begin_read(database, organization.scope) as uow:
        row = await uow.session.execute(text("SELECT health, health_reason FROM page WHERE id = :id"), {"id": page.id})
        health, reason = row.one()
        return health, reason


async def at_x(platform: Platform, account: AnAccount) -> dict[str, Any]:
    """Look at the account from the other side: its live tokens, and how often it was renewed."""
    told: dict[str, Any] = await platform.control(f"x/accounts/{account.page.external_id}", method="GET")
    return told


async def age(database: Database, account: AnAccount, **values: str) -> None:
    """Set columns of the grant to SQL expressions, as if time had passed."""
    assignments = ", ".join(f"{name} = {value}" for name, value in values.items())
    async with begin(database, account.organization.scope) as uow:
        await uow.session.execute(
            text(f"UPDATE connected_account SET {assignments} WHERE id = :id"), {"id": account.account_id}
        )


def a_rule(action: str, **more: object) -> dict[str, object]:
    """A fault plan with one rule about renewals."""
    return json.loads(json.dumps({"seed": 1, "rules": [{"match": {"op": "refresh"}, "action": action, **more}]}))
