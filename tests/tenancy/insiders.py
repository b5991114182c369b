"""Somebody who stands in the unit without the permission, before what is there, above it and beside it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from server.auth import service as auth
from server.auth.service import GivenRole
from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.schema.contract_permissions import matrix
from server.schema.nodes import Kind
from server.schema.root import build
from server.tenants import service as tenants
from server.tenants.rules import ROLE_PERMISSIONS, Permission, Role
from server.tenants.uow import begin, begin_read
from tests.api import Api
from tests.factories.tenants import AnOrganization, APerson, a_person, an_agency
from tests.tenancy.asking import Asker, Call, read_shapes
from tests.tenancy.hop import Harvest, Hop, harvest
from tests.tenancy.rows import Territory
from tests.tenancy.shapes import Shapes, is_connection
from tests.tenancy.world import Place, a_world

FIELDS: dict[str, dict[str, Any]] = matrix(build(introspection=True))["fields"]  # type: ignore[assignment]  # a mapping of names
IDS_EACH = 3
"""One of the unit itself, one of headquarters, one of the sibling."""


@dataclass(slots=True)
class Insider:
    """The person before all ids that they must not have, and what is at their unit alone."""

    hop: Hop
    held: Sequence[Permission]
    held_anywhere: frozenset[Permission]
    here_only: Harvest
    """What an owner of the unit sees and somebody with the same role at the sibling does not."""
    all_seen: Harvest
    """What owners of the unit, of headquarters and of the sibling see."""
    personal: frozenset[str]
    """The ids of the person and of the person's own roles, which everybody sees."""

    def shown_without_permission(self) -> dict[str, list[str]]:
        """Return the objects of the unit that the person was shown although their type asks for a permission not held there."""
        kept = [
            kind.name
            for kind in self.hop.asker.shapes.node_types()
            if FIELDS[f"{kind.name}.id"]["requires"] not in (None, *self.held)
        ]
        hidden = {kind: set(self.here_only.some(kind)) - self.personal for kind in kept}
        shown = {kind: [one for one in self.hop.own.some(kind) if one in hidden[kind]] for kind in kept}
        return {kind: ids for kind, ids in shown.items() if ids}

    def listed_with(self) -> dict[str, str]:
        """Return the types of which there is a root list that asks for a permission, with it."""
        found = {}
        for name, one in self.hop.asker.shapes.roots("query").items():
            listed = self.hop.asker.shapes.node_of(one.type) if is_connection(one.type) else None
            needed = FIELDS[f"Query.{name}"]["requires"]
            if listed is not None and needed is not None:
                found[listed] = needed
        return found

    async def found_by_id_but_not_listed(self) -> list[dict[str, Any]]:
        """Return the objects that `nodes` shows though the list of their type is refused to the person."""
        nodes, seen = self.hop.asker.shapes.roots("query")["nodes"], []
        for kind, needed in self.listed_with().items():
            ids = [one for one in self.all_seen.some(kind) if one not in self.personal]
            if needed not in self.held_anywhere and ids:
                heard = await self.hop.asker.ask("query", "nodes", nodes, [Call({"ids": ids[:100]})], 1)
                seen += [one for one in heard[0].body["data"]["a0"] if one is not None]
        return seen


async def an_insider(
    api: Api, database: Database, settings: Settings, held: Sequence[Permission], beside: Role | None
) -> Insider:
    """Make three units in full swing and a person who holds only `held` in one of them, and `beside` at its sibling.

    With a wide role at the sibling no check of "anywhere" helps: what is asked for is refused, or not, by its unit.
    """
    agency = await an_agency(database, 2)
    here, there = agency.units.values()
    owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    for unit_id in (here, agency.root_id, there):
        await a_world(Place(database, settings, agency, unit_id, owner))
    person = await a_person_who_may(database, settings, agency, held, beside)
    shapes = await read_shapes(api, owner.token)
    seen = [await _seen_at(api, database, settings, shapes, agency, at) for at in (here, agency.root_id, there)]
    asker = Asker(api, shapes, person.token)
    own = await harvest(asker, await Territory(database, agency, here, is_whole=False).one_id_a_table())
    beside_it = await _seen_at(api, database, settings, shapes, agency, there, beside or Role.OWNER)
    everything = _in_turn(seen)
    async with begin_read(database, agency.scope) as uow:
        roles = (await tenants.memberships_of(uow, [person.member_id]))[person.member_id]
    personal = {encode(Kind.MEMBER, person.member_id), *(encode(Kind.MEMBERSHIP, one.id) for one in roles)}
    hop = Hop(asker, own, everything.without(own), sees_everything=False, ids_each=IDS_EACH)
    anywhere = frozenset(held) | (ROLE_PERMISSIONS[beside] if beside else frozenset())
    return Insider(hop, held, anywhere, seen[0].without(beside_it), everything, frozenset(personal))


async def a_person_who_may(
    database: Database, settings: Settings, agency: AnOrganization, held: Sequence[Permission], beside: Role | None
) -> APerson:
    """Make somebody who holds only these permissions at the first of two units, and a role or nothing at the second."""
    here, there = agency.units.values()
    person = await a_person(database, settings, agency, there, beside or Role.ANALYST)
    async with begin(database, agency.scope) as uow:
        role = await auth.create_role(uow, f"insider {new_id().hex}", held)
        await auth.grant_membership(uow, person.member_id, here, GivenRole(custom_role_id=role.id))
        if beside is None:
            (elsewhere,) = [
                one
                for one in (await tenants.memberships_of(uow, [person.member_id]))[person.member_id]
                if one.unit_id == there
            ]
            await auth.revoke_membership(uow, elsewhere.id)
    scope = await auth.authenticate(database, settings.security, person.token)
    assert scope is not None
    return replace(person, scope=scope)


async def _seen_at(
    api: Api,
    database: Database,
    settings: Settings,
    shapes: Shapes,
    agency: AnOrganization,
    unit_id: UUID,
    role: Role = Role.OWNER,
) -> Harvest:
    """Return what somebody sees who has the role at one unit."""
    owner = await a_person(database, settings, agency, unit_id, role, "who sees it")
    territory = Territory(database, agency, unit_id, is_whole=False)
    return await harvest(Asker(api, shapes, owner.token), await territory.one_id_a_table())


def _in_turn(harvests: Sequence[Harvest]) -> Harvest:
    """Put the ids of several harvests into one, one of each in turn."""
    made = Harvest()
    for kind in {kind for one in harvests for kind in one.ids}:
        rows = itertools.zip_longest(*(one.ids.get(kind, ()) for one in harvests))
        made.ids[kind] = list(dict.fromkeys(one for row in rows for one in row if one is not None))
    for one in harvests:
        for place, shown in one.cursors.items():
            made.cursors[place] += shown
    return made
