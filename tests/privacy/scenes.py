"""Clients in full swing that leave, and what is looked for afterwards."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

from sqlalchemy import ARRAY, LargeBinary, String, Table, func, select, text, update
from sqlalchemy.dialects.postgresql import JSONB

from server.audit import service as audit
from server.channels.models import ConnectedAccountRow, PageRow
from server.channels.service.pages import account_token_identity, page_token_identity
from server.config import Settings
from server.kit import ids
from server.kit.db import Database, Wall
from server.kit.jobs import JobRow, JobState
from server.kit.pagination import PageArguments
from server.platforms import registry
from server.platforms.port import AccountCredentials, AuthorizeRequest, Channel, CodeExchange, Login, PageCredentials
from server.privacy import service as privacy
from server.privacy.models import OffboardingRow, OffboardingStepRow
from server.privacy.rules import Policy
from server.privacy.service import Wish
from server.tenants import service as tenants
from server.tenants.rules import Role
from server.tenants.uow import begin, begin_read, system_scope
from tests.factories.channels import an_external_id
from tests.factories.tenants import AnOrganization, APerson, a_person, an_agency
from tests.standin_server import Platform
from tests.tenancy.canaries import Canary, a_canary
from tests.tenancy.rows import TABLES, Territory
from tests.tenancy.world import Place, Talk, a_world
from tests.workshop import Workshop
from workers.bind import answer

PROOFS = frozenset({"audit_event", "audit_head", "legal_access", "legal_hold", "read_trace"})
"""What outlives its unit by design; none of it holds names or contents."""


@dataclass(frozen=True, slots=True)
class AClient:
    """A client with a row in every table and a mark in every text, beside a sibling; and the owner who parts with it."""

    database: Database
    settings: Settings
    agency: AnOrganization
    owner: APerson
    place: Place
    talk: Talk
    canary: Canary
    sibling: Territory
    grant: Granted

    @property
    def unit_id(self) -> UUID:
        """The unit that leaves."""
        return self.place.unit_id

    async def leave(
        self, policy: Policy = Policy.ERASE, days: int | None = None, *, reason: str = "The contract ended."
    ) -> UUID:
        """Ask for the off-boarding, as the owner; return it."""
        async with begin_read(self.database, self.agency.scope) as uow:
            name = (await tenants.unit(uow, self.unit_id)).name
        async with begin(self.database, self.owner.scope) as uow:
            row = await privacy.offboard(uow, Wish(self.unit_id, policy, days, name, reason))
        return row.id

    async def row(self, offboarding_id: UUID) -> tuple[OffboardingRow, list[OffboardingStepRow]]:
        """Read the off-boarding and its steps."""
        async with begin_read(self.database, self.agency.scope) as uow:
            found = (await privacy.offboardings_by_id(uow, [offboarding_id]))[offboarding_id]
            return found, (await privacy.steps_of(uow, [offboarding_id]))[offboarding_id]

    async def file(self, file_id: UUID | None) -> bytes:
        """Read a stored file as the owner."""
        assert file_id is not None
        async with begin_read(self.database, self.owner.scope) as uow:
            await tenants.file_of(uow, file_id)
            return b"".join([part async for part in tenants.contents(uow, file_id)])

    async def certificate(self, offboarding_id: UUID) -> dict[str, object]:
        """Read the certificate."""
        found, _ = await self.row(offboarding_id)
        told: dict[str, object] = json.loads(await self.file(found.certificate_file_id))
        return told

    async def sightings(self, *, but: frozenset[str] = frozenset()) -> dict[str, int]:
        """Count, by table and column, the rows of the whole database that hold the mark in a text, JSON or bytes."""
        found: dict[str, int] = {}
        for table in TABLES:
            if table.name not in but:
                found |= {name: n async for name, n in _seen(self.database, self.agency, table, self.canary) if n}
        return found


async def a_client(database: Database, settings: Settings, platform: Platform) -> AClient:
    """An agency with two clients in full swing; every text of the first one carries a mark."""
    agency = await an_agency(database, 2)
    owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER, "Olga")
    place, other = [
        Place(
            database,
            settings,
            agency,
            unit_id,
            await a_person(database, settings, agency, unit_id, Role.MANAGER, name),
        )
        for name, unit_id in agency.units.items()
    ]
    talk = await a_world(place)
    await a_world(other)
    canary = a_canary()
    territory = Territory(database, agency, place.unit_id, is_whole=False)
    await territory.add_bare_rows(canary)
    await territory.mark_all_rows(canary)
    sibling = Territory(database, agency, other.unit_id, is_whole=False)
    await sibling.add_bare_rows(a_canary())
    await _lift_holds(database, owner)
    async with begin(database, agency.scope) as uow:
        await uow.session.execute(text("UPDATE job SET due_at = now() + interval '9 days' WHERE kind LIKE 'cnry%'"))
    await _attribute(database, agency, territory, talk)
    grant = await a_grant(platform, settings)
    await _connect(database, agency, talk, grant)
    return AClient(database, settings, agency, owner, place, talk, canary, sibling, grant)


async def _lift_holds(database: Database, owner: APerson) -> None:
    """Lift every hold of the organization: an erasure would wait for what the world was ordered to keep."""
    async with begin(database, owner.scope) as uow:
        held = [one for one in (await audit.list_holds(uow, PageArguments(100))).items if one.lifted_at is None]
        assert held
        for one in held:
            await audit.lift_hold(uow, one.id, "The case is closed.")


async def _attribute(database: Database, agency: AnOrganization, territory: Territory, talk: Talk) -> None:
    """Let the bare rows without a unit name something of the client, as rows of a running system do."""
    made = {name: row.get("id") for name, row in territory.made.items()}
    changes = {
        "platform_event": "UPDATE platform_event SET page_id = :page WHERE id = :platform_event",
        "job": "UPDATE job SET payload = payload || jsonb_build_object('page_id', cast(:page AS text)) WHERE id = :job",
        "dead_letter": "UPDATE dead_letter SET source = 'JOB', subject_id = :job WHERE id = :dead_letter",
        "idempotency": "UPDATE idempotency SET result = result || jsonb_build_object('page', cast(:gid AS text))"
        " WHERE position(:mark in result::text) > 0",
    }
    values = {name: value for name, value in made.items() if name in {"platform_event", "job", "dead_letter"}}
    mark = next(iter(territory.made["idempotency"]["result"]))  # type: ignore[call-overload]  # one mark is its name
    values |= {"page": talk.page.id, "gid": ids.encode("page", talk.page.id), "mark": mark}
    async with begin(database, agency.scope) as uow:
        for name, statement in changes.items():
            used = {key: value for key, value in values.items() if f":{key}" in statement}
            done = await uow.session.execute(text(statement), used)
            assert done.rowcount == 1, name  # type: ignore[attr-defined]  # an UPDATE gives a cursor result


async def _connect(database: Database, agency: AnOrganization, talk: Talk, at: Granted) -> None:
    """Give the client's own page the name, the token and the grant that the platform knows."""
    async with begin(database, agency.scope) as uow:
        page = (await uow.session.scalars(select(PageRow).where(PageRow.id == talk.page.id))).one()
        account = await uow.session.get(ConnectedAccountRow, (agency.id, page.account_id))
        assert account is not None
        page.external_id, account.external_id = at.page, at.person
        page.token_sealed = uow.keys.seal(at.page_token, page_token_identity(agency.id, page.id))
        account.token_sealed = uow.keys.seal(at.token, account_token_identity(agency.id, account.id))
        await uow.session.flush()
        claimed = await uow.session.execute(
            text("SELECT claim_page_route('MESSENGER', :name, :page)"), {"name": at.page, "page": talk.page.id}
        )
        assert claimed.scalar_one()


