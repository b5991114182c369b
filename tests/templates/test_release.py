"""Releases: who gets them, the pages, crashes between pages, and rollbacks measured against a brute-force model."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from uuid import UUID

import pytest
from sqlalchemy import func, select, text

from server.audit import service as audit
from server.kit.db import Database
from server.kit.jobs import JobRow
from server.kit.pagination import PageArguments
from server.templates import history
from server.templates import service as templates
from server.templates.errors import NotReleasedHere
from server.templates.jobs import PlaceRelease
from server.templates.models import ReleaseState, TemplatePlacementRow
from server.templates.rules import PAGE_OF_PLACEMENTS, Drift
from server.tenants import service as tenants
from server.tenants.rules import OrganizationKind, UnitKind
from server.tenants.scope import Scope
from server.tenants.uow import begin, begin_read
from tests.factories.tenants import AnOrganization, a_franchise, an_agency, an_organization
from tests.templates.shared_texts import a_text, counted, open_locations, placed, published, released, said_at


class WorkerDied(Exception):
    """The process ended before its commit."""


async def place_and_die(database: Database, organization: AnOrganization, release_id: UUID) -> None:
    """Place a page and end before the commit."""
    async with begin(database, organization.scope) as uow:
        await templates.place_page(uow, release_id)
        raise WorkerDied


async def release_and_die(database: Database, organization: AnOrganization, template_id: UUID) -> None:
    """Release to everybody and end before the commit."""
    async with begin(database, organization.scope) as uow:
        await templates.release(uow, template_id, None, organization.root_id)
        raise WorkerDied


async def placements(database: Database, organization: AnOrganization, release_id: UUID) -> int:
    """Count the placements of a release."""
    async with begin_read(database, organization.scope) as uow:
        found = select(func.count()).where(
            TemplatePlacementRow.organization_id == organization.id, TemplatePlacementRow.release_id == release_id
        )
        return int((await uow.session.execute(found)).scalar_one())


async def owed(database: Database, organization: AnOrganization) -> list[dict[str, object]]:
    """Return the payloads of the jobs that are owed."""
    async with begin_read(database, organization.scope) as uow:
        rows = await uow.session.scalars(select(JobRow.payload).where(JobRow.organization_id == organization.id))
        return list(rows)


async def test_a_release_to_2500_locations_takes_three_pages_and_survives_a_crash_in_each(database: Database) -> None:
    franchise = await a_franchise(database, locations=0)
    await open_locations(database, franchise, 2_500)
    template_id = await a_text(database, franchise.scope, franchise.root_id)
    async with begin(database, franchise.scope) as uow:
        started = await templates.release(uow, template_id, None, franchise.root_id)
    assert (started.state, started.total, started.placed) == (ReleaseState.RUNNING, 2_500, 0)
    assert await owed(database, franchise) == [{"release_id": str(started.id)}]

    seen: list[tuple[ReleaseState, int]] = []
    for _ in range(3):
        with pytest.raises(WorkerDied):
            await place_and_die(database, franchise, started.id)
        assert await placements(database, franchise, started.id) == len(seen) * PAGE_OF_PLACEMENTS
        async with begin(database, franchise.scope) as uow:
            row = await templates.place_page(uow, started.id)
        assert row is not None
        seen.append((row.state, row.placed))
        assert await placements(database, franchise, started.id) == row.placed

    assert seen == [(ReleaseState.RUNNING, 1_000), (ReleaseState.RUNNING, 2_000), (ReleaseState.DONE, 2_500)]
    assert row is not None
    assert row.finished_at is not None
    async with begin(database, franchise.scope) as uow:
        assert await templates.place_page(uow, started.id) is None
    assert await placements(database, franchise, started.id) == 2_500
    assert await owed(database, franchise) == [{"release_id": str(started.id)}]


async def test_the_same_page_run_twice_at_once_places_nothing_twice(database: Database) -> None:
    franchise = await a_franchise(database, locations=0)
    await open_locations(database, franchise, 1_500)
    template_id = await a_text(database, franchise.scope, franchise.root_id)
    async with begin(database, franchise.scope) as uow:
        started = await templates.release(uow, template_id, None, franchise.root_id)

    async def page() -> int | None:
        async with begin(database, franchise.scope) as uow:
            row = await templates.place_page(uow, started.id)
            return None if row is None else row.placed

    assert set(await asyncio.gather(*(page() for _ in range(4)))) == {1_000, 1_500, None}
    assert await placements(database, franchise, started.id) == 1_500


async def test_ten_thousand_locations_take_ten_statements_of_work_and_a_rollback_one(database: Database) -> None:
    franchise = await a_franchise(database, locations=0)
    await open_locations(database, franchise, 10 * PAGE_OF_PLACEMENTS)
    template_id = await a_text(database, franchise.scope, franchise.root_id)

    with counted(database) as seen:
        release = await released(database, franchise.scope, template_id, franchise.root_id)
    placing = [statement for statement in seen if "INSERT INTO template_placement" in statement]
    assert (release.state, release.placed, release.total) == (ReleaseState.DONE, 10_000, 10_000)
    assert len(placing) == 10

    async with begin(database, franchise.scope) as uow:
        with counted(database) as undoing:
            await templates.roll_back(uow, release.id)
    changed = [one for one in undoing if one.startswith(("UPDATE", "DELETE", "INSERT")) and "audit_" not in one]
    assert len(changed) == 1


async def test_a_release_that_is_rolled_back_while_it_runs_places_nothing_more(database: Database) -> None:
    franchise = await a_franchise(database, locations=0)
    await open_locations(database, franchise, 1_200)
    template_id = await a_text(database, franchise.scope, franchise.root_id)
    async with begin(database, franchise.scope) as uow:
        started = await templates.release(uow, template_id, None, franchise.root_id)
    async with begin(database, franchise.scope) as uow:
        await templates.place_page(uow, started.id)
        await templates.roll_back(uow, started.id)

    async with begin(database, franchise.scope) as uow:
        assert await templates.place_page(uow, started.id) is None
        again = await templates.roll_back(uow, started.id)

    assert (again.state, again.placed) == (ReleaseState.ROLLED_BACK, 1_000)
    assert await placements(database, franchise, started.id) == 1_000


async def test_a_refused_unit_of_work_leaves_no_release_and_no_job(database: Database) -> None:
    franchise = await a_franchise(database, locations=1)
    template_id = await a_text(database, franchise.scope, franchise.root_id)

    with pytest.raises(WorkerDied):
        await release_and_die(database, franchise, template_id)

    assert await owed(database, franchise) == []
    async with begin_read(database, franchise.scope) as uow:
        assert (await history.list_releases(uow, template_id, PageArguments())).items == []


async def test_a_release_reaches_locations_and_the_clients_that_have_none(database: Database) -> None:
    agency = await an_agency(database, clients=3)
    with_shops = agency.units["client 1"]
    async with begin(database, agency.scope) as uow:
        shop = await tenants.create_unit(uow, parent_id=with_shops, kind=UnitKind.LOCATION, name="shop")
        region = await tenants.create_unit(uow, parent_id=with_shops, kind=UnitKind.REGION, name="north")
        closed = await tenants.create_unit(uow, parent_id=region.id, kind=UnitKind.LOCATION, name="closed")
        await uow.session.execute(
            text("UPDATE unit SET archived_at = now() WHERE organization_id = :org AND id = :id"),
            {"org": agency.id, "id": closed.id},
        )
    template_id = await a_text(database, agency.scope, agency.root_id)

    release = await released(database, agency.scope, template_id, agency.root_id)

    reached = {shop.id, agency.units["client 2"], agency.units["client 3"]}
    assert (release.total, release.placed) == (3, 3)
    async with begin_read(database, agency.scope) as uow:
        for unit_id in (shop.id, region.id, closed.id, *agency.units.values()):
            try:
                await templates.effective(uow, unit_id, template_id)
                assert unit_id in reached
            except NotReleasedHere:
                assert unit_id not in reached


async def test_a_release_to_a_unit_without_locations_is_for_the_unit_itself(database: Database) -> None:
    agency = await an_agency(database)
    client = agency.units["client 1"]
    template_id = await a_text(database, agency.scope, agency.root_id, "one")

    release = await released(database, agency.scope, template_id, client)
    await published(database, agency.scope, template_id, "two")

    assert (release.total, release.placed) == (1, 1)
    assert await said_at(database, agency.scope, client, template_id) == "one"
    assert await said_at(database, agency.scope, agency.root_id, template_id) == "two"


async def test_releases_are_listed_newest_first_and_an_older_version_can_be_released_again(database: Database) -> None:
    franchise = await a_franchise(database, locations=2)
    template_id = await a_text(database, franchise.scope, franchise.root_id, "one")
    await published(database, franchise.scope, template_id, "two")
    first = await released(database, franchise.scope, template_id, franchise.root_id)
    second = await released(database, franchise.scope, template_id, franchise.units["location 1"], number=1)

    assert await said_at(database, franchise.scope, franchise.units["location 1"], template_id) == "one"
    assert await said_at(database, franchise.scope, franchise.units["location 2"], template_id) == "two"
    async with begin_read(database, franchise.scope) as uow:
        page = await history.list_releases(uow, template_id, PageArguments())
        assert [row.id for row in page.items] == [second.id, first.id]
        assert await audit.verify(uow) is None


async def test_the_job_of_a_release_is_named_and_keyed_by_it(database: Database) -> None:
    franchise = await a_franchise(database, locations=1)
    template_id = await a_text(database, franchise.scope, franchise.root_id)
    async with begin(database, franchise.scope) as uow:
        started = await templates.release(uow, template_id, None, franchise.root_id)

    async with begin_read(database, franchise.scope) as uow:
        row = (await uow.session.scalars(select(JobRow).where(JobRow.organization_id == franchise.id))).one()
    assert (row.kind, row.dedupe_key, row.queue.value) == ("templates.place_release", str(started.id), "housekeeping")
    assert PlaceRelease(started.id).release_id == started.id


@dataclass
class Model:
    """The truth by brute force: every release with the locations it was for, every local text."""

    areas: dict[UUID, frozenset[UUID]]
    bodies: dict[int, str] = field(default_factory=dict)
    live: dict[UUID, tuple[int, frozenset[UUID]]] = field(default_factory=dict)
    own: dict[UUID, tuple[str, int]] = field(default_factory=dict)
    earlier: tuple[UUID | None, dict[UUID, tuple[str, Drift] | None]] = (None, {})
    """The last act, if it was a release, and what every location said before it."""

    def at(self, unit_id: UUID) -> tuple[str, Drift] | None:
        """Return the text and the drift of a location; None when nothing is in force there."""
        number = self.released_at(unit_id)
        if number is None:
            return None
        if unit_id not in self.own:
            return self.bodies[number], Drift.INHERITS
        body, base = self.own[unit_id]
        return body, Drift.STALE_OVERRIDE if number > base else Drift.OVERRIDDEN

    def released_at(self, unit_id: UUID) -> int | None:
        """Return the number of the version that the newest standing release put there."""
        return next((number for number, units in reversed(self.live.values()) if unit_id in units), None)

    def everywhere(self) -> dict[UUID, tuple[str, Drift] | None]:
        """Return what every location says."""
        return {one: self.at(one) for one in sorted(frozenset().union(*self.areas.values()))}


async def regions_with_shops(database: Database) -> tuple[AnOrganization, dict[UUID, frozenset[UUID]]]:
    """Create a small tree; return with it, for every unit, the locations that a release to it is for."""
    tree = await an_organization(
        database, OrganizationKind.FRANCHISOR, {"a": UnitKind.REGION, "b": UnitKind.REGION, "solo": UnitKind.LOCATION}
    )
    areas: dict[UUID, frozenset[UUID]] = {tree.units["solo"]: frozenset({tree.units["solo"]})}
    async with begin(database, tree.scope) as uow:
        for region in (tree.units["a"], tree.units["b"]):
            shops = [
                (await tenants.create_unit(uow, parent_id=region, kind=UnitKind.LOCATION, name=f"{n}")).id
                for n in range(2)
            ]
            areas |= {region: frozenset(shops)} | {shop: frozenset({shop}) for shop in shops}
    areas[tree.root_id] = frozenset().union(*areas.values())
    return tree, areas


async def act_at_random(
    database: Database, scope: Scope, template_id: UUID, owner_id: UUID, model: Model, chance: random.Random
) -> None:
    """Do one thing to the service and to the model."""
    act = chance.choice(["publish", "release", "release", "roll back", "roll back", "override", "override", "remove"])
    unit_id = chance.choice(list(model.everywhere()))
    released_last, said_before = model.earlier
    model.earlier = (None, {})
    if act == "publish":
        number = await published(database, scope, template_id, f"v{len(model.bodies) + 1}")
        model.bodies[number] = f"v{number}"
    elif act == "release":
        area, number = chance.choice([owner_id, *model.areas]), chance.choice(list(model.bodies))
        said = model.everywhere()
        row = await released(database, scope, template_id, area, number)
        assert row.kept_overrides == len(model.areas[area] & model.own.keys())
        model.live[row.id] = (number, model.areas[area])
        model.earlier = (row.id, said)
    elif act == "roll back" and model.live:
        undone = chance.choice([released_last or list(model.live)[-1], *model.live])
        async with begin(database, scope) as uow:
            await templates.roll_back(uow, undone)
        del model.live[undone]
        assert undone != released_last or model.everywhere() == said_before
    elif act in ("override", "remove") and (number_here := model.released_at(unit_id)) is not None:
        async with begin(database, scope) as uow:
            if act == "remove":
                await templates.remove_override(uow, unit_id, template_id)
                model.own.pop(unit_id, None)
            else:
                words = f"own {chance.random()}"
                await templates.override(uow, unit_id, template_id, words)
                model.own[unit_id] = (words, number_here)


async def everywhere(
    database: Database, scope: Scope, template_id: UUID, units: list[UUID]
) -> dict[UUID, tuple[str, Drift] | None]:
    """Read what every location says."""
    said: dict[UUID, tuple[str, Drift] | None] = {}
    async with begin_read(database, scope) as uow:
        for unit_id in units:
            try:
                found = await templates.effective(uow, unit_id, template_id)
                said[unit_id] = (found.body, found.drift)
            except NotReleasedHere:
                said[unit_id] = None
            listed = (await templates.list_effective(uow, unit_id, PageArguments())).items
            assert [(one.body, one.drift) for one in listed] == ([said[unit_id]] if said[unit_id] else [])
    return said


@pytest.mark.parametrize("seed", range(4))
async def test_any_history_says_everywhere_what_a_brute_force_model_says(database: Database, seed: int) -> None:
    chance = random.Random(seed)
    tree, areas = await regions_with_shops(database)
    template_id = await a_text(database, tree.scope, tree.root_id, "v1")
    model = Model(areas, bodies={1: "v1"})

    for step in range(30):
        await act_at_random(database, tree.scope, template_id, tree.root_id, model, chance)
        expected = model.everywhere()
        assert await everywhere(database, tree.scope, template_id, list(expected)) == expected, f"step {step}"


async def test_a_rollback_restores_each_locations_exact_earlier_text_local_ones_included(database: Database) -> None:
    franchise = await a_franchise(database, locations=3)
    units = list(franchise.units.values())
    template_id = await a_text(database, franchise.scope, franchise.root_id, "one")
    await released(database, franchise.scope, template_id, units[0])
    await released(database, franchise.scope, template_id, units[1])
    async with begin(database, franchise.scope) as uow:
        await templates.override(uow, units[1], template_id, "ours")
    earlier = await everywhere(database, franchise.scope, template_id, units)

    await published(database, franchise.scope, template_id, "two")
    second = await released(database, franchise.scope, template_id, franchise.root_id)
    between = await everywhere(database, franchise.scope, template_id, units)
    async with begin(database, franchise.scope) as uow:
        await templates.roll_back(uow, second.id)

    assert [said and said[0] for said in between.values()] == ["two", "ours", "two"]
    assert await everywhere(database, franchise.scope, template_id, units) == earlier
    assert [said and said[0] for said in earlier.values()] == ["one", "ours", None]
    assert (await placed(database, franchise.scope, second.id)).state is ReleaseState.ROLLED_BACK
