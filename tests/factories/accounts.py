"""People who sign in: an account with a password, and the memberships that it acts with."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from server.auth import service as auth
from server.auth.rules import SignInMethod
from server.auth.service import NewAccount, SignedIn
from server.config import Settings
from server.kit.db import Database
from server.kit.ids import new_id
from server.tenants import service as tenants
from server.tenants.rules import Role
from server.tenants.uow import begin
from tests.factories.tenants import AnOrganization, APerson

PASSWORD = "tall kettle under ice"


@dataclass(frozen=True, slots=True)
class AnAccount:
    """Somebody who may sign in, with a member id per organization."""

    user_id: UUID
    email: str
    name: str
    members: dict[UUID, UUID]
    password: str = PASSWORD


async def an_account(
    database: Database, *organizations: AnOrganization, name: str = "Ada", role: Role = Role.OWNER
) -> AnAccount:
    """Make an account whose person has the role on the root of each organization."""
    email = f"{new_id().hex}@example.test"
    user_id = await auth.create_account(database, NewAccount(email, name, PASSWORD))
    members = {}
    for organization in organizations:
        async with begin(database, organization.scope) as uow:
            member = await tenants.create_member(uow, name=name, email=email, user_id=user_id)
            await tenants.grant_role(uow, member.id, organization.root_id, role)
        members[organization.id] = member.id
    return AnAccount(user_id, email, name, members)


async def a_session(database: Database, settings: Settings, person: AnAccount) -> tuple[SignedIn, str]:
    """Sign somebody in; return who they are and the cookie's value."""
    cookie = await auth.start_session(database, settings, person.user_id, {SignInMethod.PASSWORD}, "Firefox")
    signed_in = await auth.read_session(database, settings, cookie)
    assert signed_in is not None
    return signed_in, cookie


async def a_signed_in_person(
    database: Database, settings: Settings, organization: AnOrganization, unit_id: UUID, role: Role, name: str = "Ada"
) -> APerson:
    """Make a member with a role on a unit, and the token of a sign-in; there is no password."""
    email = f"{new_id().hex}@example.test"
    user_id = await auth.create_account(database, NewAccount(email, name))
    async with begin(database, organization.scope) as uow:
        member = await tenants.create_member(uow, name=name, email=email, user_id=user_id)
        await tenants.grant_role(uow, member.id, unit_id, role)
    person = AnAccount(user_id, email, name, {organization.id: member.id})
    signed_in, _ = await a_session(database, settings, person)
    token = await auth.act_for(database, settings, signed_in, organization.id)
    scope = await auth.authenticate(database, settings.security, token)
    assert scope is not None
    return APerson(member.id, token, scope)


def user_of(person: APerson) -> UUID:
    """Return the account of somebody who signed in."""
    credential = person.scope.credential
    assert credential is not None
    assert credential.user_id is not None
    return credential.user_id
