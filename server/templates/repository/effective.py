"""SQL of what is in force at a unit: the newest live release, the unit's own override, or the owner's latest version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    FromClause,
    Select,
    Uuid,
    and_,
    bindparam,
    case,
    column,
    delete,
    func,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from server.kit.ids import new_id
from server.kit.pagination import Keyset, PageArguments
from server.templates.models import (
    ReleaseState,
    ReplyTemplateRow,
    TemplateOverrideRow,
    TemplatePlacementRow,
    TemplatePurpose,
    TemplateReleaseRow,
    TemplateVersionRow,
)

Place = tuple[UUID, UUID]
"""A unit and a template."""


@dataclass(frozen=True, slots=True)
class Found:
    """One template at one unit, as the tables say it; `base_*` and `own_*` are None without an override."""

    template_id: UUID
    name: str
    purpose: TemplatePurpose
    is_released: bool
    version_id: UUID
    number: int
    body: str
    variables: list[str]
    base_version_id: UUID | None
    base_number: int | None
    own_body: str | None
    own_variables: list[str] | None


_ORGANIZATION = bindparam("organization_id", type_=Uuid())
_UNIT = bindparam("unit_id", type_=Uuid())
_PLACES = (
    func.unnest(bindparam("unit_ids", type_=ARRAY(Uuid())), bindparam("template_ids", type_=ARRAY(Uuid())))
    .table_valued(column("unit_id", Uuid()), column("template_id", Uuid()), name="place")
    .render_derived()
)


def _live(unit: ColumnElement[UUID]) -> FromClause:
    return (
        select(TemplatePlacementRow.version_id)
        .join(
            TemplateReleaseRow,
            and_(
                TemplateReleaseRow.organization_id == TemplatePlacementRow.organization_id,
                TemplateReleaseRow.id == TemplatePlacementRow.release_id,
            ),
        )
        .where(
            TemplatePlacementRow.organization_id == _ORGANIZATION,
            TemplatePlacementRow.unit_id == unit,
            TemplatePlacementRow.template_id == ReplyTemplateRow.id,
            TemplateReleaseRow.state != ReleaseState.ROLLED_BACK,
        )
        .order_by(TemplatePlacementRow.release_id.desc())
        .limit(1)
        .lateral("live")
    )


def _latest_of_owner(unit: ColumnElement[UUID]) -> ColumnElement[UUID | None]:
    latest = select(TemplateVersionRow.id).where(
        TemplateVersionRow.organization_id == _ORGANIZATION,
        TemplateVersionRow.template_id == ReplyTemplateRow.id,
        TemplateVersionRow.number == ReplyTemplateRow.latest_version,
    )
    return case((ReplyTemplateRow.unit_id == unit, latest.scalar_subquery()))


def _effective(unit: ColumnElement[UUID], start: FromClause) -> Select[*tuple[Any, ...]]:
    """Select what is in force at a unit, of the templates that `start` brings into the statement."""
    live, own = _live(unit), TemplateOverrideRow
    version, base = aliased(TemplateVersionRow), aliased(TemplateVersionRow)
    released = func.coalesce(live.c.version_id, _latest_of_owner(unit))
    # An override stands on a release: without a live one the template is not offered here at all.
    overrides = and_(
        own.organization_id == _ORGANIZATION,
        own.unit_id == unit,
        own.template_id == ReplyTemplateRow.id,
        live.c.version_id.is_not(None),
    )
    return (
        select(
            unit,
            ReplyTemplateRow.id,
            ReplyTemplateRow.name,
            ReplyTemplateRow.purpose,
            live.c.version_id.is_not(None),
            version.id,
            version.number,
            version.body,
            version.variables,
            own.base_version_id,
            base.number,
            own.body,
            own.variables,
        )
        .select_from(start)
        .join(live, true(), isouter=True)
        .join(version, and_(version.organization_id == _ORGANIZATION, version.id == released))
        .join(own, overrides, isouter=True)
        .join(base, and_(base.organization_id == _ORGANIZATION, base.id == own.base_version_id), isouter=True)
        .where(ReplyTemplateRow.organization_id == _ORGANIZATION, ReplyTemplateRow.archived_at.is_(None))
    )


# Built once: building it takes longer than PostgreSQL takes to answer it, and its cache key is kept with it.
_TEMPLATE = ReplyTemplateRow.__table__
_AT_PLACES = _effective(_PLACES.c.unit_id, _PLACES.join(_TEMPLATE, _TEMPLATE.c.id == _PLACES.c.template_id))
_AT_UNIT = _effective(_UNIT, _TEMPLATE).where(
    or_(
        ReplyTemplateRow.unit_id == _UNIT,
        ReplyTemplateRow.id.in_(
            select(TemplatePlacementRow.template_id).where(
                TemplatePlacementRow.organization_id == _ORGANIZATION, TemplatePlacementRow.unit_id == _UNIT
            )
        ),
    )
)


async def effective(session: AsyncSession, organization_id: UUID, places: Sequence[Place]) -> Mapping[Place, Found]:
    """Return what is in force of each template at its unit, in one statement; nothing where it is not in force."""
    units, wanted = [unit_id for unit_id, _ in places], [template_id for _, template_id in places]
    values = {"organization_id": organization_id, "unit_ids": units, "template_ids": wanted}
    found = [(unit_id, Found(*row)) for unit_id, *row in await session.execute(_AT_PLACES, values)]
    return {(unit_id, one.template_id): one for unit_id, one in found}


async def list_effective(
    session: AsyncSession,
    organization_id: UUID,
    unit_id: UUID,
    keyset: Keyset,
    arguments: PageArguments,
    *,
    search: str | None,
    purpose: TemplatePurpose | None,
) -> Sequence[Found]:
    """Return up to `size + 1` templates in force at the unit, in the keyset's order, in one statement."""
    statement = _AT_UNIT.where(*keyset.beyond(arguments))
    if purpose is not None:
        statement = statement.where(ReplyTemplateRow.purpose == purpose)
    if search:
        statement = statement.where(_mentions(statement, search))
    ordered = statement.order_by(*keyset.order(arguments)).limit(arguments.size + 1)
    values = {"organization_id": organization_id, "unit_id": unit_id}
    return [Found(*row) for _, *row in await session.execute(ordered, values)]


