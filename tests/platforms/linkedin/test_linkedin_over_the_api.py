"""LinkedIn's webhooks over our own HTTP: the challenge, the signature, and one batch for two tenants."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from server.kit.db import Database
from server.platforms.port import Channel
from tests.api import Api
from tests.factories.channels import a_page
from tests.factories.tenants import an_agency
from tests.platforms.contract.conftest import an_id
from tests.platforms.contract.linkedin import SECRET, LinkedInRig
from tests.platforms.linkedin.factory import a_body, a_notification


async def test_the_challenge_is_answered_as_json(api: Api) -> None:
    code = "890e4665-4dfe-4ab1-b689-ed553bceeed0"

    answer = await api.http.get(f"{api.url}/webhooks/linkedin", params={"challengeCode": code})

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/json")
    digest = hmac.new(SECRET.encode(), code.encode(), hashlib.sha256).hexdigest()
    assert answer.json() == {"challengeCode": code, "challengeResponse": digest}
    assert (await api.http.get(f"{api.url}/webhooks/linkedin")).status_code == 403


async def test_a_batch_for_two_tenants_is_stored_once_for_each(api: Api, database: Database) -> None:
    organisations = []
    for _ in range(2):
        agency, external_id = await an_agency(database), f"urn:li:organization:{an_id()}"
        await a_page(database, agency, agency.units["client 1"], external_id=external_id, channel=Channel.LINKEDIN)
        organisations.append(external_id)
    number = secrets.randbelow(10**9)
    stranger = a_notification("COMMENT", organizationalEntity=f"urn:li:organization:{an_id()}")
    body = a_body(
        *(a_notification("COMMENT", organizationalEntity=one, notificationId=number) for one in organisations),
        stranger,
    )

    async def posted(content: bytes, signed: bytes) -> tuple[int, object]:
        headers = {"content-type": "application/json", **LinkedInRig().sign(signed)}
        answer = await api.http.post(f"{api.url}/webhooks/linkedin", content=content, headers=headers)
        return answer.status_code, answer.json()

    assert await posted(body, body) == (200, {"stored": 2, "duplicates": 0, "strays": 1})
    assert await posted(body, body) == (200, {"stored": 0, "duplicates": 3, "strays": 0})
    assert (await posted(body, body + b" "))[0] == 401
    assert (await posted(b"{}", b"{}"))[0] == 400
