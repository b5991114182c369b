"""SQL of releases: the target units, the pages of placements, and the one row that a rollback changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    Select,
    Uuid,
    and_,
    any_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from server.kit.ids import new_id
from server.kit.nested import Batch, rows_of_each
from server.templates.models import (
    ReleaseState,
    TemplateOverrideRow,
    TemplatePlacementRow,
    TemplateReleaseRow,
    TemplateVersionRow,
)
from server.templates.rules import PAGE_OF_PLACEMENTS
from server.tenants.cuts import at
from server.tenants.models import UnitClosureRow, UnitRow
from server.tenants.rules import Permission, UnitKind
from server.tenants.scope import Scope


async def is_under(session: AsyncSession, organization_id: UUID, unit_id: UUID, owner_id: UUID) -> bool:
    """Say whether the unit is the owner or lies under it."""
    found = exists().where(
        UnitClosureRow.organization_id == organization_id,
        UnitClosureRow.ancestor_id == owner_id,
        UnitClosureRow.descendant_id == unit_id,
    )
    return bool((await session.execute(select(found))).scalar_one())


def _targets(organization_id: UUID, unit_id: UUID) -> Select[UUID]:
    """Select the units that a release to `unit_id` is for.

    These are the locations under it, and those clients and brands (and the unit itself) that have no location to stand
    for them. Units are looked up by scalar subqueries and not joined: a join planned with statistics from before a big
    import compared every unit with every other (15 s for 10,000 locations).
    """
    below, deeper, location = aliased(UnitClosureRow), aliased(UnitClosureRow), aliased(UnitRow)
    is_location = select(location.kind == UnitKind.LOCATION).where(
        location.organization_id == organization_id,
        location.id == deeper.descendant_id,
        location.archived_at.is_(None),
    )
    has_location = (
        exists()
        .where(
            deeper.organization_id == organization_id,
            deeper.ancestor_id == below.descendant_id,
            is_location.correlate(deeper).scalar_subquery(),
        )
        .correlate(below)
    )
    stands_alone = or_(UnitRow.kind.in_((UnitKind.CLIENT, UnitKind.BRAND)), UnitRow.id == unit_id)
    is_target = select(or_(UnitRow.kind == UnitKind.LOCATION, and_(stands_alone, ~has_location))).where(
        UnitRow.organization_id == organization_id, UnitRow.id == below.descendant_id, UnitRow.archived_at.is_(None)
    )
    return select(below.descendant_id.label("id")).where(
        below.organization_id == organization_id,
        below.ancestor_id == unit_id,
        is_target.correlate(below).scalar_subquery(),
    )


async def insert_release(
    session: AsyncSession, version: TemplateVersionRow, unit_id: UUID, author_id: UUID
) -> TemplateReleaseRow:
    """Insert a running release with the number of its target units."""
    newest = (
        select(TemplateReleaseRow.id)
        .where(
            TemplateReleaseRow.organization_id == version.organization_id,
            TemplateReleaseRow.template_id == version.template_id,
        )
        .order_by(TemplateReleaseRow.id.desc())
        .limit(1)
    )
    before = (await session.scalars(newest)).one_or_none()
    total = select(func.count()).select_from(_targets(version.organization_id, unit_id).subquery()).scalar_subquery()
    statement = (
        insert(TemplateReleaseRow)
        .values(
            organization_id=version.organization_id,
            id=_id_after(before),
            unit_id=unit_id,
            template_id=version.template_id,
            version_id=version.id,
            state=ReleaseState.RUNNING,
            total=total,
            author_id=author_id,
        )
        .returning(TemplateReleaseRow)
    )
    return (await session.scalars(statement)).one()


def _id_after(before: UUID | None) -> UUID:
    # The newest release wins by its id, also when this process's clock is behind the one that made the last.
    made = new_id()
    return made if before is None or made > before else UUID(int=before.int + 1)


async def lock_running(session: AsyncSession, organization_id: UUID, release_id: UUID) -> TemplateReleaseRow | None:
    """Return a running release with its row locked, so that two runs of a page come one after the other."""
    statement = (
        select(TemplateReleaseRow)
        .where(
            TemplateReleaseRow.organization_id == organization_id,
            TemplateReleaseRow.id == release_id,
            TemplateReleaseRow.state == ReleaseState.RUNNING,
        )
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(statement)).one_or_none()


async def place_page(session: AsyncSession, release: TemplateReleaseRow) -> TemplateReleaseRow:
    """Place the next page of a locked release and move its cursor, in one statement."""
    targets = _targets(release.organization_id, release.unit_id).subquery()
    beyond = true() if release.cursor is None else targets.c.id > release.cursor
    # One more than the page tells whether another page follows.
    seen = select(targets.c.id).where(beyond).order_by(targets.c.id).limit(PAGE_OF_PLACEMENTS + 1).cte("seen")
    batch = select(seen.c.id).order_by(seen.c.id).limit(PAGE_OF_PLACEMENTS).cte("batch")
    placements = select(
        literal(release.organization_id),
        batch.c.id,
        literal(release.template_id),
        literal(release.id),
        literal(release.version_id),
    )
    columns = ["organization_id", "unit_id", "template_id", "release_id", "version_id"]
    placing = insert(TemplatePlacementRow).from_select(columns, placements, include_defaults=False)
    statement = (
        update(TemplateReleaseRow)
        .where(TemplateReleaseRow.organization_id == release.organization_id, TemplateReleaseRow.id == release.id)
        .values(_progress(release, seen, batch))
        .add_cte(placing.on_conflict_do_nothing().cte("placing"))
        .returning(TemplateReleaseRow)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    return (await session.scalars(statement)).one()


def _progress(release: TemplateReleaseRow, seen: CTE, batch: CTE) -> dict[str, ColumnElement[object]]:
    size = select(func.count()).select_from(batch).scalar_subquery()
    units = func.coalesce(
        select(func.array_agg(batch.c.id, type_=ARRAY(Uuid()))).scalar_subquery(), literal([], ARRAY(Uuid()))
    )
    kept = (
        select(func.count())
        .where(
            TemplateOverrideRow.organization_id == release.organization_id,
            TemplateOverrideRow.template_id == release.template_id,
            TemplateOverrideRow.unit_id == any_(units),
        )
        .scalar_subquery()
    )
    last = select(batch.c.id).order_by(batch.c.id.desc()).limit(1).scalar_subquery()
    follows = select(func.count()).select_from(seen).scalar_subquery() > PAGE_OF_PLACEMENTS
    placed = TemplateReleaseRow.placed + size
    return {
        "placed": placed,
        "total": func.greatest(TemplateReleaseRow.total, placed),
        "kept_overrides": TemplateReleaseRow.kept_overrides + kept,
        "cursor": func.coalesce(last, TemplateReleaseRow.cursor),
        "state": case((follows, ReleaseState.RUNNING), else_=ReleaseState.DONE),
        "finished_at": case((follows, None), else_=func.clock_timestamp()),
    }


async def roll_back(session: AsyncSession, organization_id: UUID, release_id: UUID) -> TemplateReleaseRow | None:
    """Mark the release as rolled back; None when it was already."""
    statement = (
        update(TemplateReleaseRow)
        .where(
            TemplateReleaseRow.organization_id == organization_id,
            TemplateReleaseRow.id == release_id,
            TemplateReleaseRow.state != ReleaseState.ROLLED_BACK,
        )
        .values(state=ReleaseState.ROLLED_BACK, finished_at=func.clock_timestamp())
        .returning(TemplateReleaseRow)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    return (await session.scalars(statement)).one_or_none()


async def releases_by_id(session: AsyncSession, scope: Scope, ids: Sequence[UUID]) -> Sequence[TemplateReleaseRow]:
    """Return the releases with these ids whose unit the scope reaches."""
    statement = select(TemplateReleaseRow).where(
        TemplateReleaseRow.organization_id == scope.organization_id,
        TemplateReleaseRow.id.in_(ids),
        _reached(scope),
    )
    return (await session.scalars(statement)).all()


async def releases_of(session: AsyncSession, scope: Scope, batch: Batch) -> Mapping[UUID, Sequence[TemplateReleaseRow]]:
    """Return up to `size + 1` releases of each template to units that the scope reaches."""
    return await rows_of_each(
        session,
        TemplateReleaseRow,
        batch,
        lambda template: [
            TemplateReleaseRow.organization_id == scope.organization_id,
            TemplateReleaseRow.template_id == template,
            _reached(scope),
        ],
    )


def _reached(scope: Scope) -> ColumnElement[bool]:
    return at(TemplateReleaseRow.unit_id, scope.units_with(Permission.TEMPLATE_READ))
