"""Shared texts: written and published at one unit, released to the units below, overridden there, rolled back.

What a unit says is its own override, or else the version of the newest release that placed the template there and was not
rolled back. The unit that owns a template says its latest version, unless it was released to as well. Nothing is copied:
a release of one text to 10,000 locations is references, and a rollback changes one row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from server.audit import service as audit
from server.audit.actions import Action
from server.kit.errors import DomainError, InvalidInput, NotFound, Problems
from server.kit.nested import the
from server.kit.pagination import Keyset, Page, PageArguments, SortKey
from server.templates import render, rules
from server.templates.errors import NameTaken, NothingPublished, NotReleasedHere, TemplateArchived, UnitOutOfLine
from server.templates.jobs import PlaceRelease
from server.templates.models import (
    ReleaseState,
    ReplyTemplateRow,
    TemplatePurpose,
    TemplateReleaseRow,
    TemplateVersionRow,
)
from server.templates.repository import effective as in_force
from server.templates.repository import releases, texts
from server.templates.repository.effective import Place
from server.tenants import service as tenants
from server.tenants.models import UnitRow
from server.tenants.rules import MAX_NAME, Permission
from server.tenants.uow import UnitOfWork

TOPIC = "templates"
MAX_SEARCH = 200


@dataclass(frozen=True, slots=True)
class EffectiveTemplate:
    """What a unit says now. For an override, `version_id` and `version_number` are those it was made from.

    `released_number` is the version that is placed here, or the owner's latest.
    """

    template_id: UUID
    version_id: UUID
    version_number: int
    body: str
    variables: list[str]
    is_override: bool
    unit_id: UUID
    name: str
    purpose: TemplatePurpose
    released_number: int
    drift: rules.Drift


async def create_template(
    uow: UnitOfWork, *, unit_id: UUID, name: str, purpose: TemplatePurpose, body: str | None = None
) -> ReplyTemplateRow:
    """Create a template, with a first version when there is a body. Needs template:write on the unit.

    Raises Problems with InvalidInput, NameTaken and all problems of the body.
    """
    uow.scope.require(Permission.TEMPLATE_WRITE, unit_id)
    await tenants.unit(uow, unit_id)
    problems: list[DomainError] = []
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        problems.append(InvalidInput(f"A name has 1 to {MAX_NAME} printable characters.", path=("name",)))
    if body is not None:
        try:
            render.check(rules.canonical(body), purpose)
        except Problems as found:
            problems.extend(found.problems)
    if problems:
        raise Problems(problems)
    row = await texts.insert_template(uow.session, uow.scope.organization_id, unit_id, name.strip(), purpose)
    if row is None:
        raise Problems([NameTaken("The unit has a template of this name.", path=("name",))])
    await audit.record(uow, Action.TEMPLATE_CREATE, row.id, {"name": row.name, "purpose": purpose.value})
    uow.announce(TOPIC)
    if body is not None:
        await publish_version(uow, row.id, body)
        return await template(uow, row.id)
    return row


async def publish_version(uow: UnitOfWork, template_id: UUID, body: str) -> TemplateVersionRow:
    """Publish a new wording, which never changes afterwards. Needs template:write on the template's unit.

    Numbers are 1, 2, 3 … without gaps, also when many publish at once. Raises Problems of the body, TemplateArchived.
    """
    owner = await template(uow, template_id)
    uow.scope.require(Permission.TEMPLATE_WRITE, owner.unit_id)
    canonical = rules.canonical(body)
    variables = render.check(canonical, owner.purpose)
    number = await texts.next_number(uow.session, uow.scope.organization_id, template_id)
    if number is None:
        raise _archived()
    row = await texts.insert_version(
        uow.session,
        owner,
        number=number,
        body=canonical,
        variables=variables,
        digest=rules.content_digest(canonical, owner.purpose),
        author_id=uow.scope.actor.id,
        published_at=await uow.now(),
    )
    await audit.record(uow, Action.TEMPLATE_PUBLISH, template_id, {"number": number, "digest": row.digest.hex()})
    uow.announce(TOPIC)
    return row


async def archive(uow: UnitOfWork, template_id: UUID) -> ReplyTemplateRow:
    """Take the template out of use everywhere; its versions stay. Needs template:write on its unit. Repeatable."""
    owner = await template(uow, template_id)
    uow.scope.require(Permission.TEMPLATE_WRITE, owner.unit_id)
    if owner.archived_at is None:
        await texts.archive(uow.session, uow.scope.organization_id, template_id)
        await audit.record(uow, Action.TEMPLATE_ARCHIVE, template_id)
        uow.announce(TOPIC)
    return await template(uow, template_id)


async def release(uow: UnitOfWork, template_id: UUID, version_number: int | None, unit_id: UUID) -> TemplateReleaseRow:
    """Put a version (None: the newest that the caller sees) in force for all locations under a unit.

    Clients, brands and the unit itself count where they have no location below. Needs template:release on the unit. The
    placing is done by jobs; `placed` of `total` tells how far. Raises UnitOutOfLine, NothingPublished, TemplateArchived,
    UnitArchived.
    """
    uow.scope.require(Permission.TEMPLATE_RELEASE, unit_id)
    await tenants.working_unit(uow, unit_id)
    owner = await _usable(uow, template_id)
    if not await releases.is_under(uow.session, uow.scope.organization_id, unit_id, owner.unit_id):
        raise UnitOutOfLine("A template can be released to its own unit and to those under it.", path=("unitId",))
    version = await texts.version(uow.session, uow.scope, template_id, version_number)
    if version is None and version_number is not None:
        raise NotFound(path=("versionNumber",))
    if version is None:
        raise NothingPublished("Publish a version first.", path=("templateId",))
    row = await releases.insert_release(uow.session, version, unit_id, uow.scope.actor.id)
    details = {"template_id": str(template_id), "number": version.number, "unit_id": str(unit_id), "total": row.total}
    await audit.record(uow, Action.TEMPLATE_RELEASE, row.id, details)
    uow.defer(PlaceRelease(row.id), key=str(row.id))
    uow.announce(TOPIC)
    return row


async def place_page(uow: UnitOfWork, release_id: UUID) -> TemplateReleaseRow | None:
    """Place the next 1,000 units of a running release and ask for the next page; None when it is not running.

    Unit, count and cursor move in one statement, so a repeated or interrupted run neither doubles nor skips a unit.
    """
    running = await releases.lock_running(uow.session, uow.scope.organization_id, release_id)
    if running is None:
        return None
    row = await releases.place_page(uow.session, running)
    if row.state is ReleaseState.RUNNING:
        uow.defer(PlaceRelease(release_id), key=str(release_id))
    uow.announce(TOPIC)
    return row


async def roll_back(uow: UnitOfWork, release_id: UUID) -> TemplateReleaseRow:
    """Take a release back: every unit says again what it said without it. Needs template:release on its unit.

    One row changes, also for a release that is still being placed. Repeatable.
    """
    found = await release_by_id(uow, release_id)
    uow.scope.require(Permission.TEMPLATE_RELEASE, found.unit_id)
    row = await releases.roll_back(uow.session, uow.scope.organization_id, release_id)
    if row is None:
        return found
    await audit.record(uow, Action.TEMPLATE_ROLL_BACK, release_id, {"template_id": str(row.template_id)})
    uow.announce(TOPIC)
    return row


async def override(uow: UnitOfWork, unit_id: UUID, template_id: UUID, body: str) -> EffectiveTemplate:
    """Give a unit its own wording of a template that was released to it. Needs template:override on the unit.

    A later release does not touch it; it makes it STALE_OVERRIDE until it is set again or removed. Raises NotReleasedHere
    and Problems of the body.
    """
    uow.scope.require(Permission.TEMPLATE_OVERRIDE, unit_id)
    found = await _found(uow, unit_id, template_id)
    if not found.is_released:
        raise _not_released()
    canonical = rules.canonical(body)
    variables = render.check(canonical, found.purpose)
    await in_force.upsert_override(
        uow.session,
        uow.scope.organization_id,
        unit_id,
        template_id,
        base_version_id=found.version_id,
        body=canonical,
        variables=variables,
        author_id=uow.scope.actor.id,
    )
    details = {
        "unit_id": str(unit_id),
        "base_number": found.number,
        "digest": rules.content_digest(canonical, found.purpose).hex(),
    }
    await audit.record(uow, Action.TEMPLATE_OVERRIDE, template_id, details)
    uow.announce(TOPIC)
    return _as_effective(unit_id, await _found(uow, unit_id, template_id))


async def remove_override(uow: UnitOfWork, unit_id: UUID, template_id: UUID) -> EffectiveTemplate:
    """Drop a unit's own wording, so that it says again what was released to it. Needs template:override. Repeatable."""
    uow.scope.require(Permission.TEMPLATE_OVERRIDE, unit_id)
    found = await _found(uow, unit_id, template_id)
    if await in_force.delete_override(uow.session, uow.scope.organization_id, unit_id, template_id):
        await audit.record(uow, Action.TEMPLATE_OVERRIDE_REMOVE, template_id, {"unit_id": str(unit_id)})
        uow.announce(TOPIC)
        found = await _found(uow, unit_id, template_id)
    return _as_effective(unit_id, found)


