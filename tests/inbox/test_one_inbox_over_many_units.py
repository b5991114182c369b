"""One ordered inbox over many units (D-03): each page is what merging the lists of the single units would give.

The model knows only who may read which unit and what was written where; it merges sorted lists in Python.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import delete, insert

from server.auth import service as auth
from server.channels.models import ConnectedAccountRow, PageRow
from server.config import Settings
from server.contacts.models import ContactRow
from server.inbox import service as inbox
from server.inbox.models import ConversationRow, ConversationStatus
from server.inbox.views import ConversationFilter, ConversationView, Parts
from server.kit.db import Database
from server.kit.ids import new_id
from server.kit.pagination import Page, PageArguments
from server.platforms.port import Channel
from server.tenants.models import MembershipRow, UnitClosureRow, UnitRow
from server.tenants.rules import ROLE_PERMISSIONS, Permission, Role, UnitKind
from server.tenants.scope import Scope
from server.tenants.uow import begin, begin_read
from tests.factories.channels import an_external_id
from tests.factories.inbox import at
from tests.factories.statements import counted
from tests.factories.tenants import AnOrganization, APerson, a_franchise, a_person

Grant = tuple[UUID, Role]


@dataclass(frozen=True, slots=True)
class ATree:
    """An organization with its units by parent, and what was written in each, newest first."""

    organization: AnOrganization
    parents: Mapping[UUID, UUID | None]
    lists: dict[UUID, list[ConversationRow]] = field(default_factory=dict)

    def with_ancestors(self, unit_id: UUID) -> set[UUID]:
        """Return a unit and all above it."""
        parent = self.parents[unit_id]
        return {unit_id} if parent is None else {unit_id} | self.with_ancestors(parent)

    def readable(self, grants: Iterable[Grant]) -> set[UUID]:
        """Return the units whose inbox the grants let somebody read."""
        held = {unit_id for unit_id, role in grants if Permission.INBOX_READ in ROLE_PERMISSIONS[role]}
        return {unit_id for unit_id in self.parents if held & self.with_ancestors(unit_id)}

    def merged(self, units: Iterable[UUID], wanted: ConversationFilter | None = None) -> list[UUID]:
        """Merge the lists of the units, newest first."""
        lists = [self.lists[unit_id] for unit_id in units]
        rows = heapq.merge(*lists, key=lambda row: (row.last_message_at, row.id), reverse=True)
        chosen = wanted or ConversationFilter()
        return [
            row.id
            for row in rows
            if chosen.status in (None, row.status)
            and (chosen.unit_id is None or chosen.unit_id in self.with_ancestors(row.unit_id))
        ]


async def a_tree(database: Database, parents_of: Sequence[int | None], sizes: Sequence[int], seed: int) -> ATree:
    """Grow a tree: unit n stands under unit `parents_of[n]` and holds `sizes[n]` conversations; None is the root."""
    franchise = await a_franchise(database, locations=0)
    ids = [franchise.root_id, *(new_id() for _ in parents_of[1:])]
    parents = {one: None if parent is None else ids[parent] for one, parent in zip(ids, parents_of, strict=True)}
    tree = ATree(franchise, parents)
    own = {"organization_id": franchise.id}
    units = [
        own | {"id": one, "parent_id": parent, "kind": UnitKind.REGION, "name": str(one)}
        for one, parent in parents.items()
        if parent is not None
    ]
    closure = [
        own | {"ancestor_id": above, "descendant_id": one, "depth": depth}
        for one in ids[1:]
        for depth, above in enumerate(_upwards(parents, one))
    ]
    async with begin(database, franchise.scope) as uow:
        if units:
            await uow.session.execute(insert(UnitRow), units)
            await uow.session.execute(insert(UnitClosureRow), closure)
    await _write(database, tree, dict(zip(ids, sizes, strict=True)), random.Random(seed))
    return tree


def _upwards(parents: Mapping[UUID, UUID | None], unit_id: UUID | None) -> Iterable[UUID]:
    while unit_id is not None:
        yield unit_id
        unit_id = parents[unit_id]


async def _write(database: Database, tree: ATree, sizes: Mapping[UUID, int], chance: random.Random) -> None:
    """Give each unit a page and conversations; few moments and many conversations, so that many share a moment."""
    own = {"organization_id": tree.organization.id}
    account, pages, contacts, rows = new_id(), [], [], []
    sealed = {"channel": Channel.MESSENGER, "name": "Bakery", "token_sealed": b""}
    for unit_id, size in sizes.items():
        page_id = new_id()
        pages.append(
            own | sealed | {"id": page_id, "unit_id": unit_id, "account_id": account, "external_id": an_external_id()}
        )
        quiet = timedelta(days=chance.choice([0, 0, 30]))
        for _ in range(size):
            row = ConversationRow(
                organization_id=tree.organization.id,
                id=UUID(int=chance.getrandbits(128)),
                unit_id=unit_id,
                page_id=page_id,
                contact_id=new_id(),
                status=chance.choice([ConversationStatus.OPEN, ConversationStatus.RESOLVED]),
                last_message_at=at(chance.randint(0, 20)) - quiet,
            )
            contacts.append(own | {"id": row.contact_id, "unit_id": unit_id})
            rows.append(row)
    for unit_id in sizes:
        of_unit = [row for row in rows if row.unit_id == unit_id]
        tree.lists[unit_id] = sorted(of_unit, key=lambda row: (row.last_message_at, row.id), reverse=True)
    connected = {"id": account, "unit_id": tree.organization.root_id, "scopes": [], "connected_by": new_id()}
    async with begin(database, tree.organization.scope) as uow:
        await uow.session.execute(insert(ConnectedAccountRow), [own | sealed | connected | {"external_id": "ada"}])
        await uow.session.execute(insert(PageRow), pages)
        if rows:
            await uow.session.execute(insert(ContactRow), contacts)
        uow.session.add_all(rows)


async def a_reader(database: Database, settings: Settings, tree: ATree, grants: Iterable[Grant]) -> APerson:
    """A member with these grants."""
    person = await a_person(database, settings, tree.organization, tree.organization.root_id, Role.APPROVER)
    await regrant(database, tree, person, grants)
    return person


async def regrant(database: Database, tree: ATree, person: APerson, grants: Iterable[Grant]) -> None:
    """Take all grants from a member and give these."""
    own = {"organization_id": tree.organization.id, "member_id": person.member_id}
    rows = [own | {"id": new_id(), "unit_id": unit_id, "role": role} for unit_id, role in grants]
    async with begin(database, tree.organization.scope) as uow:
        await uow.session.execute(delete(MembershipRow).where(MembershipRow.member_id == person.member_id))
        if rows:
            await uow.session.execute(insert(MembershipRow), rows)


async def scope_of(database: Database, settings: Settings, person: APerson) -> Scope:
    """Resolve what the person's token reaches now, as each request does."""
    scope = await auth.authenticate(database, settings.security, person.token)
    assert scope is not None
    return scope


