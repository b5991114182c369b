"""A model of what each person sees, and the machine that compares it with the service after every step (G28)."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from server.auth import service as auth
from server.auth.service.given import GivenRole
from server.config import Settings
from server.consent import service as consent
from server.kit.db import Database
from server.kit.ids import new_id
from server.kit.pagination import PageArguments
from server.templates import service as templates
from server.templates.models import ReleaseState, TemplatePurpose
from server.tenants import service as tenants
from server.tenants.rules import Role, UnitKind
from server.tenants.uow import begin, begin_read
from tests.factories.tenants import AnOrganization, APerson, a_franchise, a_person

ALL = PageArguments(100)
ROLES = (Role.MANAGER, Role.ANALYST, Role.OPERATOR)
some = st.integers(min_value=0, max_value=1_000_000)


@dataclass(slots=True)
class Side:
    """One franchise as the model knows it."""

    organization: AnOrganization
    people: list[APerson]
    parents: dict[UUID, UUID | None]
    kinds: dict[UUID, UnitKind]
    grants: dict[UUID, tuple[UUID, UUID]] = field(default_factory=dict)
    """By membership: the person and the unit."""
    owners: dict[UUID, UUID] = field(default_factory=dict)
    """By template: the unit that owns it."""
    shares: dict[UUID, tuple[UUID, UUID, frozenset[UUID]]] = field(default_factory=dict)
    """By release that stands: the template, the unit that it was released to, and the units where it was placed."""
    topics: dict[UUID, UUID] = field(default_factory=dict)

    def above(self, unit_id: UUID) -> set[UUID]:
        """Return the units above one."""
        parent = self.parents[unit_id]
        return set() if parent is None else {parent} | self.above(parent)

    def below(self, unit_id: UUID) -> set[UUID]:
        """Return a unit and all under it."""
        return {one for one in self.parents if one == unit_id or unit_id in self.above(one)}

    def reached(self, person: APerson) -> set[UUID]:
        """Return the units of a person's grants."""
        return set().union(*(self.below(unit) for member, unit in self.grants.values() if member == person.member_id))

    def seen(self, person: APerson) -> dict[str, set[UUID]]:
        """Say what the person sees."""
        reached = self.reached(person)
        line = reached.union(*(self.above(one) for one in reached))
        known = {person.member_id} | {member for member, unit in self.grants.values() if unit in line}
        if self.organization.root_id in reached:  # who reaches everything also knows those who have no role left
            known = {one.member_id for one in self.people}
        # Whoever was moved away from under the owner, or the unit of the release, has lost what came from there.
        placed = {
            template
            for template, unit, units in self.shares.values()
            if units & reached and {self.owners[template], unit} <= line
        }
        return {
            "units": line,
            "templates": placed | {one for one, owner in self.owners.items() if owner in reached},
            "topics": {one for one, owner in self.topics.items() if owner in line},
            "people": known,
        }


