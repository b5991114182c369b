"""Every mutation there is: what changes something leaves an event in the same transaction, what is refused leaves none."""

from __future__ import annotations

import copy
import itertools
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from graphql import GraphQLField
from sqlalchemy import text

from server.app import create_app
from server.config import Settings
from server.kit.crypto import KeyRing
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.schema.nodes import Kind
from server.tenants.rules import Role
from server.tenants.uow import begin, begin_read
from switchboard.postgres import Server
from tests.api import Api, serving
from tests.factories.accounts import a_signed_in_person
from tests.factories.tenants import an_agency
from tests.tenancy.asking import Asker, Call, filled, read_shapes
from tests.tenancy.conftest import database_settings
from tests.tenancy.hop import Harvest, harvest
from tests.tenancy.rows import TENANT_TABLES, Territory
from tests.tenancy.scenes import spare_tokens
from tests.tenancy.world import Place, a_world

MOST_TRIES = 12
MOST_WAYS = 24

KEPT_APART = frozenset({"audit_event", "audit_head", "idempotency", "read_trace"})
"""The trail itself, and what is written beside every request."""
NO_EFFECT = {"access_token": "last_used_at"}
"""Columns that a request may change without an act."""

STAGED = {
    "campaignSubmit",
    "campaignDecide",
    "campaignPause",
    "campaignResume",
    "channelConnectFinish",
    "channelConnectMany",
    "conversationReply",
    "conversationMarkRead",
    "conversationLabel",
    "legalAccessDecide",
    "publicCommentSetHandled",
    "templateOverride",
    "unitCreate",
    "locationGroupUpdate",
    "locationGroupMembers",
}
"""Mutations that the walk may find in a state in which there is nothing to do. Nor may they do anything in silence; that they
leave an event is shown by tests/audit/test_acts.py, tests/schema/test_legal_access.py, test_channels.py and
test_connecting_many.py, tests/flows/test_public_comments.py, and for units and groups by the tests of their slice."""

OF_ACCOUNTS = {
    "passkeyDelete",
    "passkeyRename",
    "passwordChange",
    "passwordReset",
    "passwordResetRequest",
    "recoveryCodesRegenerate",
    "sessionCreate",
    "sessionRevoke",
    "sessionVerify",
    "totpConfirm",
    "totpDisable",
    "totpEnroll",
}
"""What changes an account, which belongs to no organization, or needs a password or a code that the walk does not know."""

UNREACHED = {
    "documentsRegister",
    "documentsWithdraw",
    "appRegister",
    "auditExport",
    "clientOffboard",
    "conflictExceptionGrant",
    "conflictExceptionRequest",
    "conflictExceptionWithdraw",
    "contactErase",
    "invitationCreate",
    "memberDeactivate",
    "memberReactivate",
    "messageUnsend",
    "roleArchive",
    "roleCreate",
    "roleUpdate",
    "unitConflictFlag",
    "unitConflictLift",
}
"""What the walk's arguments are refused for: here they show only that a refusal leaves nothing behind. Messenger takes no
message back; that messageUnsend leaves an event is shown by tests/schema/test_taking_back.py."""

_ROW = "md5((to_jsonb(one) - '{without}')::text)"
_STATE = " UNION ALL ".join(
    f"SELECT '{table.name}', (SELECT md5(string_agg({row}, '' ORDER BY {row})) FROM {table.name} AS one)"
    for table in TENANT_TABLES
    if table.name not in KEPT_APART
    for row in [_ROW.format(without=NO_EFFECT.get(table.name, ""))]
)


@dataclass(slots=True)
class Told:
    """What one call of one mutation did."""

    was_refused: bool
    changed: list[str]
    events: list[str]
    answer: str


