"""Apps of third parties leave with the client that they act for, and stay for the others."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text

from server.auth.oauth_models import OAuthAppRow, OAuthCodeRow, OAuthDeviceRow, OAuthGrantRow, OAuthRefreshTokenRow
from server.auth.oauth_rules import AppGrantType, AppKind
from server.auth.service import oauth
from server.auth.service.oauth import NewApp
from server.auth.service.oauth.consent import give
from server.auth.service.tokens import NewToken, mint
from server.config import Settings
from server.kit.db import Database
from server.kit.ids import new_id
from server.privacy.rules import OffboardingState, Policy
from server.tenants import service as tenants
from server.tenants.rules import Permission, Role
from server.tenants.scope import CredentialKind
from server.tenants.uow import begin, begin_read
from tests.factories.tenants import APerson, a_person
from tests.privacy.scenes import AClient, a_client, leave_and_settle, work
from tests.standin_server import Platform
from tests.workshop import Workshop

READ = frozenset({Permission.INBOX_READ})
TABLES = ("oauth_code", "oauth_refresh_token", "oauth_device", "access_token", "oauth_grant", "oauth_app")


@dataclass(frozen=True, slots=True)
class Given:
    """A grant of an app, with everything that may hang on it: a token, a code, a refresh token and a device."""

    app_id: UUID
    grant_id: UUID
    token_id: UUID


async def an_app(client: AClient, unit_ids: Collection[UUID]) -> UUID:
    """Register an app for these units, as the owner."""
    wanted = NewApp("board", AppKind.PUBLIC, READ, [], frozenset({AppGrantType.DEVICE_CODE}), frozenset(unit_ids))
    async with begin(client.database, client.agency.scope) as uow:
        app, _ = await oauth.register_app(uow, client.settings.security, wanted)
        return app.id


async def given(client: AClient, app_id: UUID, person: APerson, unit_ids: Collection[UUID] | None) -> Given:
    """Let a person grant these units to an app, None for all of the app's; the app is in the midst of everything then."""
    organization_id = client.agency.id
    async with begin(client.database, client.agency.scope) as uow:
        app = await uow.session.get(OAuthAppRow, (organization_id, app_id))
        member = (await tenants.members_by_id(uow, [person.member_id]))[person.member_id]
        assert app is not None
        granted = await give(uow, app, member, READ, None if unit_ids is None else frozenset(unit_ids))
        assert granted is not None
        grant_id, later = granted.grant.id, await uow.now() + timedelta(hours=1)
        reach = granted.grant.unit_ids
        wanted = NewToken(CredentialKind.OAUTH, "board", member.id, reach, READ, app_id=app_id, grant_id=grant_id)
        token, _ = await mint(uow, client.settings.security, wanted)
        common = {"organization_id": organization_id, "expires_at": later}
        uow.session.add_all(
            [
                OAuthCodeRow(
                    **common,
                    id=new_id(),
                    grant_id=grant_id,
                    code_hash=new_id().bytes,
                    redirect_uri="https://app.example/back",
                    code_challenge="x",
                ),
                OAuthRefreshTokenRow(**common, id=new_id(), grant_id=grant_id, token_hash=new_id().bytes),
                OAuthDeviceRow(
                    **common,
                    id=new_id(),
                    app_id=app_id,
                    grant_id=grant_id,
                    device_hash=new_id().bytes,
                    user_code_hash=new_id().bytes,
                    permissions=[],
                    interval_s=5,
                ),
            ]
        )
    return Given(app_id, grant_id, token.id)


async def a_person_of_both(client: AClient) -> APerson:
    """A manager of the client and of its sibling."""
    person = await a_person(client.database, client.settings, client.agency, client.unit_id, Role.MANAGER, "Bo")
    async with begin(client.database, client.agency.scope) as uow:
        await tenants.grant_role(uow, person.member_id, client.sibling.unit_id, Role.MANAGER)
    return person


