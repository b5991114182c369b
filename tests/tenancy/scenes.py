"""Who asks whom: two organizations, or two siblings in one, with everything of the other side marked."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import select

from server.auth import service as auth
from server.config import Settings
from server.kit.db import Database
from server.kit.ids import decode, encode
from server.schema.nodes import Kind
from server.tenants.models import UnitRow
from server.tenants.rules import Role
from server.tenants.uow import begin_read
from tests.api import Api
from tests.factories.accounts import a_signed_in_person, user_of
from tests.factories.factors import a_passkey
from tests.factories.tenants import AnOrganization, an_agency
from tests.tenancy.asking import Asker, Call, read_shapes
from tests.tenancy.canaries import Canary, a_canary, listening_to_logs
from tests.tenancy.hop import Harvest, Hop, harvest
from tests.tenancy.live import Stir, overheard
from tests.tenancy.rows import Territory
from tests.tenancy.shapes import Shapes
from tests.tenancy.world import Place, Talk, a_parting, a_world

SPARE_TOKENS = 160
MANY = 10
"""Of how many columns a mark must be seen by its owner, so that not seeing it means something."""


@dataclass(slots=True)
class Scene:
    """A person before the marked territory of others."""

    mine: Place
    theirs: Place
    territory: Territory
    canary: Canary
    hop: Hop
    talks: tuple[Talk, Talk]
    checksums: dict[str, str]
    shown_to_its_owner: set[str]
    visible: list[object] = field(default_factory=list)
    heard_elsewhere: list[str] = field(default_factory=list)

    @property
    def shapes(self) -> Shapes:
        """Return the schema."""
        return self.hop.asker.shapes

    def own_ids(self) -> set[str]:
        """Return the ids of what the person may see."""
        return {one for ids in self.hop.own.ids.values() for one in ids}

    async def walk(self) -> None:
        """Ask for everything in every way, over HTTP and over a socket, listening to the logs."""
        with listening_to_logs() as logged:
            await self.hop.ask_by_id("query")
            await self.hop.ask_with_cursors()
            self.visible += await self.hop.ask_nodes(await self.territory.one_id_a_table())
            await self.hop.ask_by_id("mutation")
        self.heard_elsewhere += logged

    async def listen(self, api: Api) -> None:
        """Subscribe to everything in every way while something happens on both sides."""
        with listening_to_logs() as logged:
            stir = Stir(self.mine, self.theirs, self.talks, self.canary.of("live", "message"))
            frames, differences = await overheard(api, self.hop, stir)
        self.heard_elsewhere += [*frames, *logged]
        self.hop.differences += differences

    def sightings(self) -> set[str]:
        """Return all that came over in answers, headers, frames and logs."""
        found: set[str] = set()
        for one in self.hop.asker.heard:
            found |= self.canary.sightings(one.everything(), one.sent)
        for text in self.heard_elsewhere:
            found |= {one for one in self.canary.sightings(text) if not one.startswith("the id")}
        return found


async def two_organizations(api: Api, database: Database, settings: Settings) -> Scene:
    """An owner of one agency before another agency."""
    agencies = [await an_agency(database, 1, name) for name in ("Ours", "Theirs")]
    mine, theirs = [await _a_place(database, settings, one, "client 1", Role.OWNER, one.root_id) for one in agencies]
    return await _a_scene(api, mine, theirs, is_whole=True)


async def two_siblings(api: Api, database: Database, settings: Settings) -> Scene:
    """A manager of one client before another client of the same agency."""
    agency = await an_agency(database, 2)
    mine, theirs = [
        await _a_place(database, settings, agency, name, Role.MANAGER, at) for name, at in agency.units.items()
    ]
    return await _a_scene(api, mine, theirs, is_whole=False)


async def _a_place(
    database: Database, settings: Settings, organization: AnOrganization, name: str, role: Role, at: UUID
) -> Place:
    person = await a_signed_in_person(database, settings, organization, at, role, name)
    await auth.start_session(database, settings, user_of(person), (), "the one that is ended first")
    for passkey in ("the one that is deleted first", "the one that stays"):
        await a_passkey(database, user_of(person), passkey)
    return Place(database, settings, organization, organization.units[name], person)


async def _a_scene(api: Api, mine: Place, theirs: Place, *, is_whole: bool) -> Scene:
    talks = (await a_world(mine), await a_world(theirs))
    for place in (mine, theirs):
        await a_parting(place)
    shapes = await read_shapes(api, mine.person.token)
    territory = Territory(theirs.database, theirs.organization, theirs.unit_id, is_whole)
    other = Asker(api, shapes, theirs.person.token)
    foreign = await _harvested(other, theirs, territory)
    asker = Asker(api, shapes, mine.person.token)
    own = await _harvested(asker, mine, Territory(mine.database, mine.organization, mine.unit_id, is_whole))
    credential = mine.person.scope.credential
    assert credential is not None
    own.ids["Token"].remove(encode(Kind.TOKEN, credential.token_id))  # the walk goes on with it to the end
    canary = a_canary()
    await territory.add_bare_rows(canary)
    await territory.mark_all_rows(canary)
    shown = await _shown_to(other, canary)
    canary = Canary(canary.mark, await territory.ids() - _shared_ids(own, foreign))
    asker.heard.clear()
    hop = Hop(asker, own, foreign.without(own), sees_everything=is_whole)
    return Scene(mine, theirs, territory, canary, hop, talks, await territory.checksums(), shown)


async def _harvested(asker: Asker, place: Place, territory: Territory) -> Harvest:
    found = await harvest(asker, await territory.one_id_a_table())
    async with begin_read(place.database, place.scope) as uow:
        rivals = select(UnitRow.id).where(UnitRow.organization_id == place.organization.id, UnitRow.name.like("rival%"))
        apart = (await uow.session.scalars(rivals.limit(1))).one()
    found.prefer(encode(Kind.UNIT, apart))  # some calls want two units of which neither stands under the other
    found.prefer(encode(Kind.UNIT, place.unit_id))
    return found


def _shared_ids(own: Harvest, foreign: Harvest) -> set[UUID]:
    """Return what both sides may see, such as the members of one organization."""
    return {decode(one)[1] for kind, ids in own.ids.items() for one in ids if one in foreign.ids.get(kind, ())}


async def _shown_to(owner: Asker, canary: Canary) -> set[str]:
    """Return the marked columns that the lists show to whom they belong."""
    before = len(owner.heard)
    for name, one in owner.shapes.roots("query").items():
        variant = owner.shapes.variants(one)[0]
        if not variant.places():
            await owner.ask("query", name, one, [Call(variant.arguments)], 3)
    return set().union(*(canary.sightings(heard.text) for heard in owner.heard[before:]))


async def spare_tokens(place: Place) -> list[str]:
    """Let the person sign in many times more."""
    made = []
    for _ in range(SPARE_TOKENS):
        cookie = await auth.start_session(place.database, place.settings, user_of(place.person), (), "spare")
        signed_in = await auth.read_session(place.database, place.settings, cookie)
        assert signed_in is not None
        made.append(await auth.act_for(place.database, place.settings, signed_in, place.organization.id))
    return made