async def a_page_of(
    database: Database, scope: Scope, arguments: PageArguments, wanted: ConversationFilter | None = None
) -> Page[ConversationView]:
    """Read one page in a transaction of its own."""
    async with begin_read(database, scope) as uow:
        return await inbox.list_conversations(uow, arguments, wanted)


async def forwards(database: Database, scope: Scope, size: int, wanted: ConversationFilter | None = None) -> list[UUID]:
    """Turn over the whole list from its begin."""
    seen: list[UUID] = []
    after = None
    while True:
        page = await a_page_of(database, scope, PageArguments(first=size, after=after), wanted)
        assert page.has_previous is (after is not None)
        seen += [view.id for view in page.items]
        if not page.has_next:
            return seen
        assert len(page.items) == size
        after = page.cursors[-1]


async def backwards(
    database: Database, scope: Scope, size: int, wanted: ConversationFilter | None = None
) -> list[UUID]:
    """Turn over the whole list from its end."""
    seen: list[UUID] = []
    before = None
    while True:
        page = await a_page_of(database, scope, PageArguments(last=size, before=before), wanted)
        seen = [view.id for view in page.items] + seen
        if not page.has_previous:
            return seen
        assert len(page.items) == size
        before = page.cursors[0]


def some_grants(chance: random.Random, tree: ATree) -> list[Grant]:
    """Choose grants of every role anywhere, often on units that lie in one another, and now and then on the root."""
    units = list(tree.parents)[chance.random() > 0.2 :]
    chosen = chance.sample(units, chance.randint(1, len(units)))
    return [(unit_id, chance.choice(list(Role))) for unit_id in chosen]