def _mentions(statement: Select[*tuple[Any, ...]], words: str) -> ColumnElement[bool]:
    name, released, own = (statement.exported_columns.values()[index] for index in (2, 7, 11))
    return or_(name.icontains(words, autoescape=True), func.coalesce(own, released).icontains(words, autoescape=True))


async def upsert_override(
    session: AsyncSession,
    organization_id: UUID,
    unit_id: UUID,
    template_id: UUID,
    *,
    base_version_id: UUID,
    body: str,
    variables: list[str],
    author_id: UUID,
) -> None:
    """Set the unit's own text, in place of an earlier one."""
    said = {
        "base_version_id": base_version_id,
        "body": body,
        "variables": variables,
        "author_id": author_id,
    }
    statement = insert(TemplateOverrideRow).values(
        organization_id=organization_id, id=new_id(), unit_id=unit_id, template_id=template_id, **said
    )
    await session.execute(
        statement.on_conflict_do_update(index_elements=["organization_id", "unit_id", "template_id"], set_=said)
    )


async def delete_override(session: AsyncSession, organization_id: UUID, unit_id: UUID, template_id: UUID) -> bool:
    """Delete the unit's own text; say whether there was one."""
    statement = (
        delete(TemplateOverrideRow)
        .where(
            TemplateOverrideRow.organization_id == organization_id,
            TemplateOverrideRow.unit_id == unit_id,
            TemplateOverrideRow.template_id == template_id,
        )
        .returning(TemplateOverrideRow.id)
        .execution_options(synchronize_session=False)
    )
    return (await session.execute(statement)).first() is not None