async def counts(client: AClient, one: Given) -> dict[str, int]:
    """Count what is left of a grant, by table."""
    found = {}
    async with begin_read(client.database, client.agency.scope) as uow:
        for table in TABLES:
            column, value = {"oauth_app": ("id", one.app_id), "oauth_grant": ("id", one.grant_id)}.get(
                table, ("grant_id", one.grant_id)
            )
            statement = text(f"SELECT count(*) FROM {table} WHERE {column} = :value")
            found[table] = (await uow.session.execute(statement, {"value": value})).scalar_one()
    return found


async def units_of(client: AClient, one: Given) -> list[list[UUID]]:
    """Return the units of the app, the grant and the token."""
    async with begin_read(client.database, client.agency.scope) as uow:
        return [
            (await uow.session.execute(text(f"SELECT unit_ids FROM {table} WHERE id = :id"), {"id": key})).scalar_one()
            for table, key in (("oauth_app", one.app_id), ("oauth_grant", one.grant_id), ("access_token", one.token_id))
        ]


async def test_an_app_of_the_client_leaves_with_all_that_hangs_on_it(
    database: Database, settings: Settings, platform: Platform, workshop: Workshop
) -> None:
    client = await a_client(database, settings, platform)
    unit = client.unit_id
    both = await a_person_of_both(client)
    own = await given(client, await an_app(client, [unit]), both, [unit])
    shared = await an_app(client, [unit, client.sibling.unit_id])
    narrow = await given(client, shared, both, [unit])
    assert set((await counts(client, own)).values()) == {1}

    offboarding_id = await leave_and_settle(client, workshop)

    row, _ = await client.row(offboarding_id)
    assert row.state is OffboardingState.DONE
    assert set((await counts(client, own)).values()) == {0}
    assert {name for name, count in (await counts(client, narrow)).items() if count} == {"oauth_app"}


async def test_an_app_of_other_units_too_loses_the_client_and_goes_on(
    database: Database, settings: Settings, platform: Platform, workshop: Workshop
) -> None:
    client = await a_client(database, settings, platform)
    unit, sibling = client.unit_id, client.sibling.unit_id
    both = await a_person_of_both(client)
    wide = await given(client, await an_app(client, [unit, sibling]), both, [unit, sibling])
    elsewhere = await given(client, await an_app(client, [sibling]), both, [sibling])

    await leave_and_settle(client, workshop)

    assert await units_of(client, wide) == await units_of(client, elsewhere) == [[sibling]] * 3
    async with begin_read(database, client.agency.scope) as uow:
        for one in (wide, elsewhere):
            app = await uow.session.get(OAuthAppRow, (client.agency.id, one.app_id))
            grant = await uow.session.get(OAuthGrantRow, (client.agency.id, one.grant_id))
            assert app is not None
            assert grant is not None
            assert (app.archived_at, grant.revoked_at) == (None, None)


async def test_while_the_data_is_retained_the_clients_app_is_archived_and_its_grants_are_over(
    database: Database, settings: Settings, platform: Platform, workshop: Workshop
) -> None:
    client = await a_client(database, settings, platform)
    unit, sibling = client.unit_id, client.sibling.unit_id
    own = await given(client, await an_app(client, [unit]), await a_person_of_both(client), [unit])
    leaver = await a_person(database, settings, client.agency, unit, Role.MANAGER, "Lea")
    shared = await given(client, await an_app(client, [unit, sibling]), leaver, None)

    offboarding_id = await client.leave(Policy.RETAIN, 30)
    await work(client, workshop)

    row, _ = await client.row(offboarding_id)
    assert row.state is OffboardingState.RETAINED
    async with begin_read(database, client.agency.scope) as uow:
        gone, kept = [await uow.session.get(OAuthAppRow, (client.agency.id, one.app_id)) for one in (own, shared)]
        grants = [await uow.session.get(OAuthGrantRow, (client.agency.id, one.grant_id)) for one in (own, shared)]
        assert gone is not None
        assert kept is not None
        assert gone.archived_at is not None
        assert kept.archived_at is None
        assert [one is not None and one.revoked_at is not None for one in grants] == [True, True]
        live = text("SELECT count(*) FROM access_token WHERE grant_id = ANY (:ids) AND revoked_at IS NULL")
        ids = [own.grant_id, shared.grant_id]
        assert (await uow.session.execute(live, {"ids": ids})).scalar_one() == 0
