"""A person answers a device that shows eight letters (RFC 8628, 3.3)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from uuid import UUID

from server.auth import oauth_rules as rules
from server.auth.oauth_models import OAuthAppRow, OAuthDeviceRow
from server.auth.repository import oauth as repository
from server.auth.service.oauth.consent import Consent, Decision, acting, give, member_of, offer
from server.auth.service.sessions import affiliations
from server.config import Settings
from server.kit.crypto import keyed_hash
from server.kit.db import Database
from server.tenants.models import MemberRow
from server.tenants.rules import Permission
from server.tenants.scope import worker_scope
from server.tenants.uow import UnitOfWork, begin


@dataclass(frozen=True, slots=True)
class _Waiting:
    uow: UnitOfWork
    device: OAuthDeviceRow
    app: OAuthAppRow
    member: MemberRow

    @property
    def permissions(self) -> frozenset[Permission]:
        return rules.known(self.device.permissions) & rules.known(self.app.permissions)


async def ask_for_device(database: Database, settings: Settings, user_id: UUID, user_code: str) -> Consent | None:
    """Return what to show to the person who typed a code; None for one that is wrong, old or answered.

    The code is looked for in the person's own organizations: one of another organization is as wrong as any.
    """
    async with _waiting(database, settings, user_id, user_code) as found:
        return None if found is None else await offer(found.uow, found.app, found.member, found.permissions)


async def decide_for_device(
    database: Database, settings: Settings, user_id: UUID, user_code: str, decision: Decision
) -> bool:
    """Give the device its answer; say whether there was one that waited and the person could give it."""
    async with _waiting(database, settings, user_id, user_code) as found:
        if found is None:
            return False
        if decision.is_granted:
            granted = await give(found.uow, found.app, found.member, found.permissions, decision.unit_ids)
            if granted is None:
                return False
            found.device.grant_id = granted.grant.id
        found.device.decided_at = await found.uow.now()
        return True


@asynccontextmanager
async def _waiting(
    database: Database, settings: Settings, user_id: UUID, user_code: str
) -> AsyncIterator[_Waiting | None]:
    letters = rules.plain_user_code(user_code)
    organization_id = None if letters is None else await _organization_of(database, settings, user_id, letters)
    member = None if organization_id is None else await member_of(database, organization_id, user_id)
    if letters is None or organization_id is None or member is None:
        yield None
        return
    async with begin(database, replace(worker_scope(organization_id), actor=acting(member))) as uow:
        device = await repository.lock_waiting_device(uow.session, organization_id, _digest(settings, letters))
        app = None if device is None else await repository.app(uow.session, organization_id, device.app_id)
        yield None if device is None or app is None else _Waiting(uow, device, app, member)


async def _organization_of(database: Database, settings: Settings, user_id: UUID, letters: str) -> UUID | None:
    digest = _digest(settings, letters)
    for one in await affiliations(database, user_id):
        async with begin(database, worker_scope(one.organization_id)) as uow:
            if await repository.lock_waiting_device(uow.session, one.organization_id, digest) is not None:
                return one.organization_id
    return None


def _digest(settings: Settings, letters: str) -> bytes:
    return keyed_hash(settings.security.pepper.get_secret_value(), letters)