async def effective(uow: UnitOfWork, unit_id: UUID, template_id: UUID) -> EffectiveTemplate:
    """Return what a unit says now. Needs template:read there; raises NotFound, NotReleasedHere, TemplateArchived."""
    place = (unit_id, template_id)
    return the(await effective_of(uow, [place]), place)


async def effective_of(uow: UnitOfWork, places: Sequence[Place]) -> Mapping[Place, EffectiveTemplate | DomainError]:
    """Return what units (first ids) say now of templates (second ids), or why not: NotFound, NotReleasedHere, …

    Needs template:read at each unit. One statement for all that is in force, and two more if something is not.
    """
    refused = {place: uow.scope.refusal(Permission.TEMPLATE_READ, place[0]) for place in places}
    readable = [place for place in places if refused[place] is None]
    found = await in_force.effective(uow.session, uow.scope.organization_id, readable)
    reasons = await _reasons(uow, [place for place in readable if place not in found])
    reasons |= {place: reason for place, reason in refused.items() if reason is not None}
    return {place: reasons[place] if place in reasons else _as_effective(place[0], found[place]) for place in places}


async def _reasons(uow: UnitOfWork, places: Sequence[Place]) -> dict[Place, DomainError]:
    """Return why templates are not in force at units."""
    if not places:
        return {}
    units = await tenants.units_by_id(uow, [unit_id for unit_id, _ in places])
    seen = {row.id: row for row in await templates_by_id(uow, [template_id for _, template_id in places])}
    return {(unit_id, one): _reason(units.get(unit_id), seen.get(one)) for unit_id, one in places}


