"""SQL of templates and their versions: who sees which, and the rows as they were written.

A scope with template:read on the owner unit sees all of a template. Any other sees what a live release placed on a unit where
it has that permission.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from server.kit.ids import new_id
from server.kit.nested import Batch, rows_of_each
from server.kit.pagination import Keyset, PageArguments
from server.templates.models import (
    ReleaseState,
    ReplyTemplateRow,
    TemplatePlacementRow,
    TemplatePurpose,
    TemplateReleaseRow,
    TemplateVersionRow,
)
from server.tenants.cuts import is_one_of
from server.tenants.rules import Permission
from server.tenants.scope import Scope


def _reaches(scope: Scope, owner: InstrumentedAttribute[UUID], *placed: ColumnElement[bool]) -> ColumnElement[bool]:
    units = scope.units_with(Permission.TEMPLATE_READ)
    if units is None:
        return true()
    # A join, and not two tables side by side: inside of a LATERAL, SQLAlchemy's search for missing joins does not see those.
    release = and_(
        TemplateReleaseRow.organization_id == TemplatePlacementRow.organization_id,
        TemplateReleaseRow.id == TemplatePlacementRow.release_id,
    )
    live = (
        select(TemplatePlacementRow.release_id)
        .join(TemplateReleaseRow, release)
        .where(
            TemplatePlacementRow.organization_id == scope.organization_id,
            is_one_of(TemplatePlacementRow.unit_id, units),
            TemplateReleaseRow.state != ReleaseState.ROLLED_BACK,
            *placed,
        )
        .exists()
    )
    return or_(is_one_of(owner, units), live)


def _sees_template(scope: Scope) -> ColumnElement[bool]:
    return _reaches(scope, ReplyTemplateRow.unit_id, TemplatePlacementRow.template_id == ReplyTemplateRow.id)


def _sees_version(scope: Scope) -> ColumnElement[bool]:
    return _reaches(
        scope,
        TemplateVersionRow.unit_id,
        TemplatePlacementRow.template_id == TemplateVersionRow.template_id,
        TemplatePlacementRow.version_id == TemplateVersionRow.id,
    )


async def insert_template(
    session: AsyncSession, organization_id: UUID, unit_id: UUID, name: str, purpose: TemplatePurpose
) -> ReplyTemplateRow | None:
    """Insert a template, or return None when the unit has one of this name."""
    statement = (
        insert(ReplyTemplateRow)
        .values(organization_id=organization_id, id=new_id(), unit_id=unit_id, name=name, purpose=purpose)
        .on_conflict_do_nothing(index_elements=["organization_id", "unit_id", "name"])
        .returning(ReplyTemplateRow)
    )
    return (await session.scalars(statement)).one_or_none()


async def template(session: AsyncSession, scope: Scope, template_id: UUID) -> ReplyTemplateRow | None:
    """Return one template that the scope sees."""
    statement = (
        select(ReplyTemplateRow)
        .where(
            ReplyTemplateRow.organization_id == scope.organization_id,
            ReplyTemplateRow.id == template_id,
            _sees_template(scope),
        )
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(statement)).one_or_none()


async def templates_by_id(session: AsyncSession, scope: Scope, ids: Sequence[UUID]) -> Sequence[ReplyTemplateRow]:
    """Return the templates with these ids that the scope sees, as they are now."""
    statement = select(ReplyTemplateRow).where(
        ReplyTemplateRow.organization_id == scope.organization_id,
        is_one_of(ReplyTemplateRow.id, ids),
        _sees_template(scope),
    )
    return (await session.scalars(statement.execution_options(populate_existing=True))).all()


async def list_templates(
    session: AsyncSession,
    scope: Scope,
    keyset: Keyset,
    arguments: PageArguments,
    unit_id: UUID | None,
    *,
    archived: bool,
) -> Sequence[ReplyTemplateRow]:
    """Return up to `size + 1` templates of the page, in the keyset's order."""
    statement = select(ReplyTemplateRow).where(
        ReplyTemplateRow.organization_id == scope.organization_id, _sees_template(scope), *keyset.beyond(arguments)
    )
    if unit_id is not None:
        statement = statement.where(ReplyTemplateRow.unit_id == unit_id)
    if not archived:
        statement = statement.where(ReplyTemplateRow.archived_at.is_(None))
    ordered = statement.order_by(*keyset.order(arguments)).limit(arguments.size + 1)
    return (await session.scalars(ordered)).all()


async def next_number(session: AsyncSession, organization_id: UUID, template_id: UUID) -> int | None:
    """Raise the template's latest version by one and return it; its row stays locked. None when it is archived."""
    statement = (
        update(ReplyTemplateRow)
        .where(
            ReplyTemplateRow.organization_id == organization_id,
            ReplyTemplateRow.id == template_id,
            ReplyTemplateRow.archived_at.is_(None),
        )
        .values(latest_version=ReplyTemplateRow.latest_version + 1)
        .returning(ReplyTemplateRow.latest_version)
        .execution_options(synchronize_session=False)
    )
    return (await session.execute(statement)).scalar_one_or_none()


async def insert_version(
    session: AsyncSession,
    template: ReplyTemplateRow,
    *,
    number: int,
    body: str,
    variables: list[str],
    digest: bytes,
    author_id: UUID,
    published_at: datetime,
) -> TemplateVersionRow:
    """Insert one version of the template."""
    row = TemplateVersionRow(
        organization_id=template.organization_id,
        id=new_id(),
        unit_id=template.unit_id,
        template_id=template.id,
        number=number,
        body=body,
        variables=variables,
        digest=digest,
        author_id=author_id,
        published_at=published_at,
    )
    session.add(row)
    await session.flush()
    return row


async def archive(session: AsyncSession, organization_id: UUID, template_id: UUID) -> None:
    """Archive the template, once."""
    await session.execute(
        update(ReplyTemplateRow)
        .where(
            ReplyTemplateRow.organization_id == organization_id,
            ReplyTemplateRow.id == template_id,
            ReplyTemplateRow.archived_at.is_(None),
        )
        .values(archived_at=func.clock_timestamp())
        .execution_options(synchronize_session=False)
    )


async def version(
    session: AsyncSession, scope: Scope, template_id: UUID, number: int | None
) -> TemplateVersionRow | None:
    """Return a version by number, or the newest that the scope sees."""
    statement = select(TemplateVersionRow).where(
        TemplateVersionRow.organization_id == scope.organization_id,
        TemplateVersionRow.template_id == template_id,
        _sees_version(scope),
    )
    if number is not None:
        statement = statement.where(TemplateVersionRow.number == number)
    newest = statement.order_by(TemplateVersionRow.number.desc()).limit(1)
    return (await session.scalars(newest)).one_or_none()


async def versions_by_id(session: AsyncSession, scope: Scope, ids: Sequence[UUID]) -> Sequence[TemplateVersionRow]:
    """Return the versions with these ids that the scope sees."""
    statement = select(TemplateVersionRow).where(
        TemplateVersionRow.organization_id == scope.organization_id,
        is_one_of(TemplateVersionRow.id, ids),
        _sees_version(scope),
    )
    return (await session.scalars(statement)).all()


async def versions_of(session: AsyncSession, scope: Scope, batch: Batch) -> Mapping[UUID, Sequence[TemplateVersionRow]]:
    """Return up to `size + 1` versions of each template that the scope sees."""
    return await rows_of_each(
        session,
        TemplateVersionRow,
        batch,
        lambda template: [
            TemplateVersionRow.organization_id == scope.organization_id,
            TemplateVersionRow.template_id == template,
            _sees_version(scope),
        ],
    )
