"""The side of the one who is invited: reading what a link offers, and accepting it.

Everything happens in the organization that the link names, by the keyed hash of its secret. A link that is unknown, used,
over or revoked is the same thing to a stranger: nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from server.audit import service as audit
from server.audit.actions import Action
from server.auth import tokens
from server.auth.errors import (
    AddressTaken,
    InvitationForAnother,
    InvitationInvalid,
    InvitationNotGrantable,
    MemberDeactivated,
)
from server.auth.models import InvitationRow
from server.auth.repository import invitations as repository
from server.auth.repository import people
from server.auth.repository.tokens import known
from server.config import Settings
from server.kit.crypto import keyed_hash
from server.kit.db import Database
from server.kit.ids import new_id
from server.tenants import service as tenants
from server.tenants.errors import Separated
from server.tenants.models import MemberRow, MembershipRow
from server.tenants.rules import ROLE_PERMISSIONS, Permission, address_key, name_problems
from server.tenants.scope import worker_scope
from server.tenants.uow import UnitOfWork, begin, begin_read


@dataclass(frozen=True, slots=True)
class Invited:
    """What an open link offers, for the page that asks whether to accept it."""

    organization_name: str
    email: str
    unit_name: str
    role_name: str
    expires_at: datetime


async def read_invitation(database: Database, settings: Settings, token: str) -> Invited | None:
    """Return what the link offers; None unless it is open. Changes nothing, so that a mail scanner may follow it."""
    bearer = tokens.read_invitation(token)
    if bearer is None:
        return None
    async with begin_read(database, worker_scope(bearer.organization_id)) as uow:
        digest = keyed_hash(settings.security.pepper.get_secret_value(), bearer.text)
        row = await repository.open_by_hash(uow.session, bearer.organization_id, digest)
        if row is None:
            return None
        return Invited(
            organization_name=(await tenants.organization(uow)).name,
            email=row.email,
            unit_name=(await tenants.unit(uow, row.unit_id)).name,
            role_name=await role_name(uow, row),
            expires_at=row.expires_at,
        )


async def accept_invitation(
    database: Database, settings: Settings, token: str, *, user_id: UUID, email: str, name: str
) -> UUID:
    """Make the account a member with the offered role, or give the role to the member that it is; return the organization.

    `email` is the address that the account has proved. One of several concurrent callers wins. Raises InvitationInvalid,
    InvitationForAnother, InvitationNotGrantable when the inviter may not give the role any more, MemberDeactivated,
    AddressTaken and Separated; then the link stays open.
    """
    bearer = tokens.read_invitation(token)
    if bearer is None:
        raise InvitationInvalid
    async with begin(database, worker_scope(bearer.organization_id)) as uow:
        await tenants.lock_people(uow)
        digest = keyed_hash(settings.security.pepper.get_secret_value(), bearer.text)
        row = await repository.lock_open_by_hash(uow.session, bearer.organization_id, digest)
        if row is None:
            raise InvitationInvalid
        if address_key(email) != row.email:
            raise InvitationForAnother
        await _check_grantable(uow, row)
        member = await _member(uow, row, user_id, name)
        await _grant(uow, row, member.id)
        await _check_separation(uow, member.id)
        row.accepted_at, row.member_id = await uow.now(), member.id
        await uow.session.flush()
        await audit.record(
            uow,
            Action.INVITATION_ACCEPT,
            row.id,
            {"member": str(member.id), "unit": str(row.unit_id), "role": await role_name(uow, row)},
        )
    return bearer.organization_id


async def role_name(uow: UnitOfWork, row: InvitationRow) -> str:
    """Return what people call the offered role."""
    if row.role is not None:
        return row.role.value
    custom = await people.custom_role(uow.session, row.organization_id, _custom(row))
    return "" if custom is None else custom.name


def _custom(row: InvitationRow) -> UUID:
    if row.custom_role_id is None:
        raise InvitationNotGrantable
    return row.custom_role_id


async def _check_grantable(uow: UnitOfWork, row: InvitationRow) -> None:
    """An offer is as good as the right of the one who made it is now, not as it was then."""
    held = await people.held_on(uow.session, row.organization_id, row.invited_by, row.unit_id)
    offered: frozenset[Permission] | None = ROLE_PERMISSIONS[row.role] if row.role is not None else None
    if offered is None:
        custom = await people.custom_role(uow.session, row.organization_id, _custom(row))
        offered = None if custom is None or custom.archived_at is not None else known(custom.permissions)
    if offered is None or Permission.MEMBER_MANAGE not in held or not offered <= held:
        raise InvitationNotGrantable


async def _member(uow: UnitOfWork, row: InvitationRow, user_id: UUID, name: str) -> MemberRow:
    found = await people.member_of_user(uow.session, row.organization_id, user_id)
    if found is not None:
        if found.deactivated_at is not None:
            raise MemberDeactivated
        return found
    if await people.has_address(uow.session, row.organization_id, row.email):
        raise AddressTaken
    called = row.name if name_problems(name) else name
    return await tenants.create_member(uow, name=called, email=row.email, user_id=user_id)


async def _check_separation(uow: UnitOfWork, member_id: UUID) -> None:
    try:
        await tenants.check_separation(uow, [member_id])
    except Separated:
        raise Separated from None  # without the units: who is invited must not learn which one competes with which


async def _grant(uow: UnitOfWork, row: InvitationRow, member_id: UUID) -> None:
    same = await people.same_grant(
        uow.session, row.organization_id, member_id, row.unit_id, row.role, row.custom_role_id
    )
    if same is None:
        uow.session.add(
            MembershipRow(
                organization_id=row.organization_id,
                id=new_id(),
                member_id=member_id,
                unit_id=row.unit_id,
                role=row.role,
                custom_role_id=row.custom_role_id,
            )
        )
        await uow.session.flush()
