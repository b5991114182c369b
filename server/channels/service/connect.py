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
from server.channels.service.pages import account_token_identity
from server.config import Settings
from server.kit.db import Database
from server.kit.errors import InvalidInput
from server.kit.ids import new_id
from server.platforms.port import Channel, Connector, FoundPage, Grant, PlatformCallFailed
from server.platforms.registry import Registry
from server.tenants import service as tenants
from server.tenants.rules import Permission
from server.tenants.scope import worker_scope
from server.tenants.uow import UnitOfWork, begin


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
    uow: UnitOfWork, connector: Connector, channel: Channel, unit_id: UUID, redirect_uri: str, return_url: str | None
) -> tuple[ConnectionRow, str]:
    """Begin a consent dialogue for a unit; return its row and the platform's address to send the person to.

    `redirect_uri` is `callback_uri(…)`. Only the same actor may finish the connection, within 15 minutes to the callback.
    Needs channel:connect on the unit; raises InvalidInput for a return address that no browser should be sent to.
    """
    uow.scope.require(Permission.CHANNEL_CONNECT, unit_id)
    await tenants.working_unit(uow, unit_id)
    if return_url is not None and not rules.is_return_url(return_url):
        raise InvalidInput(
            "Give an absolute https address (or http on the loopback) without a user part.", path=("returnUrl",)
        )
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
        return_url=return_url,
        expires_at=await uow.now() + rules.STATE_LIFETIME,
    )
    uow.session.add(row)
    await uow.session.flush()
    await audit.record(uow, Action.CHANNEL_CONNECT_BEGIN, row.id, {"channel": channel.value, "unit": str(unit_id)})
    return row, connector.authorize_url(state, redirect_uri)


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
        begun = await _use_state(uow, channel, state)
    found = await _ask_platform(connector, query, rules.callback_uri(settings.web.public_url, channel))
    async with begin(database, scope) as uow:
        if isinstance(found, str):
            return await _refuse(uow, begun, found)
        return await _grant(uow, begun, *found)


async def _use_state(uow: UnitOfWork, channel: Channel, state: str) -> ConnectionRow:
    """Find the waiting dialogue and make its state unusable, in one transaction: a replay finds nothing."""
    hashes = codes.hashes_of(uow.keys, codes.STATE, state)
    row = await repository.open_by_state(uow.session, uow.scope.organization_id, channel, hashes)
    if row is None:
        raise StateInvalid
    row.state_hash = secrets.token_bytes(32)
    return row


async def _ask_platform(
    connector: Connector, query: Mapping[str, str], redirect_uri: str
) -> tuple[Grant, list[FoundPage]] | str:
    """Return the grant and its pages, or the word for why there are none."""
    if "error" in query:
        return "access_denied" if query["error"] == "access_denied" else "platform_error"
    code = query.get("code", "")
    if not 1 <= len(code) <= rules.MAX_CODE:
        return "no_code"
    try:
        grant = await connector.exchange_code(code, redirect_uri)
        return grant, await connector.list_pages(grant.access_token)
    except PlatformCallFailed as problem:
        return problem.reason.value.lower()


async def _refuse(uow: UnitOfWork, begun: ConnectionRow, failure: str) -> CallbackResult:
    row = await _again(uow, begun)
    row.state, row.failure = ConnectionState.REFUSED, failure
    uow.announce("channels")
    await audit.record(uow, Action.CHANNEL_CONNECT_REFUSE, row.id, {"failure": failure, "begun_by": str(row.actor_id)})
    return CallbackResult(row.id, row.return_url, failure=failure)


async def _grant(uow: UnitOfWork, begun: ConnectionRow, grant: Grant, pages: list[FoundPage]) -> CallbackResult:
    row = await _again(uow, begun)
    completion = codes.make_completion()
    row.account_id = await _keep_account(uow, row, grant)
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


async def _keep_account(uow: UnitOfWork, row: ConnectionRow, grant: Grant) -> UUID:
    """Insert the account of the grant or renew the one that the unit has, and return its id."""
    organization_id, fresh_id = uow.scope.organization_id, new_id()
    external_id = grant.person_external_id
    account_id = await repository.account_id_of(uow.session, organization_id, row.channel, external_id, row.unit_id)
    if account_id is None:
        fresh = _account_values(uow, row, grant, fresh_id) | {
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
    renewed = _account_values(uow, row, grant, account_id)
    await repository.renew_account(uow.session, organization_id, account_id, renewed)
    return account_id


def _account_values(uow: UnitOfWork, row: ConnectionRow, grant: Grant, account_id: UUID) -> dict[str, Any]:
    identity = account_token_identity(uow.scope.organization_id, account_id)
    return {
        "name": rules.storable_text(grant.person_name, 500),
        "token_sealed": uow.keys.seal(grant.access_token, identity),
        "scopes": list(grant.scopes),
        "token_expires_at": grant.expires_at,
        "health": Health.HEALTHY,
        "health_reason": None,
        "connected_by": row.actor_id,
    }


def found_identity(row: ConnectionRow) -> str:
    """Return what the found pages of a connection are sealed to."""
    return f"channel_connection.found_sealed:{row.organization_id}:{row.id}"


def _written(page: FoundPage) -> dict[str, object]:
    return {
        "external_id": page.external_id,
        "name": rules.storable_text(page.name, 500),
        "page_token": page.page_token,
        "tasks": list(page.tasks),
        "ad_account_id": page.ad_account_id,
    }
