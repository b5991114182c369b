"""How tokens leave, and the apps of third parties that hold some of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Select, Uuid, all_, delete, func, literal, not_, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute

from server.auth.factor_models import (
    SignInChallengeRow,
    UserIdentityRow,
    UserPasskeyRow,
    UserRecoveryCodeRow,
    UserTotpRow,
)
from server.auth.models import (
    AccessTokenRow,
    DevMailRow,
    InvitationRow,
    SignInTicketRow,
    UserAccountRow,
    UserMailRow,
    UserSessionRow,
)
from server.auth.oauth_models import OAuthAppRow, OAuthCodeRow, OAuthDeviceRow, OAuthGrantRow, OAuthRefreshTokenRow
from server.kit.ratelimit import RateBucketRow
from server.tenants.leaving import How, Leaving, among, of_units
from server.tenants.uow import UnitOfWork

_ACCOUNT = "belongs to a person, not to an organization; after the off-boarding it leads nowhere in this one"

_QUIET = {"synchronize_session": False}


def _apps(unit_ids: Sequence[UUID]) -> ColumnElement[bool]:
    held: ColumnElement[bool] = OAuthAppRow.unit_ids.contained_by(_array(unit_ids))
    return held


def _grants(unit_ids: Sequence[UUID]) -> ColumnElement[bool]:
    row = OAuthGrantRow
    return or_(row.unit_ids.contained_by(_array(unit_ids)), row.app_id.in_(_app_ids(row.organization_id, unit_ids)))


def _tokens(unit_ids: Sequence[UUID]) -> ColumnElement[bool]:
    row = AccessTokenRow
    return or_(
        row.unit_ids.contained_by(_array(unit_ids)),
        row.app_id.in_(_app_ids(row.organization_id, unit_ids)),
        row.grant_id.in_(_grant_ids(row.organization_id, unit_ids)),
    )


def _codes(unit_ids: Sequence[UUID]) -> ColumnElement[bool]:
    row = OAuthCodeRow
    return row.grant_id.in_(_grant_ids(row.organization_id, unit_ids))


def _refresh_tokens(unit_ids: Sequence[UUID]) -> ColumnElement[bool]:
    row = OAuthRefreshTokenRow
    return row.grant_id.in_(_grant_ids(row.organization_id, unit_ids))


def _devices(unit_ids: Sequence[UUID]) -> ColumnElement[bool]:
    row = OAuthDeviceRow
    return or_(
        row.app_id.in_(_app_ids(row.organization_id, unit_ids)),
        row.grant_id.in_(_grant_ids(row.organization_id, unit_ids)),
    )


def _app_ids(organization: InstrumentedAttribute[UUID], unit_ids: Sequence[UUID]) -> Select[UUID]:
    return select(OAuthAppRow.id).where(organization == OAuthAppRow.organization_id, _apps(unit_ids))


def _grant_ids(organization: InstrumentedAttribute[UUID], unit_ids: Sequence[UUID]) -> Select[UUID]:
    return select(OAuthGrantRow.id).where(organization == OAuthGrantRow.organization_id, _grants(unit_ids))


def _array(ids: Sequence[UUID]) -> ColumnElement[Sequence[UUID]]:
    return literal(list(ids), ARRAY(Uuid()))


LEAVING = (
    Leaving(AccessTokenRow, How.ROWS, _tokens),
    Leaving(OAuthCodeRow, How.ROWS, _codes),
    Leaving(OAuthRefreshTokenRow, How.ROWS, _refresh_tokens),
    Leaving(OAuthDeviceRow, How.ROWS, _devices),
    Leaving(OAuthGrantRow, How.ROWS, _grants),
    Leaving(OAuthAppRow, How.ROWS, _apps),
    Leaving(InvitationRow, How.STAFF, of_units(InvitationRow.unit_id)),
    Leaving(UserAccountRow, How.STAYS, note=_ACCOUNT),
    Leaving(UserSessionRow, How.STAYS, note=_ACCOUNT),
    Leaving(UserTotpRow, How.STAYS, note=_ACCOUNT),
    Leaving(UserRecoveryCodeRow, How.STAYS, note=_ACCOUNT),
    Leaving(UserPasskeyRow, How.STAYS, note=_ACCOUNT),
    Leaving(UserIdentityRow, How.STAYS, note=_ACCOUNT),
    Leaving(SignInChallengeRow, How.STAYS, note=_ACCOUNT),
    Leaving(SignInTicketRow, How.STAYS, note=_ACCOUNT),
    Leaving(UserMailRow, How.STAYS, note=_ACCOUNT),
    Leaving(RateBucketRow, How.STAYS, note="counts tries under keyed hashes, for minutes"),
    Leaving(DevMailRow, How.STAYS, note="exists on development machines only, belongs to no organization"),
)


@dataclass(frozen=True, slots=True)
class TokensRemoved:
    """How many tokens were deleted because all their units leave, and how many revoked because their people left."""

    deleted: int
    revoked: int


@dataclass(frozen=True, slots=True)
class AppsRemoved:
    """How many apps ended because all their units leave, how many lost some units, and how many grants ended."""

    archived: int
    cut: int
    grants_revoked: int


async def remove_tokens(uow: UnitOfWork, unit_ids: Sequence[UUID], member_ids: Sequence[UUID]) -> TokensRemoved:
    """Delete the tokens that reach nothing but these units or hang on an app or grant that does, revoke all others of
    these members, and take the units off what is left. Repeatable.
    """
    mine = AccessTokenRow.organization_id == uow.scope.organization_id
    deleted = await uow.session.execute(
        delete(AccessTokenRow).where(mine, _tokens(unit_ids)).returning(AccessTokenRow.id).execution_options(**_QUIET)
    )
    revoked = await uow.session.execute(
        update(AccessTokenRow)
        .where(mine, AccessTokenRow.member_id == among(member_ids), AccessTokenRow.revoked_at.is_(None))
        .values(revoked_at=func.clock_timestamp())
        .returning(AccessTokenRow.id)
        .execution_options(**_QUIET)
    )
    await _cut(uow, AccessTokenRow, unit_ids)
    return TokensRemoved(len(deleted.all()), len(revoked.all()))


async def remove_apps(uow: UnitOfWork, unit_ids: Sequence[UUID], member_ids: Sequence[UUID]) -> AppsRemoved:
    """Archive the apps that act on nothing but these units, revoke their grants, those for nothing but these units and
    those of these members, and take the units off all other apps and grants. The rows go with the others. Repeatable.
    """
    organization_id = uow.scope.organization_id
    archived = await uow.session.execute(
        update(OAuthAppRow)
        .where(OAuthAppRow.organization_id == organization_id, _apps(unit_ids), OAuthAppRow.archived_at.is_(None))
        .values(archived_at=func.clock_timestamp())
        .returning(OAuthAppRow.id)
        .execution_options(**_QUIET)
    )
    revoked = await uow.session.execute(
        update(OAuthGrantRow)
        .where(
            OAuthGrantRow.organization_id == organization_id,
            or_(_grants(unit_ids), OAuthGrantRow.member_id == among(member_ids)),
            OAuthGrantRow.revoked_at.is_(None),
        )
        .values(revoked_at=func.clock_timestamp())
        .returning(OAuthGrantRow.id)
        .execution_options(**_QUIET)
    )
    cut = await _cut(uow, OAuthAppRow, unit_ids)
    await _cut(uow, OAuthGrantRow, unit_ids)
    return AppsRemoved(len(archived.all()), cut, len(revoked.all()))


async def _cut(
    uow: UnitOfWork, table: type[OAuthAppRow | OAuthGrantRow | AccessTokenRow], unit_ids: Sequence[UUID]
) -> int:
    """Take these units off rows that have others besides; return how many rows."""
    left = _array(unit_ids)
    one = func.unnest(table.unit_ids).column_valued("one")
    kept = select(one).where(one != all_(left)).scalar_subquery()
    changed = await uow.session.execute(
        update(table)
        .where(
            table.organization_id == uow.scope.organization_id,
            table.unit_ids.overlap(left),
            not_(table.unit_ids.contained_by(left)),
        )
        .values(unit_ids=func.array(kept))
        .returning(table.id)
        .execution_options(**_QUIET)
    )
    return len(changed.all())