@dataclass(frozen=True, slots=True)
class Granted:
    """What a person at the platform gave us: a page of theirs, subscribed, and the tokens for it."""

    person: str
    page: str
    token: str
    page_token: str


async def a_grant(platform: Platform, settings: Settings) -> Granted:
    """Let a person of the stand-in consent in its dialogue."""
    person, page = an_external_id(), an_external_id()
    await platform.control("people", [{"id": person, "name": "Ada"}])
    await platform.control("pages", [{"id": page, "name": "Bakery", "people": [person], "ad_account": {"id": page}}])
    connectors = registry.build(settings)
    connector, redirect = connectors.of(Channel.MESSENGER), "http://127.0.0.1:8000/oauth/messenger/callback"
    address = connector.authorize_url(AuthorizeRequest("state", redirect, Login.FACEBOOK))
    asked = dict(parse_qsl(urlsplit(address).query))
    await platform.http.get(address)
    answer = await platform.http.post(
        address.split("?", maxsplit=1)[0], data=asked | {"person": person, "action": "allow"}
    )
    code = dict(parse_qsl(urlsplit(answer.headers["location"]).query))["code"]
    grant = await connector.exchange_code(CodeExchange(code, redirect, Login.FACEBOOK))
    account = AccountCredentials(Channel.MESSENGER, person, grant.access_token, Login.FACEBOOK)
    found = next(one for one in await connector.list_pages(account) if one.external_id == page)
    await connector.subscribe(PageCredentials(Channel.MESSENGER, page, found.page_token))
    await connectors.aclose()
    return Granted(person, page, grant.access_token, found.page_token)


