"""SQL of tokens, apps and grants as one list: who made each, who answers for it, what it hangs on, and whether it lives."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    and_,
    case,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    true,
    union_all,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, aliased

from server.auth.models import AccessTokenRow
from server.auth.oauth_models import OAuthAppRow, OAuthGrantRow
from server.auth.repository import apps, tokens
from server.auth.rules import CredentialForm, CredentialState
from server.kit.pagination import Keyset, PageArguments, SortKey
from server.tenants.models import MemberRow
from server.tenants.rules import Permission
from server.tenants.scope import CredentialKind, Scope

_T, _A, _G = AccessTokenRow, OAuthAppRow, OAuthGrantRow
_BY_ITSELF = (CredentialKind.PERSONAL.value, CredentialKind.SERVICE.value)
"""The tokens of the list; those of sign-ins are sessions, and those of apps come and go by the hour."""


@dataclass(frozen=True, slots=True)
class CredentialView:
    """One token, app or grant. `unit_ids` and `permissions` None mean all that its member reaches and may."""

    form: CredentialForm
    id: UUID
    name: str
    token_kind: CredentialKind | None
    maker_id: UUID | None
    owner_id: UUID | None
    parent_id: UUID | None
    unit_ids: Sequence[UUID] | None
    permissions: Sequence[str] | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    ended_at: datetime | None
    cut_at: datetime | None
    state: CredentialState

    @property
    def is_transferable(self) -> bool:
        """Say whether somebody else can answer for it; what acts as a member cannot be anybody else's."""
        return self.form is CredentialForm.APP or self.token_kind is CredentialKind.SERVICE


@dataclass(frozen=True, slots=True)
class CredentialFilter:
    """What the list is cut to; None leaves a part open."""

    form: CredentialForm | None = None
    maker_id: UUID | None = None
    owner_id: UUID | None = None
    is_orphaned: bool | None = None
    is_active: bool | None = None


def _lives(
    organization_id: InstrumentedAttribute[UUID], parent_id: InstrumentedAttribute[UUID | None], *, unseen: bool = False
) -> ColumnElement[bool]:
    """Say whether the line above lives; `unseen` is the answer for a parent that the walls hide from the scope."""
    conditions = [parent_id.is_(None), func.ctx.line_lives(organization_id, parent_id)]
    if unseen:
        above = aliased(AccessTokenRow)
        conditions.append(~exists().where(above.organization_id == organization_id, above.id == parent_id))
    return or_(*conditions)


def _is_app_ended(
    organization_id: InstrumentedAttribute[UUID],
    app_id: InstrumentedAttribute[UUID] | InstrumentedAttribute[UUID | None],
) -> ColumnElement[bool]:
    over = or_(_A.archived_at.is_not(None), _A.expires_at <= func.clock_timestamp())
    ended = or_(over, ~_lives(_A.organization_id, _A.parent_id))
    return exists().where(_A.organization_id == organization_id, _A.id == app_id, ended)


def _is_deactivated(
    organization_id: ColumnElement[UUID] | InstrumentedAttribute[UUID],
    member_id: ColumnElement[UUID | None] | InstrumentedAttribute[UUID] | InstrumentedAttribute[UUID | None],
) -> ColumnElement[bool]:
    return exists().where(
        MemberRow.organization_id == organization_id, MemberRow.id == member_id, MemberRow.deactivated_at.is_not(None)
    )


def _tokens(seen: Sequence[ColumnElement[bool]], *, unseen: bool = False) -> Select[*tuple[object, ...]]:
    is_grant_ended = exists().where(
        _G.organization_id == _T.organization_id, _G.id == _T.grant_id, _G.revoked_at.is_not(None)
    )
    return select(
        literal(CredentialForm.TOKEN.value).label("form"),
        _T.organization_id,
        _T.id,
        _T.name,
        _T.kind.label("token_kind"),
        _T.maker_id,
        func.coalesce(_T.member_id, _T.owner_id).label("owner_id"),
        func.coalesce(_T.parent_id, _T.grant_id, _T.app_id).label("parent_id"),
        _T.unit_ids,
        _T.permissions,
        _T.created_at,
        _T.expires_at,
        _T.last_used_at,
        _T.revoked_at.label("ended_at"),
        _T.cut_at,
        and_(
            _lives(_T.organization_id, _T.parent_id, unseen=unseen),
            ~_is_app_ended(_T.organization_id, _T.app_id),
            ~is_grant_ended,
            ~_is_deactivated(_T.organization_id, _T.member_id),
        ).label("has_parent"),
    ).where(*seen)


