"""From a bearer token to a scope, against a model that knows the tree by its parents only."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy.exc import IntegrityError

from server.auth import service as auth
from server.auth import tokens
from server.auth.models import AccessTokenRow
from server.config import Settings
from server.kit.crypto import keyed_hash
from server.kit.db import Database
from server.kit.ids import new_id
from server.tenants import service as tenants
from server.tenants.models import MemberRow
from server.tenants.rules import ROLE_PERMISSIONS, Permission, Role, UnitKind
from server.tenants.scope import Actor, ActorKind, CredentialKind, Scope
from server.tenants.uow import begin
from tests.factories.statements import counted
from tests.factories.tenants import AnOrganization, a_franchise, a_person, an_agency

Held = frozenset[Permission]
Grants = frozenset[tuple[UUID, Role]]
NOTHING: Held = frozenset()


@dataclass(frozen=True, slots=True)
class ATree:
    """An organization with its units by parent; the root has none."""

    organization: AnOrganization
    parents: Mapping[UUID, UUID | None]

    def above(self, unit_id: UUID) -> set[UUID]:
        """Return all units above one."""
        parent = self.parents[unit_id]
        return set() if parent is None else {parent} | self.above(parent)

    def below(self, unit_id: UUID) -> set[UUID]:
        """Return a unit and all under it."""
        return {one for one in self.parents if one == unit_id or unit_id in self.above(one)}


@dataclass(frozen=True, slots=True)
class AToken:
    """What a token is made of; `member` None is an app's."""

    member: Actor | None
    grants: Grants
    unit_id: UUID | None
    limit: Held | None


def expected(tree: ATree, actor: Actor, token: AToken) -> Scope:
    """Say what a token reaches, unit by unit."""
    root = tree.organization.root_id
    everywhere, by_unit = NOTHING, dict[UUID, Held]()
    if token.member is None:
        assert token.unit_id is not None
        assert token.limit is not None
        if token.unit_id == root:
            everywhere = token.limit
        else:
            by_unit = dict.fromkeys(tree.below(token.unit_id), token.limit)
    elif token.unit_id in (None, root):
        everywhere = NOTHING.union(*(ROLE_PERMISSIONS[role] for unit_id, role in token.grants if unit_id == root))
        lower = frozenset(grant for grant in token.grants if grant[0] != root)
        by_unit = {one: held for one in tree.parents if (held := held_on(tree, lower, one))}
    else:
        by_unit = {one: held for one in tree.below(token.unit_id) if (held := held_on(tree, token.grants, one))}
    cut = frozenset(Permission) if token.limit is None else token.limit
    return Scope(
        actor=actor,
        organization_id=tree.organization.id,
        all_units=bool(everywhere),
        everywhere=everywhere & cut,
        by_unit={one: held & cut for one, held in by_unit.items()},
        lineage_ids=frozenset()
        if everywhere
        else frozenset().union(*(tree.above(one) for one in by_unit)) - set(by_unit),
        limit=token.limit,
        granted_at={
            at: NOTHING.union(*(ROLE_PERMISSIONS[role] for one, role in token.grants if one == at))
            for at, _ in token.grants
        },
    )


def held_on(tree: ATree, grants: Grants, unit_id: UUID) -> Held:
    """Add up what the grants on a unit and above it give there."""
    reaching = {unit_id} | tree.above(unit_id)
    return NOTHING.union(*(ROLE_PERMISSIONS[role] for granted_on, role in grants if granted_on in reaching))


async def a_tree(database: Database, chance: random.Random, size: int = 9) -> ATree:
    """Grow a tree of any shape."""
    organization = await an_agency(database, clients=0)
    parents: dict[UUID, UUID | None] = {organization.root_id: None}
    async with begin(database, organization.scope) as uow:
        for number in range(size):
            parent = chance.choice(list(parents))
            made = await tenants.create_unit(uow, parent_id=parent, kind=UnitKind.REGION, name=f"region {number}")
            parents[made.id] = parent
    return ATree(organization, parents)


async def a_member(database: Database, tree: ATree, chance: random.Random) -> tuple[Actor, Grants]:
    """Give a new member up to four roles anywhere, each seldom on the root."""
    units = [one for one, parent in tree.parents.items() if parent is not None or chance.random() < 0.3]
    grants = frozenset((chance.choice(units), chance.choice(list(Role))) for _ in range(chance.randint(0, 4)))
    async with begin(database, tree.organization.scope) as uow:
        member = await tenants.create_member(uow, name="Ada", email=f"{new_id().hex}@example.test")
        for unit_id, role in grants:
            await tenants.grant_role(uow, member.id, unit_id, role)
    return Actor(ActorKind.MEMBER, member.id, member.name), grants