async def revocations(platform: Platform, *subjects: str) -> list[tuple[str, str]]:
    """Return what the platform was asked to take back about these pages and people, in the order of the calls."""
    entries = (await platform.control("revocations", method="GET"))["entries"]
    return [(one["what"], one["subject"]) for one in entries if one["subject"] in subjects]


async def _seen(
    database: Database, agency: AnOrganization, table: Table, canary: Canary
) -> AsyncIterator[tuple[str, int]]:
    columns = [one for one in table.columns if isinstance(one.type, String | JSONB | LargeBinary | ARRAY)]
    is_system = table.info["wall"] is Wall.SYSTEM
    for column in columns:
        shown = f"encode({column.name}, 'escape')" if isinstance(column.type, LargeBinary) else f"{column.name}::text"
        statement = text(f"SELECT count(*) FROM {table.name} WHERE position(:mark in {shown}) > 0")
        opened = system_scope(database) if is_system else None
        if opened is not None:
            async with opened as session:
                count = (await session.execute(statement, {"mark": canary.mark})).scalar_one()
        else:
            async with begin_read(database, agency.scope) as uow:
                count = (await uow.session.execute(statement, {"mark": canary.mark})).scalar_one()
        yield f"{table.name}.{column.name}", count


async def leave_and_settle(client: AClient, workshop: Workshop) -> UUID:
    """Part with the client, and let the workers do all of it."""
    offboarding_id = await client.leave()
    await work(client, workshop)
    return offboarding_id


async def work(client: AClient, workshop: Workshop, *, also_later: bool = False, turns: int = 60) -> int:
    """Carry out what privacy owes until nothing of it is due; `also_later` brings what waits forward, once."""
    for done in range(turns):
        owed = await _owed(client, bring_forward=also_later and done == 0)
        if not owed:
            return done
        for job_id in owed:
            await answer(workshop.runtime, client.agency.id, job_id, dict(workshop.actors))
    raise AssertionError("it does not come to an end")


async def _owed(client: AClient, *, bring_forward: bool) -> list[UUID]:
    mine = JobRow.organization_id == client.agency.id, JobRow.kind.like("privacy.%"), JobRow.state == JobState.QUEUED
    async with begin(client.database, client.agency.scope) as uow:
        if bring_forward:
            await uow.session.execute(update(JobRow).where(*mine).values(due_at=func.clock_timestamp()))
        statement = select(JobRow.id).where(*mine, JobRow.due_at <= func.clock_timestamp())
        return list(await uow.session.scalars(statement))