def _apps(seen: Sequence[ColumnElement[bool]], *, unseen: bool = False) -> Select[*tuple[object, ...]]:
    return select(
        literal(CredentialForm.APP.value),
        _A.organization_id,
        _A.id,
        _A.name,
        null(),
        _A.member_id,
        _A.owner_id,
        _A.parent_id,
        _A.unit_ids,
        _A.permissions,
        _A.created_at,
        _A.expires_at,
        _used(_T.app_id == _A.id, _A.organization_id),
        _A.archived_at,
        _A.cut_at,
        _lives(_A.organization_id, _A.parent_id, unseen=unseen),
    ).where(*seen)


def _grants(seen: Sequence[ColumnElement[bool]]) -> Select[*tuple[object, ...]]:
    return select(
        literal(CredentialForm.APP_GRANT.value),
        _G.organization_id,
        _G.id,
        _G.app_name,
        null(),
        _G.member_id,
        _G.member_id,
        _G.app_id,
        _G.unit_ids,
        _G.permissions,
        _G.created_at,
        null(),
        _used(_T.grant_id == _G.id, _G.organization_id),
        _G.revoked_at,
        null(),
        and_(~_is_app_ended(_G.organization_id, _G.app_id), ~_is_deactivated(_G.organization_id, _G.member_id)),
    ).where(*seen)


def _used(of: ColumnElement[bool], organization_id: InstrumentedAttribute[UUID]) -> ColumnElement[datetime | None]:
    used = select(func.max(_T.last_used_at)).where(_T.organization_id == organization_id, of)
    return used.correlate(_A, _G).scalar_subquery()


def _seen_by(scope: Scope) -> FromClause:
    is_manager = Permission.TOKEN_MANAGE in scope.everywhere
    app_org, app_managed = apps.managed_by(scope)
    grant_org, grant_seen = apps.grants_seen_by(scope)
    mine = or_(_A.member_id == scope.actor.id, _A.owner_id == scope.actor.id)
    return union_all(
        _tokens(tokens.seen_by(scope), unseen=True),
        _apps([app_org, true() if is_manager else or_(mine, app_managed)], unseen=True),
        _grants([grant_org, true() if is_manager else grant_seen]),
    ).subquery("credential")


def _everything(organization_id: UUID) -> FromClause:
    return union_all(
        _tokens([_T.organization_id == organization_id]),
        _apps([_A.organization_id == organization_id]),
        _grants([_G.organization_id == organization_id]),
    ).subquery("credential")


def _state(found: FromClause) -> ColumnElement[str]:
    return case(
        (found.c.ended_at.is_not(None), CredentialState.ENDED.value),
        (found.c.expires_at <= func.clock_timestamp(), CredentialState.EXPIRED.value),
        (~found.c.has_parent, CredentialState.PARENT_ENDED.value),
        else_=CredentialState.ACTIVE.value,
    )


async def _views(session: AsyncSession, statement: Select[*tuple[object, ...]]) -> Sequence[CredentialView]:
    rows = (await session.execute(statement)).all()
    return [
        CredentialView(
            form=CredentialForm(row.form),
            id=row.id,
            name=row.name,
            token_kind=None if row.token_kind is None else CredentialKind(row.token_kind),
            maker_id=row.maker_id,
            owner_id=row.owner_id,
            parent_id=row.parent_id,
            unit_ids=row.unit_ids,
            permissions=row.permissions,
            created_at=row.created_at,
            expires_at=row.expires_at,
            last_used_at=row.last_used_at,
            ended_at=row.ended_at,
            cut_at=row.cut_at,
            state=CredentialState(row.state),
        )
        for row in rows
    ]


def _select(found: FromClause) -> Select[*tuple[object, ...]]:
    return select(found, _state(found).label("state"))


class CredentialList:
    """The list that one scope sees, newest first."""

    def __init__(self, scope: Scope, wanted: CredentialFilter) -> None:
        self._found = _seen_by(scope)
        self.keyset = Keyset((SortKey(self._found.c.id, UUID, descending=True),), ["credentials", repr(wanted)])
        self._conditions = list(_wanted(self._found, wanted))

    async def rows(self, session: AsyncSession, arguments: PageArguments) -> Sequence[CredentialView]:
        """Return up to `size + 1` of the page."""
        statement = (
            _select(self._found)
            .where(*self._conditions, *self.keyset.beyond(arguments))
            .order_by(*self.keyset.order(arguments))
            .limit(arguments.size + 1)
        )
        return await _views(session, statement)


