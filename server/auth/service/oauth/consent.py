"""A person lets an app act for them: what the consent page shows, and what their yes or no does.

The acting organization is the app's. Somebody who is no active member of it is told what a stranger is told about an app
that does not exist. Every authorization asks anew: a yes is not remembered, so nothing is granted behind anybody's back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar
from uuid import UUID

from authlib.oauth2.rfc6749 import AccessDeniedError, InvalidClientError, InvalidRequestError, OAuth2Error
from sqlalchemy.util import await_only

from server.audit import service as audit
from server.audit.actions import Action
from server.auth import oauth_rules as rules
from server.auth.oauth_models import OAuthAppRow, OAuthGrantRow
from server.auth.repository import apps as repository
from server.auth.repository import oauth as protocol
from server.auth.repository.oauth import Granted
from server.auth.service.oauth.grant_types import CodeGrant, register
from server.auth.service.oauth.server import Server, issuer_of
from server.auth.service.oauth.wire import Asked, Reply, Request, refusal
from server.config import Settings
from server.kit.db import Database
from server.kit.ids import new_id
from server.tenants import service as tenants
from server.tenants.models import MemberRow
from server.tenants.rules import Permission
from server.tenants.scope import Actor, ActorKind, worker_scope
from server.tenants.uow import UnitOfWork, begin, begin_read

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class OfferedUnit:
    """One unit that a person may let an app act on, with everything under it."""

    id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class Consent:
    """What the page names. `reach` are the units of the person's own roles, `choices` those and the ones under them."""

    app_name: str
    organization_name: str
    member_name: str
    permissions: Sequence[Permission]
    reach: Sequence[OfferedUnit]
    choices: Sequence[OfferedUnit]
    redirect_uri: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What the person said. `unit_ids` None means: everything that I reach."""

    is_granted: bool
    unit_ids: frozenset[UUID] | None = None


async def ask(database: Database, settings: Settings, user_id: UUID, asked: Asked) -> Consent | Reply:
    """Check an authorization request (RFC 6749, 4.1.1) and return what to show, or the answer to a bad one.

    An answer without a location is for an error page: the request must not send the browser anywhere.
    """

    def show(server: Server, grant: CodeGrant, member: MemberRow) -> Consent:
        permissions = rules.permissions_of(grant.request.scope) or frozenset()
        found = await_only(offer(server.uow, grant.client.app, member, permissions))
        if found is None:
            raise AccessDeniedError(redirect_uri=grant.redirect_uri, state=grant.request.payload.state)
        return replace(found, redirect_uri=grant.redirect_uri)

    return await _authorize(database, settings, user_id, asked, show)


async def decide(database: Database, settings: Settings, user_id: UUID, asked: Asked, decision: Decision) -> Reply:
    """Carry out what the person said about the same request: the way back to the app, with a code or with a refusal."""

    def answer(server: Server, grant: CodeGrant, member: MemberRow) -> Reply:
        granted = None
        if decision.is_granted:
            permissions = rules.permissions_of(grant.request.scope) or frozenset()
            app, unit_ids = grant.client.app, decision.unit_ids
            granted = await_only(give(server.uow, app, member, permissions, unit_ids))
            if granted is None:
                raise InvalidRequestError("Choose units that are offered.")
        reply: Reply = server.create_authorization_response(grant.request, grant_user=granted, grant=grant)
        return reply

    return await _authorize(database, settings, user_id, asked, answer)


async def _authorize(
    database: Database,
    settings: Settings,
    user_id: UUID,
    asked: Asked,
    handle: Callable[[Server, CodeGrant, MemberRow], R],
) -> R | Reply:
    try:
        asked.check()
        named = rules.read_client_id(asked.first("client_id") or "")
        member = None if named is None else await member_of(database, named[0], user_id)
        if named is None or member is None:
            raise InvalidClientError
        request = Request(asked, issuer_of(settings))
        async with begin(database, replace(worker_scope(named[0]), actor=acting(member))) as uow:
            return await uow.session.run_sync(lambda _session: _run(Server(uow, settings), request, member, handle))
    except OAuth2Error as error:
        return refusal(error, issuer_of(settings))


def _run(server: Server, request: Request, member: MemberRow, handle: Callable[[Server, CodeGrant, MemberRow], R]) -> R:
    register(server)
    return handle(server, server.get_consent_grant(request, member), member)


async def offer(
    uow: UnitOfWork, app: OAuthAppRow, member: MemberRow, permissions: Collection[Permission]
) -> Consent | None:
    """Return what the person could grant of what is asked for; None if it is nothing."""
    organization_id = uow.scope.organization_id
    held = await repository.held(uow.session, organization_id, member.id, app.unit_ids)
    theirs = frozenset[Permission]().union(*(one.permissions for one in held)) & frozenset(permissions)
    if not theirs:
        return None
    tops = {one.unit_id: one.unit_name for one in held if one.permissions & theirs}
    offered = await repository.units_offered(uow.session, organization_id, tops)
    return Consent(
        app_name=app.name,
        organization_name=(await tenants.organization(uow)).name,
        member_name=member.name,
        permissions=sorted(theirs),
        reach=[OfferedUnit(*one) for one in sorted(tops.items(), key=lambda one: (one[1], one[0]))],
        choices=[OfferedUnit(one.id, one.name) for one in offered],
    )


async def give(
    uow: UnitOfWork,
    app: OAuthAppRow,
    member: MemberRow,
    permissions: Collection[Permission],
    unit_ids: frozenset[UUID] | None,
) -> Granted | None:
    """Record a person's yes; None if they cannot say it, or not for these units."""
    found = await offer(uow, app, member, permissions)
    if found is None:
        return None
    if unit_ids is not None:
        tops = {one.id for one in found.reach}
        count = await repository.count_under(uow.session, uow.scope.organization_id, tops, unit_ids)
        if not 0 < len(unit_ids) <= rules.MAX_UNITS or count != len(unit_ids):
            return None
    row = OAuthGrantRow(
        organization_id=uow.scope.organization_id,
        id=new_id(),
        app_id=app.id,
        app_name=app.name,
        member_id=member.id,
        unit_ids=app.unit_ids if unit_ids is None else sorted(unit_ids),
        permissions=[one.value for one in found.permissions],
    )
    uow.session.add(row)
    await uow.session.flush()
    details = {"app": app.name, "permissions": row.permissions, "units": [str(one) for one in row.unit_ids]}
    await audit.record(uow, Action.APP_CONSENT, row.id, details)
    return Granted(row, member)


async def member_of(database: Database, organization_id: UUID, user_id: UUID) -> MemberRow | None:
    """Return the person in an organization, unless deactivated or a stranger to it."""
    async with begin_read(database, worker_scope(organization_id)) as uow:
        return await protocol.member_of_user(uow.session, organization_id, user_id)


def acting(member: MemberRow) -> Actor:
    """Return the person as the one who acts in the trail."""
    return Actor(ActorKind.MEMBER, member.id, member.name)