async def issued(
    database: Database, settings: Settings, tree: ATree, token: AToken, *, expires_in: timedelta | None = None
) -> tuple[UUID, str]:
    """Write a token's row and return its id and the secret."""
    kind = CredentialKind.SERVICE if token.member is None else CredentialKind.PERSONAL
    secret = tokens.make(kind, tree.organization.id)
    row = AccessTokenRow(
        organization_id=tree.organization.id,
        id=new_id(),
        kind=kind,
        name="generated",
        token_hash=keyed_hash(settings.security.pepper.get_secret_value(), secret),
        member_id=None if token.member is None else token.member.id,
        unit_ids=None if token.unit_id is None else [token.unit_id],
        permissions=None if token.limit is None else sorted(one.value for one in token.limit),
    )
    async with begin(database, tree.organization.scope) as uow:
        row.expires_at = None if expires_in is None else await uow.now() + expires_in
        uow.session.add(row)
    return row.id, secret


def some_permissions(chance: random.Random) -> Held:
    """Return from none to all of the permissions."""
    return frozenset(chance.sample(list(Permission), chance.choice([0, 1, 5, len(Permission)])))


@pytest.mark.parametrize("seed", range(6))
async def test_a_token_reaches_what_the_grants_and_the_tree_say_unit_by_unit(
    database: Database, settings: Settings, seed: int
) -> None:
    chance = random.Random(seed)
    tree = await a_tree(database, chance)
    units = list(tree.parents)
    wanted = [AToken(None, frozenset(), one, some_permissions(chance)) for one in [units[0], *chance.sample(units, 2)]]
    for _ in range(5):
        member, grants = await a_member(database, tree, chance)
        for unit_id in (None, units[0], chance.choice(units)):
            limit = some_permissions(chance) if chance.random() < 0.5 else None
            wanted.append(AToken(member, grants, unit_id, limit))

    for token in wanted:
        token_id, secret = await issued(database, settings, tree, token)
        actor = token.member or Actor(ActorKind.APP, token_id, "generated")
        found = await auth.authenticate(database, settings.security, secret)
        assert found is not None
        assert replace(found, credential=None) == expected(tree, actor, token)


async def test_a_token_that_is_not_valid_now_or_complete_is_nobody(database: Database, settings: Settings) -> None:
    tree = await a_tree(database, random.Random(1), size=1)
    async with begin(database, tree.organization.scope) as uow:
        here, gone = [
            await tenants.create_member(uow, name="Ada", email=f"{new_id().hex}@example.test") for _ in range(2)
        ]
        (await uow.session.get_one(MemberRow, (tree.organization.id, gone.id))).deactivated_at = await uow.now()
    ada = AToken(Actor(ActorKind.MEMBER, here.id, "Ada"), frozenset(), None, None)

    live, later = [await issued(database, settings, tree, ada, expires_in=one) for one in (None, timedelta(hours=1))]
    expired = await issued(database, settings, tree, ada, expires_in=timedelta(seconds=-1))
    revoked = await issued(database, settings, tree, ada)
    async with begin(database, tree.organization.scope) as uow:
        await auth.revoke_token(uow, revoked[0])
    left = AToken(Actor(ActorKind.MEMBER, gone.id, "Ada"), frozenset(), None, None)
    of_one_who_left = await issued(database, settings, tree, left)
    never_made = tokens.make(CredentialKind.PERSONAL, tree.organization.id)

    async def is_somebody(secret: str) -> bool:
        return await auth.authenticate(database, settings.security, secret) is not None

    assert [await is_somebody(secret) for _, secret in (live, later)] == [True, True]
    for _, secret in (expired, revoked, of_one_who_left):
        assert not await is_somebody(secret)
    assert not await is_somebody(never_made)


@pytest.mark.parametrize(("units", "limit"), [(None, NOTHING), ("root", None)])
async def test_a_token_that_is_nobodys_and_without_limits_cannot_be_stored(
    database: Database, settings: Settings, units: str | None, limit: Held | None
) -> None:
    tree = await a_tree(database, random.Random(1), size=1)
    unit_id = None if units is None else tree.organization.root_id

    with pytest.raises(IntegrityError):
        await issued(database, settings, tree, AToken(None, frozenset(), unit_id, limit))


async def test_whoever_reaches_the_whole_tree_is_known_by_one_statement_however_large_it_is(
    database: Database, settings: Settings
) -> None:
    counts = []
    for locations in (1, 20):
        franchise = await a_franchise(database, locations)
        owner = await a_person(database, settings, franchise, franchise.root_id, Role.OWNER)
        with counted(database) as seen:
            await auth.authenticate(database, settings.security, owner.token)
        counts.append(sum("set_config" not in one for one in seen))

    assert counts == [1, 1]
