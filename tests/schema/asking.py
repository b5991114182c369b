"""Asking the API in tests: documents that several tests send, and a count of the statements of all engines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, event

from server.campaigns import service as campaigns
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.kit.ratelimit import LEASE_MARK
from server.metering import service as metering
from server.metering.models import Origin
from server.sends.models import Delivery, SendState
from server.tenants.uow import begin
from tests.api import Answer, Api
from tests.factories.campaigns import AClient, settle_sends, snapshot_of

ERRORS = "userErrors { __typename code message path ... on DetailedError { details { name values } } }"

SHARED_INPUTS = {
    **dict.fromkeys(("campaignSubmit", "campaignPause", "campaignResume", "campaignCancel"), "CampaignInput"),
    **dict.fromkeys(("memberDeactivate", "memberReactivate"), "MemberInput"),
    **dict.fromkeys(("invitationRevoke", "invitationResend"), "InvitationInput"),
    **dict.fromkeys(("conflictExceptionGrant", "conflictExceptionWithdraw"), "ConflictExceptionInput"),
}
"""Inputs that name one object and serve several mutations."""


_SIZES = re.compile(r"(?<=IN )\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)|(?<=LIMIT )\d+")


@contextmanager
def statements(*, of_budgets: bool = False) -> Iterator[list[str]]:
    """Collect the statements of every engine of this process, without those that set the context of a transaction.

    Also without the note, once a minute, that a token is in use, and the leases of budgets unless they are asked for.
    """
    seen: list[str] = []

    def note(_c: object, _k: object, statement: str, *_rest: object) -> None:
        if (
            "set_config" not in statement
            and (of_budgets or not statement.startswith(LEASE_MARK))
            and "SET last_used_at" not in statement
        ):
            seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def kinds(seen: Sequence[str]) -> Counter[str]:
    """Count statements that are alike but for how many rows they ask for."""
    return Counter(_SIZES.sub("…", one) for one in seen)


async def change(
    api: Api, field: str, selection: str, input: dict[str, Any], *, token: str, key: str | None = None
) -> dict[str, Any]:
    """Send one mutation field with a key (a new one if none is given) and return its payload."""
    answer = await send(api, field, selection, input, token=token, key=key or new_id().hex)
    payload: dict[str, Any] = answer.data[field]
    return payload


async def send(
    api: Api, field: str, selection: str, input: dict[str, Any], *, token: str | None, key: str | None
) -> Answer:
    """Send one mutation field and return the whole answer."""
    kind = SHARED_INPUTS.get(field, f"{field[0].upper()}{field[1:]}Input")
    document = f"mutation($input: {kind}!) {{ {field}(input: $input) {{ {selection} {ERRORS} }} }}"
    return await api.ask(document, {"input": input}, token=token, key=key)


def codes(payload: dict[str, Any]) -> list[str]:
    """Return the codes of a payload's refusals."""
    return [error["code"] for error in payload["userErrors"]]


def details(error: dict[str, Any]) -> dict[str, list[str]]:
    """Return the details of a refusal by name."""
    return {one["name"]: one["values"] for one in error["details"]}


def a_campaign_input(client: AClient) -> dict[str, Any]:
    """A campaign of the client to everybody who wears the label."""
    return {
        "unitId": encode("unit", client.unit_id),
        "name": "Half price",
        "topicId": encode("top", client.topic_id),
        "templateId": encode("tpl", client.template_id),
        "pageIds": [encode("page", client.page.id)],
        "labelIds": [encode("lbl", client.label_id)],
    }


def campaign_id(value: UUID) -> dict[str, str]:
    """The input of what is done to one campaign."""
    return {"campaignId": encode("cmp", value)}


async def a_spent_run(database: Database, client: AClient, campaign: UUID) -> int:
    """Let a running campaign's three sends end as read, delivered and refused, and cost 28,200 micros; return their count."""
    async with begin(database, client.agency.scope) as uow:
        await campaigns.expand(uow, campaign)
        reading = metering.Reading(
            unit_id=client.unit_id,
            page_id=client.page.id,
            origin=Origin.CAMPAIGN,
            origin_id=campaign,
            reference=f"test:{campaign}",
            spend_micros_total=28_200,
            delivered_total=2,
            currency="EUR",
            at=await uow.now(),
        )
        await metering.record_reading(uow, reading)
    people = [one.contact_id for one in await snapshot_of(database, client, campaign) if one.skip_reason is None]
    await settle_sends(database, client, people[:1], SendState.SENT, Delivery.READ)
    await settle_sends(database, client, people[1:2], SendState.SENT, Delivery.DELIVERED)
    await settle_sends(database, client, people[2:], SendState.NOT_SENT, reason="REFUSED")
    return len(people)