def _wanted(found: FromClause, wanted: CredentialFilter) -> Sequence[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [or_(found.c.token_kind.is_(None), found.c.token_kind.in_(_BY_ITSELF))]
    for column, value in (
        (found.c.form, wanted.form and wanted.form.value),
        (found.c.maker_id, wanted.maker_id),
        (found.c.owner_id, wanted.owner_id),
    ):
        if value is not None:
            conditions.append(column == value)
    if wanted.is_active is not None:
        is_active = _state(found) == CredentialState.ACTIVE.value
        conditions.append(is_active if wanted.is_active else ~is_active)
    if wanted.is_orphaned is not None:
        nobody = or_(found.c.owner_id.is_(None), _is_deactivated(found.c.organization_id, found.c.owner_id))
        orphaned = and_(_answered_for(found), nobody, _state(found) == CredentialState.ACTIVE.value)
        conditions.append(orphaned if wanted.is_orphaned else ~orphaned)
    return conditions


def _answered_for(found: FromClause) -> ColumnElement[bool]:
    is_service = func.coalesce(found.c.token_kind, "") == CredentialKind.SERVICE.value
    return or_(found.c.form == CredentialForm.APP.value, is_service)


async def seen_by_id(session: AsyncSession, scope: Scope, ids: Collection[UUID]) -> Sequence[CredentialView]:
    """Return those of the credentials that the scope sees, the hourly tokens of apps too."""
    found = _seen_by(scope)
    return await _views(session, _select(found).where(found.c.id.in_(ids)).order_by(found.c.id))


async def seen_under(
    session: AsyncSession, scope: Scope, parent_ids: Collection[UUID], limit: int
) -> Sequence[CredentialView]:
    """Return what the scope sees of what hangs right on each of these and lives, oldest first; `limit` of each."""
    found = _seen_by(scope)
    ranked = (
        _select(found)
        .add_columns(func.row_number().over(partition_by=found.c.parent_id, order_by=found.c.id).label("place"))
        .where(found.c.parent_id.in_(parent_ids), _state(found) == CredentialState.ACTIVE.value)
        .subquery("ranked")
    )
    return await _views(session, select(ranked).where(ranked.c.place <= limit).order_by(ranked.c.id))


async def states(session: AsyncSession, organization_id: UUID, ids: Collection[UUID]) -> dict[UUID, CredentialState]:
    """Return where each of these stands, by all that is above it; to be asked over the whole organization."""
    found = _everything(organization_id)
    rows = await session.execute(select(found.c.id, _state(found).label("state")).where(found.c.id.in_(ids)))
    return {row.id: CredentialState(row.state) for row in rows}


async def active_under(
    session: AsyncSession, organization_id: UUID, parent_ids: Collection[UUID]
) -> Sequence[CredentialView]:
    """Return what hangs right on these and lives: tokens, apps and grants."""
    found = _everything(organization_id)
    is_active = _state(found) == CredentialState.ACTIVE.value
    return await _views(
        session, _select(found).where(found.c.parent_id.in_(parent_ids), is_active).order_by(found.c.id)
    )


async def active_owned(
    session: AsyncSession, organization_id: UUID, member_ids: Collection[UUID]
) -> Sequence[CredentialView]:
    """Return the service tokens and apps that these members answer for and that live."""
    found = _everything(organization_id)
    statement = _select(found).where(
        found.c.owner_id.in_(member_ids), _answered_for(found), _state(found) == CredentialState.ACTIVE.value
    )
    return await _views(session, statement.order_by(found.c.id))


async def end(session: AsyncSession, organization_id: UUID, ids: Collection[UUID]) -> None:
    """Revoke the tokens and archive the apps among these."""
    now = func.clock_timestamp()
    for table, column in ((_T, _T.revoked_at), (_A, _A.archived_at)):
        statement = update(table).where(table.organization_id == organization_id, table.id.in_(ids), column.is_(None))
        await session.execute(statement.values({column: now}).execution_options(synchronize_session=False))


async def give(session: AsyncSession, organization_id: UUID, ids: Collection[UUID], owner_id: UUID) -> None:
    """Let a member answer for these. What they hung on lets go of them, unless it is handed over with them."""
    for table in (_T, _A):
        kept = case((table.parent_id.in_(ids), table.parent_id))
        new_owner = case((_T.member_id.is_(None), owner_id)) if table is _T else owner_id
        statement = update(table).where(table.organization_id == organization_id, table.id.in_(ids))
        values = {table.owner_id: new_owner, table.parent_id: kept}
        await session.execute(statement.values(values).execution_options(synchronize_session=False))


async def take_untold_cuts(
    session: AsyncSession, organization_id: UUID, limit: int
) -> Sequence[tuple[UUID, str, datetime | None]]:
    """Mark cuts that are not in the trail yet as told, and return each with its name and its end."""
    told: list[tuple[UUID, str, datetime | None]] = []
    for table in (_T, _A):
        due = select(table.id).where(
            table.organization_id == organization_id, table.cut_at.is_not(None), table.cut_told_at.is_(None)
        )
        statement = (
            update(table)
            .where(
                table.organization_id == organization_id,
                table.id.in_(due.limit(limit).with_for_update(skip_locked=True)),
            )
            .values(cut_told_at=func.clock_timestamp())
            .returning(table.id, table.name, table.expires_at)
            .execution_options(synchronize_session=False)
        )
        told += [(row.id, row.name, row.expires_at) for row in await session.execute(statement)]
    return told