def _reason(unit: UnitRow | None, row: ReplyTemplateRow | None) -> DomainError:
    if unit is None or row is None:
        return NotFound()
    return _not_released() if row.archived_at is None else _archived()


async def list_effective(
    uow: UnitOfWork,
    unit_id: UUID,
    arguments: PageArguments,
    search: str | None = None,
    purpose: TemplatePurpose | None = None,
) -> Page[EffectiveTemplate]:
    """List what a unit can say, by name; `search` looks into names and texts. Needs template:read there."""
    uow.scope.require(Permission.TEMPLATE_READ, unit_id)
    if search is not None and (len(search) > MAX_SEARCH or rules.has_control(search)):
        raise InvalidInput(f"A search has at most {MAX_SEARCH} printable characters.", path=("search",))
    keyset = Keyset(_BY_NAME, ["effective", unit_id, search, purpose])
    rows = await in_force.list_effective(
        uow.session, uow.scope.organization_id, unit_id, keyset, arguments, search=search, purpose=purpose
    )
    if not rows:
        await tenants.unit(uow, unit_id)  # who reaches every unit must still not be told that a foreign one is empty
    page = keyset.page(rows, arguments, lambda row: (row.name, row.template_id))
    return page.map(lambda row: _as_effective(unit_id, row))


