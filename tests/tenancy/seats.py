"""Somebody with another role at a unit in full swing: what they are shown of it, and what they can do to it."""

from __future__ import annotations

from typing import Any

from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode
from server.schema.contract_permissions import matrix
from server.schema.nodes import Kind
from server.schema.root import build
from server.tenants import service as tenants
from server.tenants.rules import Role
from server.tenants.uow import begin_read
from tests.api import Api
from tests.factories.tenants import a_person, an_agency
from tests.tenancy.asking import Asker, Call, Heard, filled, read_shapes
from tests.tenancy.hop import Harvest, harvest
from tests.tenancy.rows import Territory
from tests.tenancy.shapes import Shapes
from tests.tenancy.world import Place, a_world

Fields = dict[str, dict[str, Any]]


class Seat:
    """The unit, what its owner can ask for, and the person."""

    def __init__(self, territory: Territory, shapes: Shapes, ids: Harvest, asker: Asker, role: Role) -> None:
        self.territory = territory
        self.shapes = shapes
        self.ids = ids
        self.asker = asker
        self.role = role
        self.fields: Fields = matrix(build(introspection=True))["fields"]  # type: ignore[assignment]  # a mapping of names

    def lacks(self, name: str) -> bool:
        """Say whether the matrix keeps the field from the role."""
        return self.role.value not in self.fields[name]["roles"]

    def kept_from(self) -> list[str]:
        """Return the types that the role may not read."""
        return [kind.name for kind in self.shapes.node_types() if self.lacks(f"{kind.name}.id")]

    async def found_by_id(self) -> list[dict[str, Any]]:
        """Return the objects of such types that are found by their ids."""
        seen = []
        nodes = self.shapes.roots("query")["nodes"]
        for kind in self.kept_from():
            heard = await self.asker.ask("query", "nodes", nodes, [Call({"ids": self.ids.some(kind)})], 1)
            seen += [one for one in heard[0].body["data"]["a0"] if one is not None]
        return seen

    async def led_to(self) -> set[str]:
        """Return the ids of such types that any list without arguments leads to."""
        shown = Harvest()
        for name, one in self.shapes.roots("query").items():
            variant = self.shapes.variants(one)[0]
            if not variant.places():
                heard = await self.asker.ask("query", name, one, [Call(variant.arguments)])
                shown.note((heard[0].body.get("data") or {}).get("a0"), "")
        assert shown.ids
        return {one for kind in self.kept_from() for one in shown.ids.get(kind, ()) if one in self.ids.some(kind)}

    async def done_by_mutations(self) -> list[str]:
        """Call every mutation that the role may not use; return those that did something."""
        done = []
        for name in self.shapes.roots("mutation"):
            if self.lacks(f"Mutation.{name}"):
                for heard in await self._call("mutation", name):
                    for data in (heard.body.get("data") or {}).values():
                        done += [name] if data is not None and not data["userErrors"] else []
        return done

    async def _call(self, operation: str, name: str) -> list[Heard]:
        one = self.shapes.roots(operation)[name]
        calls = []
        for variant in self.shapes.variants(one):
            ids = [(self.ids.some(place.type_name) or self.ids.some(None))[0] for place in variant.places()]
            calls.append(Call(filled(variant.arguments, ids)))
        return await self.asker.ask(operation, name, one, calls, 2)


async def a_seat(api: Api, database: Database, settings: Settings, role: Role) -> Seat:
    """Make the unit and the person, who may do nearly everything at a sibling unit: no check of "anywhere" helps."""
    agency = await an_agency(database, 2)
    here, beside = agency.units.values()
    owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    await a_world(Place(database, settings, agency, here, owner))
    person = await a_person(database, settings, agency, here, role, also=[(beside, Role.ADMIN)])
    shapes = await read_shapes(api, owner.token)
    territory = Territory(database, agency, here, is_whole=False)
    ids = await harvest(Asker(api, shapes, owner.token), await territory.one_id_a_table())
    seat = Seat(territory, shapes, ids, Asker(api, shapes, person.token), role)
    # What the sibling unit gives by itself, such as who leads both, is no concern of the role at this one.
    neighbour = await a_person(database, settings, agency, beside, Role.ADMIN, "neighbour")
    known = await Seat(territory, shapes, ids, Asker(api, shapes, neighbour.token), role).found_by_id()
    for one in known:
        ids.ids[one["__typename"]].remove(one["id"])
    async with begin_read(database, agency.scope) as uow:
        own = (await tenants.memberships_of(uow, [person.member_id]))[person.member_id]
    for held in own:  # everybody sees their own roles
        if (shown := encode(Kind.MEMBERSHIP.value, held.id)) in ids.ids["Membership"]:
            ids.ids["Membership"].remove(shown)
    return seat