@pytest.mark.parametrize("seed", range(8))
async def test_every_page_is_the_merge_of_the_lists_of_the_units_that_random_grants_reach(
    database: Database, settings: Settings, seed: int
) -> None:
    chance = random.Random(seed)
    count = chance.randint(4, 16)
    parents = [None, *(chance.randrange(number) for number in range(1, count))]
    tree = await a_tree(database, parents, [chance.choice([0, 1, 2, 9]) for _ in parents], seed)
    person = await a_reader(database, settings, tree, [])

    for _ in range(4):
        grants = some_grants(chance, tree)
        await regrant(database, tree, person, grants)
        scope, readable = await scope_of(database, settings, person), tree.readable(grants)
        if not readable:
            continue
        size = chance.randint(1, 5)
        status = chance.choice([None, ConversationStatus.OPEN])
        for wanted in (None, ConversationFilter(status=status, unit_id=chance.choice(sorted(readable)))):
            merged = tree.merged(readable, wanted)
            assert await forwards(database, scope, size, wanted) == merged
            assert await backwards(database, scope, size, wanted) == merged


@pytest.mark.parametrize("seed", range(4))
async def test_a_revocation_between_two_pages_takes_effect_on_the_next_one(
    database: Database, settings: Settings, seed: int
) -> None:
    chance = random.Random(seed)
    tree = await a_tree(database, [None, *[0] * 9], [0, *[4] * 9], seed)
    units = list(tree.parents)[1:]
    grants = [(unit_id, Role.OPERATOR) for unit_id in units]
    person = await a_reader(database, settings, tree, grants)

    seen: list[UUID] = []
    expected: list[UUID] = []
    after = None
    while len(grants) > 1:
        page = await a_page_of(
            database, await scope_of(database, settings, person), PageArguments(first=3, after=after)
        )
        seen += [view.id for view in page.items]
        everything = tree.merged(units)
        begin_at = everything.index(expected[-1]) + 1 if expected else 0
        readable = set(tree.merged(unit_id for unit_id, _ in grants))
        expected += [one for one in everything[begin_at:] if one in readable][:3]
        assert seen == expected
        if not page.has_next:
            break
        after = page.cursors[-1]
        grants.remove(chance.choice(grants))
        await regrant(database, tree, person, grants)

    assert len(seen) > 3


@pytest.mark.parametrize("clients", [1, 2, 300])
async def test_staff_of_many_clients_page_through_one_list_at_the_same_number_of_statements(
    database: Database, settings: Settings, clients: int
) -> None:
    chance = random.Random(clients)
    of_others = 3
    sizes = [1, 1, *(chance.randint(0, 3) for _ in range(clients - 1 + of_others))]
    tree = await a_tree(database, [None, *[0] * (clients + of_others)], sizes, clients)
    units = list(tree.parents)[1 : clients + 1]
    person = await a_reader(database, settings, tree, [(unit_id, Role.OPERATOR) for unit_id in units])
    scope = await scope_of(database, settings, person)
    merged = tree.merged(units)

    assert await forwards(database, scope, 100) == merged
    assert await backwards(database, scope, 100) == merged
    async with begin_read(database, scope) as uow:
        with counted(database) as statements:
            page = await inbox.list_conversations(uow, PageArguments(first=100), parts=Parts.every())
    assert [view.id for view in page.items] == merged[:100]
    assert sum("set_config" not in one for one in statements) == 2