async def list_templates(
    uow: UnitOfWork, arguments: PageArguments, unit_id: UUID | None = None, *, archived: bool = False
) -> Page[ReplyTemplateRow]:
    """List templates that the scope sees, by name; `unit_id` keeps those that the unit owns."""
    uow.scope.require_anywhere(Permission.TEMPLATE_READ)
    keyset = Keyset(_BY_NAME, ["templates", unit_id, archived])
    rows = await texts.list_templates(uow.session, uow.scope, keyset, arguments, unit_id, archived=archived)
    return keyset.page(rows, arguments, lambda row: (row.name, row.id))


_BY_NAME = (SortKey(ReplyTemplateRow.name, str), SortKey(ReplyTemplateRow.id, UUID))


async def template(uow: UnitOfWork, template_id: UUID) -> ReplyTemplateRow:
    """Return one template: the caller reaches its unit, or it is in force at a unit of the caller. Raises NotFound."""
    uow.scope.require_anywhere(Permission.TEMPLATE_READ)
    row = await texts.template(uow.session, uow.scope, template_id)
    if row is None:
        raise NotFound
    return row


async def templates_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Sequence[ReplyTemplateRow]:
    """Return those of the templates that the scope sees, in no order."""
    uow.scope.require_anywhere(Permission.TEMPLATE_READ)
    return await texts.templates_by_id(uow.session, uow.scope, ids)


async def versions_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Sequence[TemplateVersionRow]:
    """Return those of the versions that the scope sees (all of its own templates, else what is placed), in no order."""
    uow.scope.require_anywhere(Permission.TEMPLATE_READ)
    return await texts.versions_by_id(uow.session, uow.scope, ids)


async def releases_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Mapping[UUID, TemplateReleaseRow]:
    """Return the releases with these ids, with their progress; seen by those who reach the units they were for."""
    if not uow.scope.may(Permission.TEMPLATE_READ):
        return {}
    return {row.id: row for row in await releases.releases_by_id(uow.session, uow.scope, ids)}


async def release_by_id(uow: UnitOfWork, release_id: UUID) -> TemplateReleaseRow:
    """Return one release with its progress; seen by those who reach the unit it was for. Raises NotFound."""
    uow.scope.require_anywhere(Permission.TEMPLATE_READ)
    found = await releases_by_id(uow, [release_id])
    if release_id not in found:
        raise NotFound
    return found[release_id]


async def _usable(uow: UnitOfWork, template_id: UUID) -> ReplyTemplateRow:
    row = await template(uow, template_id)
    if row.archived_at is not None:
        raise _archived()
    return row


async def _found(uow: UnitOfWork, unit_id: UUID, template_id: UUID) -> in_force.Found:
    place = (unit_id, template_id)
    found = (await in_force.effective(uow.session, uow.scope.organization_id, [place])).get(place)
    if found is None:
        raise (await _reasons(uow, [place]))[place]
    return found


def _archived() -> TemplateArchived:
    return TemplateArchived("This template was archived. Use another one.", path=("templateId",))


def _not_released() -> NotReleasedHere:
    return NotReleasedHere("This template is not in force at this unit. Release it there first.", path=("templateId",))


def _as_effective(unit_id: UUID, found: in_force.Found) -> EffectiveTemplate:
    is_override = found.own_body is not None
    return EffectiveTemplate(
        template_id=found.template_id,
        version_id=found.base_version_id or found.version_id,
        version_number=found.base_number or found.number,
        body=found.own_body if found.own_body is not None else found.body,
        variables=found.own_variables if found.own_variables is not None else found.variables,
        is_override=is_override,
        unit_id=unit_id,
        name=found.name,
        purpose=found.purpose,
        released_number=found.number,
        drift=rules.drift(found.base_number, found.number),
    )
