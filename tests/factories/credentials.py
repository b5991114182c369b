"""People with a sign-in, and what they make: service tokens, apps, tokens through tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from server.auth import service as auth
from server.auth.rules import SignInMethod
from server.auth.service import NewAccount
from server.config import Settings
from server.kit.db import Database
from server.kit.ids import decode, encode, new_id
from server.tenants import service as tenants
from server.tenants.rules import Role
from server.tenants.uow import begin
from tests.api import Api
from tests.factories.tenants import AnOrganization, APerson
from tests.schema.asking import change

MADE = "token { id name expiresAt credential { state maker { name } owner { name } parent { name } } } secret"
APP = "app { id name clientId expiresAt credential { state maker { name } owner { name } parent { name } } } secret"


async def somebody_signed_in(
    database: Database, settings: Settings, organization: AnOrganization, unit_id: UUID, role: Role, name: str = "Ada"
) -> APerson:
    """Create a member with a role on a unit, whose token is that of a sign-in."""
    email = f"{new_id().hex}@example.test"
    user_id = await auth.create_account(database, NewAccount(email, name, None))
    async with begin(database, organization.scope) as uow:
        member = await tenants.create_member(uow, name=name, email=email, user_id=user_id)
        await tenants.grant_role(uow, member.id, unit_id, role)
    cookie = await auth.start_session(database, settings, user_id, {SignInMethod.PASSWORD}, "Firefox")
    signed_in = await auth.read_session(database, settings, cookie)
    assert signed_in is not None
    secret = await auth.act_for(database, settings, signed_in, organization.id)
    scope = await auth.authenticate(database, settings.security, secret)
    assert scope is not None
    return APerson(member.id, secret, scope)


async def a_token(api: Api, token: str, name: str, *, at: UUID | None = None, **more: Any) -> dict[str, Any]:
    """Make a token through a token: a service token on a unit, or a personal one; return the payload."""
    wanted: dict[str, Any] = {"name": name, "permissions": ["TEMPLATE_READ"], **more}
    if at is not None:
        wanted |= {"kind": "SERVICE", "unitIds": [encode("unit", at)]}
    made = await change(api, "tokenCreate", MADE, wanted, token=token)
    assert made["userErrors"] == [], made
    return made


async def a_robot(api: Api, token: str, **more: Any) -> dict[str, Any]:
    """Register an app that acts as itself; return the payload."""
    wanted = {
        "name": "Robot",
        "kind": "CONFIDENTIAL",
        "permissions": ["TEMPLATE_READ"],
        "grantTypes": ["CLIENT_CREDENTIALS"],
        **more,
    }
    made = await change(api, "appRegister", APP, wanted, token=token)
    assert made["userErrors"] == [], made
    return made


async def robots_token(api: Api, robot: dict[str, Any]) -> dict[str, Any]:
    """Let an app ask for a token as itself; return the answer, whatever it is."""
    answer = await api.http.post(
        f"{api.url}/oauth2/token",
        data={"grant_type": "client_credentials"},
        auth=(robot["app"]["clientId"], robot["secret"]),
    )
    told: dict[str, Any] = answer.json()
    return told


async def is_taken(api: Api, token: str) -> bool:
    """Say whether a token is taken."""
    return (await api.ask("{ viewer { name } }", token=token)).codes == []


async def let_end(database: Database, organization: AnOrganization, token_id: str, how: str) -> None:
    """End a token behind the service's back, so that nothing that hangs on it is ended with it."""
    values = {
        "revoked": "revoked_at = clock_timestamp()",
        "expired": "expires_at = clock_timestamp() - interval '1 second'",
        "idle": "idle_s = 60, last_used_at = clock_timestamp() - interval '61 seconds'",
    }
    async with begin(database, organization.scope) as uow:
        statement = f"UPDATE access_token SET {values[how]} WHERE id = :id"
        await uow.session.execute(text(statement), {"id": decode(token_id)[1]})


def moment(value: str) -> datetime:
    """Read a time of an answer."""
    return datetime.fromisoformat(value)
