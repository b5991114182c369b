"""Connecting, first half: the consent dialogue and its way back (platforms.md 1.1)."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from server.audit import service as audit
from server.audit.actions import Action
from server.channels import codes, rules
from server.channels.errors import StateInvalid
from server.channels.models import ConnectionRow, ConnectionState, Health
from server.channels.repository import connections as repository
from server.channels.service.pages import account_token_identity, refresh_identity
from server.config import Settings
from server.kit.db import Database, identity_of
from server.kit.errors import InvalidInput
from server.kit.ids import new_id
from server.platforms.port import (
    Ability,
    AccountCredentials,
    AuthorizeRequest,
    Channel,
    CodeExchange,
    Connector,
    FoundPage,
    Grant,
    Login,
    PlatformCallFailed,
)
from server.platforms.registry import Registry
from server.tenants import service as tenants
from server.tenants.rules import Permission
from server.tenants.scope import worker_scope
from server.tenants.uow import UnitOfWork, begin


@dataclass(frozen=True, slots=True)
class Dialogue:
    """What the one who begins may choose: where the browser goes at the end, and the login (None: the network's first)."""

    return_url: str | None = None
    login: Login | None = None


@dataclass(frozen=True, slots=True)
class CallbackResult:
    """Where a dialogue ended. Exactly one of `completion` and `failure` is set.

    `completion` goes to the browser that came back and to nobody else. `failure` is "access_denied" when the person
    refused, else a FailureReason's name in lower case.
    """

    connection_id: UUID
    return_url: str | None
    completion: str | None = field(default=None, repr=False)
    failure: str | None = None


async def begin_connection(
    uow: UnitOfWork,
    connector: Connector,
    channel: Channel,
    unit_id: UUID,
    redirect_uri: str,
    dialogue: Dialogue | None = None,
) -> tuple[ConnectionRow, str]:
    """Begin a consent dialogue for a unit; return its row and the platform's address to send the person to.

    `redirect_uri` is `callback_uri(…)`. Only the same actor may finish the connection, within 15 minutes to the callback.
    Needs channel:connect on the unit; raises InvalidInput for a return address that no browser should be sent to, and for
    a login that the network does not have.
    """
    uow.scope.require(Permission.CHANNEL_CONNECT, unit_id)
    await tenants.working_unit(uow, unit_id)
    dialogue = dialogue or Dialogue()
    login = _login(connector, dialogue)
    await repository.forget_expired(uow.session, uow.scope.organization_id)
    state = codes.make_state(uow.scope.organization_id)
    row = ConnectionRow(
        organization_id=uow.scope.organization_id,
        id=new_id(),
        unit_id=unit_id,
        actor_id=uow.scope.actor.id,
        channel=channel,
        state=ConnectionState.STARTED,
        state_hash=codes.hash_of(uow.keys, codes.STATE, state),
        return_url=dialogue.return_url,
        login=login,
        expires_at=await uow.now() + rules.STATE_LIFETIME,
    )
    challenge = _prove_later(uow, row) if connector.uses_pkce else None
    uow.session.add(row)
    await uow.session.flush()
    await audit.record(uow, Action.CHANNEL_CONNECT_BEGIN, row.id, {"channel": channel.value, "unit": str(unit_id)})
    return row, connector.authorize_url(AuthorizeRequest(state, redirect_uri, login, challenge))


def _prove_later(uow: UnitOfWork, row: ConnectionRow) -> str:
    """Seal a fresh PKCE verifier into the row and return its challenge."""
    verifier = codes.make_verifier()
    row.verifier_sealed = uow.keys.seal(verifier, _verifier_identity(row))
    return codes.challenge_of(verifier)


def _login(connector: Connector, dialogue: Dialogue) -> Login:
    if dialogue.return_url is not None and not rules.is_return_url(dialogue.return_url):
        raise InvalidInput(
            "Give an absolute https address (or http on the loopback) without a user part.", path=("returnUrl",)
        )
    login = dialogue.login or connector.logins[0]
    if login not in connector.logins:
        offered = ", ".join(one.value for one in connector.logins)
        raise InvalidInput(f"This network cannot be connected by that login; it has: {offered}.", path=("login",))
    return login


async def complete_callback(
    database: Database, registry: Registry, settings: Settings, channel: Channel, query: Mapping[str, str]
) -> CallbackResult:
    """Take a person back from the platform: use the state up, trade the code, keep the grant and the pages it reaches.

    No transaction is open while the platform is asked. Raises StateInvalid for every state that is not waiting (the
    texts do not differ), and ChannelNotOffered. A refusal and a failed exchange end the connection and are results.
    """
    connector = registry.of(channel)
    state = query.get("state", "")
    organization_id = codes.organization_of(state)
    if organization_id is None:
        raise StateInvalid
    scope = worker_scope(organization_id)
    async with begin(database, scope) as uow:
        begun, verifier = await _use_state(uow, channel, state)
    redirect_uri = rules.callback_uri(settings.web.public_url, channel)
    exchange = CodeExchange(query.get("code", ""), redirect_uri, begun.login, verifier)
    found = await _ask_platform(connector, query, exchange)
    async with begin(database, scope) as uow:
        if isinstance(found, str):
            return await _refuse(uow, begun, found)
        return await _grant(uow, begun, *found, renews=Ability.REFRESH in connector.abilities)


async def _use_state(uow: UnitOfWork, channel: Channel, state: str) -> tuple[ConnectionRow, str | None]:
    """Find the waiting dialogue and make its state unusable, in one transaction: a replay finds nothing.

    Returns the dialogue and its PKCE verifier, if it has one; the row keeps neither.
    """
    hashes = codes.hashes_of(uow.keys, codes.STATE, state)
    row = await repository.open_by_state(uow.session, uow.scope.organization_id, channel, hashes)
    if row is None:
        raise StateInvalid
    verifier = None
    if row.verifier_sealed is not None:
        verifier = uow.keys.open(bytes(row.verifier_sealed), _verifier_identity(row))
    row.state_hash, row.verifier_sealed = secrets.token_bytes(32), None
    return row, verifier


async def _ask_platform(
    connector: Connector, query: Mapping[str, str], exchange: CodeExchange
) -> tuple[Grant, list[FoundPage]] | str:
    """Return the grant and its pages, or the word for why there are none; nothing of the query is ever told on.

    None of the networks names an issuer; one that is named must be the dialogue's own (RFC 9207 section 2.4).
    """
    dialogue = connector.authorize_url(AuthorizeRequest("", exchange.redirect_uri, exchange.login, "-"))
    if "iss" in query and not rules.is_origin_of(query["iss"], dialogue):
        return "other_issuer"
    if "error" in query:
        return "access_denied" if query["error"] == "access_denied" else "platform_error"
    if not 1 <= len(exchange.code) <= rules.MAX_CODE:
        return "no_code"
    try:
        grant = await connector.exchange_code(exchange)
        account = AccountCredentials(
            connector.channel, grant.person_external_id, grant.access_token, grant.login, grant.refresh_token
        )
        return grant, await connector.list_pages(account)
    except PlatformCallFailed as problem:
        return problem.reason.value.lower()


async def _refuse(uow: UnitOfWork, begun: ConnectionRow, failure: str) -> CallbackResult:
    row = await _again(uow, begun)
    row.state, row.failure = ConnectionState.REFUSED, failure
    uow.announce("channels")
    await audit.record(uow, Action.CHANNEL_CONNECT_REFUSE, row.id, {"failure": failure, "begun_by": str(row.actor_id)})
    return CallbackResult(row.id, row.return_url, failure=failure)


async def _grant(
    uow: UnitOfWork, begun: ConnectionRow, grant: Grant, pages: list[FoundPage], *, renews: bool
) -> CallbackResult:
    row = await _again(uow, begun)
    completion = codes.make_completion()
    row.account_id = await _keep_account(uow, row, grant, renews)
    row.found_sealed = uow.keys.seal(json.dumps([_written(page) for page in pages]), found_identity(row))
    row.completion_hash = codes.hash_of(uow.keys, codes.COMPLETION, completion)
    row.state = ConnectionState.GRANTED
    row.expires_at = await uow.now() + rules.CHOICE_LIFETIME
    uow.announce("channels")
    return CallbackResult(row.id, row.return_url, completion)


async def _again(uow: UnitOfWork, begun: ConnectionRow) -> ConnectionRow:
    row = await repository.by_id(uow.session, uow.scope.organization_id, begun.id, lock=True)
    if row is None or row.state is not ConnectionState.STARTED or bytes(row.state_hash) != bytes(begun.state_hash):
        raise StateInvalid
    return row


async def _keep_account(uow: UnitOfWork, row: ConnectionRow, grant: Grant, renews: bool) -> UUID:
    """Insert the account of the grant or renew the one that the unit has, and return its id."""
    organization_id, fresh_id = uow.scope.organization_id, new_id()
    external_id = grant.person_external_id
    account_id = await repository.account_id_of(uow.session, organization_id, row.channel, external_id, row.unit_id)
    if account_id is None:
        fresh = _account_values(uow, row, grant, fresh_id, renews) | {
            "organization_id": organization_id,
            "id": fresh_id,
            "unit_id": row.unit_id,
            "channel": row.channel,
            "external_id": external_id,
        }
        if await repository.insert_account(uow.session, fresh):
            return fresh_id
        account_id = await repository.account_id_of(uow.session, organization_id, row.channel, external_id, row.unit_id)
        if account_id is None:
            raise StateInvalid
    renewed = _account_values(uow, row, grant, account_id, renews)
    await repository.renew_account(uow.session, organization_id, account_id, renewed)
    return account_id


def _account_values(
    uow: UnitOfWork, row: ConnectionRow, grant: Grant, account_id: UUID, renews: bool
) -> dict[str, Any]:
    organization_id, renewing = uow.scope.organization_id, None
    if grant.refresh_token is not None:
        renewing = uow.keys.seal(grant.refresh_token, refresh_identity(organization_id, account_id))
    return {
        "name": rules.storable_text(grant.person_name, 500),
        "token_sealed": uow.keys.seal(grant.access_token, account_token_identity(organization_id, account_id)),
        "scopes": list(grant.scopes),
        "token_expires_at": grant.expires_at,
        "refresh_token_sealed": renewing,
        "refresh_expires_at": grant.refresh_expires_at,
        "is_refreshable": renews,
        "login": grant.login,
        "health": Health.HEALTHY,
        "health_reason": None,
        "health_since": repository.NOW,
        "tokens_at": repository.NOW,
        "checked_at": None,
        "connected_by": row.actor_id,
    }


def _verifier_identity(row: ConnectionRow) -> str:
    return identity_of(ConnectionRow, "verifier_sealed", organization_id=row.organization_id, id=row.id)


def found_identity(row: ConnectionRow) -> str:
    """Return what the found pages of a connection are sealed to."""
    return identity_of(ConnectionRow, "found_sealed", organization_id=row.organization_id, id=row.id)


def _written(page: FoundPage) -> dict[str, object]:
    return {
        "external_id": page.external_id,
        "name": rules.storable_text(page.name, 500),
        "page_token": page.page_token,
        "tasks": list(page.tasks),
        "ad_account_id": page.ad_account_id,
        "parent_external_id": page.parent_external_id,
        "missing_permissions": list(page.missing_permissions),
    }