class VisibleSet(RuleBasedStateMachine):
    """Two franchises whose people are granted, revoked, moved and shared to at random."""

    runner: asyncio.Runner
    database: Database
    settings_of_service: Settings

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run one piece of work on the machine's loop."""
        return self.runner.run(work)

    @initialize()
    def begin(self) -> None:
        """Make both sides alike, so that what leaks would have somewhere to go."""
        self.sides = [self.do(self._a_side()) for _ in range(2)]

    async def _a_side(self) -> Side:
        made = await a_franchise(self.database, locations=2)
        async with begin(self.database, made.scope) as uow:
            regions = [
                (await tenants.create_unit(uow, parent_id=made.root_id, kind=UnitKind.REGION, name=f"region {n}")).id
                for n in range(2)
            ]
        units = [made.root_id, *regions, *made.units.values()]
        parents = {one: made.root_id if one != made.root_id else None for one in units}
        kinds = dict.fromkeys(made.units.values(), UnitKind.LOCATION) | dict.fromkeys(regions, UnitKind.REGION)
        people = []
        side = Side(made, people, parents, kinds | {made.root_id: UnitKind.HEADQUARTERS})
        for n in range(2):
            at = list(made.units.values())[n]
            people.append(
                await a_person(self.database, self.settings_of_service, made, at, Role.MANAGER, f"person {n}")
            )
            async with begin(self.database, made.scope) as uow:
                held = await tenants.memberships_of(uow, [people[n].member_id])
                side.grants |= {row.id: (row.member_id, row.unit_id) for row in held[people[n].member_id]}
        return side

    def teardown(self) -> None:
        """Compare everything once more."""
        for side in getattr(self, "sides", ()):
            for person in side.people:
                self._compare(side, person)

    # ------------------------------------------------------------------ steps

    @rule(side=some, person=some, unit=some, role=st.sampled_from(ROLES))
    def grant(self, side: int, person: int, unit: int, role: Role) -> None:
        """Give a person a role on any unit."""
        at = self.sides[side % 2]
        unit_id = list(at.parents)[unit % len(at.parents)]
        member_id = at.people[person % 2].member_id
        if (member_id, unit_id) not in at.grants.values():
            row = self.do(self._in(at, lambda uow: auth.grant_membership(uow, member_id, unit_id, GivenRole(role))))
            at.grants[row.id] = (member_id, unit_id)
        self._compare(at, at.people[person % 2])

    @rule(side=some, grant=some)
    def revoke(self, side: int, grant: int) -> None:
        """Take a role away."""
        at = self.sides[side % 2]
        if at.grants:
            membership_id = list(at.grants)[grant % len(at.grants)]
            self.do(self._in(at, lambda uow: auth.revoke_membership(uow, membership_id)))
            member_id, _ = at.grants.pop(membership_id)
            self._compare(at, next(one for one in at.people if one.member_id == member_id))

    @rule(side=some, unit=some, to=some, person=some)
    def move(self, side: int, unit: int, to: int, person: int) -> None:
        """Put a region or a location under headquarters or under a region that is not below it."""
        at = self.sides[side % 2]
        movable = [one for one, kind in at.kinds.items() if kind is not UnitKind.HEADQUARTERS]
        unit_id = movable[unit % len(movable)]
        places = [one for one, kind in at.kinds.items() if kind is not UnitKind.LOCATION]
        parents = [one for one in places if one not in at.below(unit_id) and one != at.parents[unit_id]]
        if parents:
            parent_id = parents[to % len(parents)]
            self.do(self._in(at, lambda uow: tenants.move_unit(uow, unit_id, parent_id)))
            at.parents[unit_id] = parent_id
        self._compare(at, at.people[person % 2])

    @rule(side=some, parent=some, kind=st.sampled_from([UnitKind.REGION, UnitKind.LOCATION]), person=some)
    def open(self, side: int, parent: int, kind: UnitKind, person: int) -> None:
        """Open a unit."""
        at = self.sides[side % 2]
        places = [one for one, is_a in at.kinds.items() if is_a is not UnitKind.LOCATION]
        if len(at.parents) < 9:
            parent_id = places[parent % len(places)]
            name = f"unit {new_id().hex}"
            row = self.do(self._in(at, lambda uow: tenants.create_unit(uow, parent_id=parent_id, kind=kind, name=name)))
            at.parents[row.id], at.kinds[row.id] = parent_id, kind
        self._compare(at, at.people[person % 2])

    @rule(side=some, unit=some, person=some)
    def write(self, side: int, unit: int, person: int) -> None:
        """Make a template and a topic of a unit's own."""
        at = self.sides[side % 2]
        unit_id = list(at.parents)[unit % len(at.parents)]
        name = f"text {new_id().hex}"
        if len(at.owners) < 5:
            made = self.do(
                self._in(
                    at,
                    lambda uow: templates.create_template(
                        uow, unit_id=unit_id, name=name, purpose=TemplatePurpose.REPLY, body="Hello."
                    ),
                )
            )
            topic = self.do(self._in(at, lambda uow: consent.create_topic(uow, unit_id, name, name)))
            at.owners[made.id], at.topics[topic.id] = unit_id, unit_id
        self._compare(at, at.people[person % 2])

    @precondition(lambda self: any(side.owners for side in self.sides))
    @rule(side=some, template=some, unit=some, person=some)
    def share(self, side: int, template: int, unit: int, person: int) -> None:
        """Release a template to its owner or to a unit below."""
        at = self.sides[side % 2]
        if at.owners and len(at.shares) < 4:
            template_id = list(at.owners)[template % len(at.owners)]
            places = sorted(at.below(at.owners[template_id]))
            unit_id = places[unit % len(places)]
            release_id = self.do(self._released(at, template_id, unit_id))
            at.shares[release_id] = (template_id, unit_id, self._targets(at, unit_id))
        self._compare(at, at.people[person % 2])

    @rule(side=some, share=some, person=some)
    def unshare(self, side: int, share: int, person: int) -> None:
        """Take a release back."""
        at = self.sides[side % 2]
        if at.shares:
            release_id = list(at.shares)[share % len(at.shares)]
            self.do(self._in(at, lambda uow: templates.roll_back(uow, release_id)))
            del at.shares[release_id]
        self._compare(at, at.people[person % 2])

    # ------------------------------------------------------------------ the service

    async def _in(self, at: Side, work: Any) -> Any:
        async with begin(self.database, at.organization.scope) as uow:
            return await work(uow)

    async def _released(self, at: Side, template_id: UUID, unit_id: UUID) -> UUID:
        row = await self._in(at, lambda uow: templates.release(uow, template_id, None, unit_id))
        release_id: UUID = row.id
        while row is not None and row.state is ReleaseState.RUNNING:
            row = await self._in(at, lambda uow: templates.place_page(uow, release_id))
        return release_id

    @staticmethod
    def _targets(at: Side, unit_id: UUID) -> frozenset[UUID]:
        """Return the locations under a unit; the unit itself where there is none."""
        locations = {one for one in at.below(unit_id) if at.kinds[one] is UnitKind.LOCATION}
        return frozenset(locations or {unit_id})

    def _compare(self, at: Side, person: APerson) -> None:
        expected = at.seen(person)
        assert self.do(self._shown(person)) == expected, f"{person.member_id} of {at.organization.id}"

    async def _shown(self, person: APerson) -> dict[str, set[UUID]]:
        scope = await auth.authenticate(self.database, self.settings_of_service.security, person.token)
        assert scope is not None
        nothing: dict[str, set[UUID]] = {"units": set(), "templates": set(), "topics": set()}
        if not scope.unit_ids and not scope.all_units:
            return nothing | {"people": {person.member_id}}
        async with begin_read(self.database, scope) as uow:
            return {
                "units": {row.id for row in (await tenants.list_units(uow, ALL)).items},
                "templates": {row.id for row in (await templates.list_templates(uow, ALL)).items},
                "topics": {row.id for row in (await consent.topics(uow, ALL)).items},
                "people": {row.id for row in (await tenants.list_members(uow, ALL)).items},
            }
