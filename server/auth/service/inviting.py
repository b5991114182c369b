"""The side of those who invite: making, listing, revoking and mailing invitations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from server.audit import service as audit
from server.audit.actions import Action
from server.auth import tokens
from server.auth.errors import InvitationNotOpen, PersonNeeded, TooManyInvitations
from server.auth.jobs import SendInvitation
from server.auth.mail import Mail
from server.auth.models import InvitationRow
from server.auth.repository import invitations as repository
from server.auth.service.given import GivenRole, permissions_of, permissions_taken, require_giving
from server.auth.service.invitations import role_name
from server.config import Settings
from server.kit.crypto import keyed_hash
from server.kit.errors import DomainError, InvalidInput, NotFound, Problems
from server.kit.ids import new_id
from server.kit.pagination import Keyset, Page, PageArguments, SortKey
from server.tenants import service as tenants
from server.tenants.errors import AlreadyExists
from server.tenants.reach import units_below
from server.tenants.rules import Permission, address_key, name_problems
from server.tenants.scope import ActorKind
from server.tenants.uow import UnitOfWork

LIFE = timedelta(days=7)
MOST_AN_HOUR = 50
MOST_MAILS = 5


class InvitationState(StrEnum):
    """Where an invitation stands; all but OPEN are final."""

    OPEN = "OPEN"
    ACCEPTED = "ACCEPTED"
    REVOKED = "REVOKED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True)
class NewInvitation:
    """What is offered to whom: a role on a unit and everything under it."""

    email: str
    name: str
    unit_id: UUID
    given: GivenRole


@dataclass(frozen=True, slots=True)
class InvitationView:
    """An invitation and where it stands at the moment of reading."""

    row: InvitationRow
    state: InvitationState


def state_of(row: InvitationRow, now: datetime) -> InvitationState:
    """Return where an invitation stands at a moment."""
    if row.accepted_at is not None:
        return InvitationState.ACCEPTED
    if row.revoked_at is not None:
        return InvitationState.REVOKED
    return InvitationState.OPEN if row.expires_at > now else InvitationState.EXPIRED


async def create_invitation(uow: UnitOfWork, new: NewInvitation) -> InvitationRow:
    """Offer a role to an address and owe the mail. Needs member:manage on the unit and every permission of the role there.

    Open for 7 days; at most 50 per person and hour. Raises NotFound, PermissionDenied, PersonNeeded for an app,
    RoleArchived, AlreadyExists for the same open offer, TooManyInvitations.
    """
    if uow.scope.actor.kind is not ActorKind.MEMBER:
        raise PersonNeeded
    organization_id, given = uow.scope.organization_id, new.given
    await require_giving(uow, new.unit_id, await permissions_of(uow, given))
    await tenants.lock_people(uow)
    email = address_key(new.email)
    problems: list[DomainError] = [*name_problems(new.name)]
    if email is None:
        problems.append(InvalidInput("This is not an e-mail address.", path=("email",)))
    elif await repository.has_same(uow.session, organization_id, email, new.unit_id, given.role, given.custom_role_id):
        problems.append(AlreadyExists("The same invitation is open. Have it mailed again.", path=("email",)))
    if problems or email is None:
        raise Problems(problems)
    if await repository.count_lately(uow.session, organization_id, uow.scope.actor.id) >= MOST_AN_HOUR:
        raise TooManyInvitations(f"You made {MOST_AN_HOUR} invitations within the last hour. Make more later.")
    row = InvitationRow(
        organization_id=organization_id,
        id=new_id(),
        unit_id=new.unit_id,
        email=email,
        name=new.name,
        role=given.role,
        custom_role_id=given.custom_role_id,
        invited_by=uow.scope.actor.id,
        mails=1,
        expires_at=await uow.now() + LIFE,
    )
    uow.session.add(row)
    await uow.session.flush()
    uow.defer(SendInvitation(row.id), key=str(row.id))
    told = {"unit": str(row.unit_id), "role": await role_name(uow, row)}
    await audit.record(uow, Action.INVITATION_CREATE, row.id, told)
    return row


async def revoke_invitation(uow: UnitOfWork, invitation_id: UUID) -> None:
    """Make the link useless at once. Needs member:manage on the unit. Raises NotFound or InvitationNotOpen."""
    row = await _managed(uow, invitation_id)
    row.revoked_at, row.token_hash = await uow.now(), None
    await uow.session.flush()
    await audit.record(uow, Action.INVITATION_REVOKE, row.id, {"unit": str(row.unit_id)})


async def resend_invitation(uow: UnitOfWork, invitation_id: UUID) -> None:
    """Owe another mail with a new link, open for 7 days from now; at most 5 mails in all. The earlier link stops.

    Needs member:manage on the unit and every permission of the role. Raises NotFound, PermissionDenied,
    InvitationNotOpen, TooManyInvitations.
    """
    row = await _managed(uow, invitation_id)
    given = GivenRole(row.role, row.custom_role_id)
    await require_giving(uow, row.unit_id, await permissions_taken(uow, given))
    if row.mails >= MOST_MAILS:
        raise TooManyInvitations(f"This invitation was mailed {MOST_MAILS} times. Revoke it and make a new one.")
    row.mails += 1
    row.expires_at, row.token_hash, row.bounced_at = await uow.now() + LIFE, None, None
    await uow.session.flush()
    uow.defer(SendInvitation(row.id), key=str(row.id))
    await audit.record(uow, Action.INVITATION_RESEND, row.id, {"unit": str(row.unit_id), "mails": row.mails})


async def _managed(uow: UnitOfWork, invitation_id: UUID) -> InvitationRow:
    managed = uow.scope.units_with(Permission.MEMBER_MANAGE)
    seen = await repository.by_ids(uow.session, uow.scope.organization_id, managed, [invitation_id])
    if not seen:
        raise NotFound(path=("invitationId",))
    row = await repository.lock_open(uow.session, uow.scope.organization_id, invitation_id)
    if row is None:
        raise InvitationNotOpen
    return row


async def list_invitations(
    uow: UnitOfWork, arguments: PageArguments, *, unit_id: UUID | None = None, is_open: bool | None = None
) -> Page[InvitationView]:
    """List invitations at units where the actor holds member:manage, newest first; of one unit and under it, if given."""
    uow.scope.require_anywhere(Permission.MEMBER_MANAGE)
    at: frozenset[UUID] | None = _managed_units(uow)
    if unit_id is not None:
        below = await units_below(uow, unit_id)
        at = below if at is None else below & at
    keyset = Keyset((SortKey(InvitationRow.id, UUID, descending=True),), ["invitations", unit_id, is_open])
    rows = await repository.list_invitations(
        uow.session, uow.scope.organization_id, at, keyset, arguments, is_open=is_open
    )
    now = await uow.now()
    page = keyset.page(rows, arguments, lambda row: (row.id,))
    return page.map(lambda row: InvitationView(row, state_of(row, now)))


async def invitations_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Mapping[UUID, InvitationView]:
    """Return those of the invitations that `list_invitations` would list."""
    rows = await repository.by_ids(uow.session, uow.scope.organization_id, _managed_units(uow), ids)
    now = await uow.now()
    return {row.id: InvitationView(row, state_of(row, now)) for row in rows}


def _managed_units(uow: UnitOfWork) -> frozenset[UUID] | None:
    managed = uow.scope.units_with(Permission.MEMBER_MANAGE)
    return None if managed is None else frozenset(managed)


async def write_invitation(uow: UnitOfWork, settings: Settings, invitation_id: UUID) -> Mail | None:
    """Make a new secret for the link, keep its hash, and return the mail; None if the invitation is not open any more.

    The caller commits before it sends: a link that is out works, and one that was not sent is replaced by the next try.
    The mail's key is new each time, so that no mail program takes the newer mail for the older one.
    """
    row = await repository.lock_open(uow.session, uow.scope.organization_id, invitation_id)
    if row is None:
        return None
    secret = tokens.make_invitation(row.organization_id)
    row.token_hash = keyed_hash(settings.security.pepper.get_secret_value(), secret)
    await uow.session.flush()
    organization = (await tenants.organization(uow)).name
    unit = (await tenants.unit(uow, row.unit_id)).name
    link = f"{settings.web.public_url.rstrip('/')}/invitations/{secret}"
    text = (
        f"Hello {row.name},\n\n{organization} invites you to work on {unit} in Switchboard"
        f" with the role {await role_name(uow, row)}.\n\nAccept here, signed in with this e-mail address:\n{link}\n\n"
        f"The link works once, until {row.expires_at:%Y-%m-%d %H:%M} UTC. If you did not expect it, do nothing.\n"
    )
    return Mail(row.email, f"Invitation to {organization}", text, f"invitation-{new_id().hex}")


async def note_mailed(uow: UnitOfWork, invitation_id: UUID) -> None:
    """Note that the mail was handed over."""
    row = await repository.lock_open(uow.session, uow.scope.organization_id, invitation_id)
    if row is not None:
        row.mailed_at, row.bounced_at = await uow.now(), None


async def note_bounced(uow: UnitOfWork, invitation_id: UUID) -> None:
    """Note that the address was refused for good; whoever invited sees it in the list."""
    row = await repository.lock_open(uow.session, uow.scope.organization_id, invitation_id)
    if row is not None:
        row.bounced_at = await uow.now()
