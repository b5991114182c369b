"""Connected pages without a dialogue, and what their platform would post about them."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from uuid import UUID

from sqlalchemy import text

from server.channels.models import ConnectedAccountRow, Health, PageRow
from server.channels.service import PageRef
from server.channels.service.pages import account_token_identity, page_token_identity
from server.kit.db import Database
from server.kit.ids import new_id
from server.platforms.port import Channel
from server.tenants.uow import UnitOfWork, begin
from tests.factories.tenants import AnOrganization


def an_external_id() -> str:
    """A page or person id that no other test uses, in the platform's form."""
    return str(new_id().int % 10**17)


async def a_page(
    database: Database,
    organization: AnOrganization,
    unit_id: UUID,
    *,
    external_id: str | None = None,
    name: str = "Bakery",
    channel: Channel = Channel.MESSENGER,
    ad_account_id: str | None = "act_1",
    token: str = "page-token",
    account_token: str = "account-token",
) -> PageRef:
    """A healthy page of the unit, whose webhooks find their way."""
    page_id, external_id = new_id(), external_id or an_external_id()
    if channel is Channel.LINKEDIN and not external_id.startswith("urn:"):
        external_id = f"urn:li:organization:{external_id}"
    async with begin(database, organization.scope) as uow:
        account_id = await _an_account(uow, unit_id, channel, account_token)
        page = PageRow(
            organization_id=organization.id,
            id=page_id,
            unit_id=unit_id,
            account_id=account_id,
            channel=channel,
            external_id=external_id,
            name=name,
            token_sealed=uow.keys.seal(token, page_token_identity(organization.id, page_id)),
            ad_account_id=ad_account_id,
            health=Health.HEALTHY,
        )
        uow.session.add(page)
        await uow.session.flush()
        claimed = await uow.session.execute(
            text("SELECT claim_page_route(:channel, :external_id, :page)"),
            {"channel": channel.value, "external_id": external_id, "page": page_id},
        )
        assert claimed.scalar_one(), "another test owns this page"
    return PageRef(page_id, unit_id, channel, external_id, name)


async def _an_account(uow: UnitOfWork, unit_id: UUID, channel: Channel, token: str) -> UUID:
    organization_id, account_id = uow.scope.organization_id, new_id()
    account = ConnectedAccountRow(
        organization_id=organization_id,
        id=account_id,
        unit_id=unit_id,
        channel=channel,
        external_id=an_external_id(),
        name="Ada",
        token_sealed=uow.keys.seal(token, account_token_identity(organization_id, account_id)),
        scopes=["pages_messaging"],
        health=Health.HEALTHY,
        connected_by=new_id(),
    )
    uow.session.add(account)
    await uow.session.flush()
    return account_id


def a_text(page: str, person: str = "9001", *, mid: str | None = None, text: str = "Hello", at_ms: int = 0) -> dict:
    """One messaging item: a person wrote to the page."""
    at_ms = at_ms or int(time.time() * 1000)
    message = {"mid": mid or f"m_{new_id().hex}", "text": text}
    return {"sender": {"id": person}, "recipient": {"id": page}, "timestamp": at_ms, "message": message}


def a_body(*items: dict) -> bytes:
    """A webhook body with one entry per item."""
    entries = [{"id": item["recipient"]["id"], "time": item["timestamp"], "messaging": [item]} for item in items]
    return json.dumps({"object": "page", "entry": entries}).encode()


def signature_of(body: bytes, secret: str) -> str:
    """The header value X-Hub-Signature-256, computed here and not by the code under test."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