@dataclass(slots=True)
class Walk:
    """An owner with something of every kind, in a database of its own."""

    place: Place
    asker: Asker
    own: Harvest
    tokens: list[str] = field(default_factory=list)
    found: dict[str, list[Told]] = field(default_factory=dict)
    last: dict[str, str] = field(default_factory=dict)
    """The state after the last call, which is the one before the next: nobody else writes here."""

    def mutations(self) -> Mapping[str, GraphQLField]:
        """Return every mutation of the schema."""
        return self.asker.shapes.roots("mutation")

    def ways(self, one: GraphQLField) -> Iterator[Any]:
        """Yield arguments to call a mutation with, made of the owner's own ids."""
        for variant in self.asker.shapes.variants(one):
            choices = [self.own.some(place.type_name)[:3] for place in variant.places()]
            for ids in itertools.islice(itertools.product(*choices), MOST_TRIES):
                yield filled(variant.arguments, ids)

    async def refill(self) -> None:
        """Have a token for the next call."""
        if not self.tokens:
            self.tokens, self.last = await spare_tokens(self.place), {}

    async def call(self, name: str, one: GraphQLField, arguments: Any) -> tuple[bool, str]:
        """Call a mutation; return whether it was refused, and the answer."""
        asker = Asker(self.asker.api, self.asker.shapes, self.tokens[-1])
        heard = (await asker.ask("mutation", name, one, [Call(arguments)], 2))[0]
        data, errors = heard.of("a0")
        return bool(errors) or data is None or bool(data.get("userErrors")), heard.text

    async def told(self, name: str, one: GraphQLField, arguments: Any) -> Told:
        """Call a mutation and compare what there was before and after."""
        before, seq = self.last or await self.state(), await self.seq()
        was_refused, answer = await self.call(name, one, arguments)
        self.last = after = await self.state()
        changed = [table for table, sum_ in after.items() if before[table] != sum_]
        if changed:  # it may be the token that was ended
            self.tokens.pop()
        return Told(was_refused, changed, await self.events_after(seq), answer)

    async def told_without_a_chain(self, name: str, one: GraphQLField, arguments: Any) -> list[str]:
        """Call a mutation while no event can be written; return what it changed nevertheless."""
        async with begin(self.place.database, self.place.scope) as uow:
            end = (await uow.session.execute(text("SELECT seq, hash FROM audit_head"))).one()
            await uow.session.execute(text("UPDATE audit_head SET seq = 0, hash = decode('', 'hex')"))
        changed = (await self.told(name, one, arguments)).changed
        async with begin(self.place.database, self.place.scope) as uow:
            back = {"seq": end.seq, "hash": end.hash}
            await uow.session.execute(text("UPDATE audit_head SET seq = :seq, hash = :hash"), back)
        return changed

    async def state(self) -> dict[str, str]:
        """Return a digest of each table of the organization."""
        async with begin_read(self.place.database, self.place.scope) as uow:
            return {name: state for name, state in await uow.session.execute(text(_STATE))}

    async def seq(self) -> int:
        """Return the number of the newest event."""
        async with begin_read(self.place.database, self.place.scope) as uow:
            return int((await uow.session.execute(text("SELECT max(seq) FROM audit_event"))).scalar_one())

    async def events_after(self, seq: int) -> list[str]:
        """Return the actions of later events."""
        async with begin_read(self.place.database, self.place.scope) as uow:
            statement = text("SELECT action FROM audit_event WHERE seq > :seq ORDER BY seq")
            return list(await uow.session.scalars(statement, {"seq": seq}))


@pytest.fixture(scope="module")
async def own_database(postgres: Server, settings: Settings) -> AsyncIterator[tuple[Settings, Database]]:
    """A database of this module's own."""
    name = f"trail_{new_id().hex}"
    postgres.create_database(name, template="sb_template")
    made = copy.copy(settings)
    made.database = database_settings(postgres, name)
    made.operations = settings.operations.model_copy(
        update={"max_price": 10**9}
    )  # the walk asks for everything at once
    opened = Database(made.database, KeyRing.parse(made.security.keys.get_secret_value()))
    yield made, opened
    await opened.aclose()
    postgres.drop_database(name)


@pytest.fixture(scope="module")
async def walk(own_database: tuple[Settings, Database]) -> AsyncIterator[Walk]:
    """An owner in an agency where everything has happened once."""
    made, opened = own_database
    agency = await an_agency(opened, 1)
    owner = await a_signed_in_person(opened, made, agency, agency.root_id, Role.OWNER)
    place = Place(opened, made, agency, agency.units["client 1"], owner)
    await a_world(place)
    async with serving(create_app(made)) as url, httpx.AsyncClient(timeout=60, trust_env=False) as http:
        api = Api(url, http)
        asker = Asker(api, await read_shapes(api, owner.token), owner.token)
        own = await harvest(asker, await Territory(opened, agency, place.unit_id, is_whole=True).one_id_a_table())
        own.prefer(encode(Kind.UNIT, place.unit_id))
        yield Walk(place, asker, own)


async def test_every_mutation_with_an_effect_leaves_an_event_or_has_no_effect_and_a_refused_one_leaves_nothing(
    walk: Walk,
) -> None:
    silent: dict[str, list[str]] = {}
    noisy: dict[str, list[str]] = {}
    unproved: dict[str, str] = {}
    for name, one in walk.mutations().items():
        unproved[name] = "it was not called"
        for arguments in itertools.islice(walk.ways(one), MOST_WAYS):
            await walk.refill()
            without_chain = await walk.told_without_a_chain(name, one, arguments)
            await walk.refill()
            told = await walk.told(name, one, arguments)
            if without_chain or (told.changed and not told.events):
                silent[name] = [*without_chain, *told.changed]
            if told.was_refused and (told.changed or told.events):
                noisy[name] = [*told.changed, *told.events]
            unproved[name] = told.answer
            if told.changed and told.events:
                del unproved[name]
                break

    assert (silent, noisy) == ({}, {})
    known = STAGED | OF_ACCOUNTS | UNREACHED
    assert unproved.keys() <= known, {name: unproved[name][-300:] for name in unproved.keys() - known}
