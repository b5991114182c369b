"""POST /callbacks/…: whatever is not signed for this network is refused and writes nothing; odd but signed bodies harm nobody."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import text

from server.kit.db import Database
from server.tenants.uow import system_scope
from tests.api import Api
from tests.factories.channels import an_external_id
from tests.standin_server import APPS_ENVIRONMENT, SECRET

PATHS = ("deauthorize", "data-deletion")
SECRETS = {"messenger": SECRET, "instagram": APPS_ENVIRONMENT["INSTAGRAM_APP_SECRET"]}


def signed(told: object, secret: str) -> str:
    """Sign a JSON text as Meta does, here and not by the code under test."""
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    payload = base64.urlsafe_b64encode(body).rstrip(b"=").decode()
    made = hmac.new(secret.encode(), payload.encode(), hashlib.sha256).digest()
    return f"{base64.urlsafe_b64encode(made).rstrip(b'=').decode()}.{payload}"


def about(person: str, **more: object) -> dict[str, object]:
    """What a callback says of a person."""
    return {"algorithm": "HMAC-SHA256", "user_id": person, "issued_at": int(time.time()), **more}


async def written(database: Database) -> int:
    """Count what platforms asked for."""
    async with system_scope(database) as session:
        return int((await session.execute(text("SELECT count(*) FROM platform_request"))).scalar_one())


@pytest.mark.parametrize(("network", "signer"), [("messenger", "instagram"), ("instagram", None), ("messenger", None)])
async def test_a_callback_that_is_signed_for_another_network_or_changed_after_signing_is_refused(
    api: Api, database: Database, network: str, signer: str | None
) -> None:
    before = await written(database)
    good = signed(about(an_external_id()), SECRETS[signer or network])
    other = signed(about(an_external_id()), SECRETS[network])
    forged = (
        [good]
        if signer
        else [
            f"{good.partition('.')[0]}.{other.partition('.')[2]}",
            good[:-4],
            good + "AAAA",
            good.replace(".", ".."),
            good.partition(".")[0] + ".",
            signed(about(an_external_id(), algorithm="HMAC-SHA1"), SECRETS[network]),
            signed(about(an_external_id()), ""),
        ]
    )

    for path in PATHS:
        for one in forged:
            answer = await api.http.post(f"{api.url}/callbacks/{network}/{path}", data={"signed_request": one})
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "callback.signature_invalid")
            assert answer.headers["content-type"] == "application/json"

    assert await written(database) == before


@pytest.mark.parametrize("network", ["x", "linkedin", "tiktok", "nowhere", "%00", "MESSENGER "])
async def test_networks_without_such_callbacks_take_none_whatever_is_posted(
    api: Api, database: Database, network: str
) -> None:
    before = await written(database)

    for path in PATHS:
        for body in (b"", b"\x00" * 100, f"signed_request={signed(about('1'), SECRET)}".encode()):
            answer = await api.http.post(f"{api.url}/callbacks/{network}/{path}", content=body)
            assert answer.status_code == 404

    assert await written(database) == before


ODD = (
    b"",
    b"[]",
    b"null",
    b"{",
    b'{"user_id": "1"}',
    b'{"algorithm": ["HMAC-SHA256"], "user_id": "1"}',
    b'{"algorithm": "HMAC-SHA256", "user_id": {"id": "1"}}',
    b'{"algorithm": "HMAC-SHA256", "user_id": "\\u0000"}',
    b'{"algorithm": "HMAC-SHA256", "user_id": "\\ud800"}',
    b'{"algorithm": "HMAC-SHA256", "user_id": "' + b"9" * 3_000 + b'"}',
    b'{"algorithm": "HMAC-SHA256", "user_id": "1", "issued_at": 1e400}',
    b'{"algorithm": "HMAC-SHA256", "user_id": "1", "issued_at": -99999999999999999999}',
    b'{"algorithm": "HMAC-SHA256", "user_id": "1", "issued_at": "soon"}',
    b'{"algorithm": "HMAC-SHA256", "user_id": 12345678901234567890123}',
    b"[" * 2_000,
)


@pytest.mark.parametrize("network", SECRETS)
@pytest.mark.parametrize("body", ODD, ids=range(len(ODD)))
async def test_a_well_signed_body_that_makes_no_sense_is_answered_and_never_breaks(
    api: Api, network: str, body: bytes
) -> None:
    for path in PATHS:
        answer = await api.http.post(
            f"{api.url}/callbacks/{network}/{path}", data={"signed_request": signed(body, SECRETS[network])}
        )
        assert answer.status_code in {200, 401}, answer.text


async def test_random_bodies_and_fields_are_refused_and_write_nothing(api: Api, database: Database) -> None:
    before = await written(database)
    bodies: list[bytes] = []

    @given(st.one_of(st.binary(max_size=400), st.text(max_size=200).map(lambda one: f"signed_request={one}".encode())))
    @hypothesis_settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def collect(body: bytes) -> None:
        bodies.append(body)

    collect()
    for body in bodies:
        answer = await api.http.post(f"{api.url}/callbacks/messenger/deauthorize", content=body)
        assert answer.status_code == 401, body

    assert len(bodies) >= 50
    assert await written(database) == before


async def test_the_page_of_a_deletion_is_found_by_its_code_alone_and_not_for_another_kind(api: Api) -> None:
    person = an_external_id()
    told = {}
    for path in PATHS:
        form = {"signed_request": signed(about(person), SECRETS["messenger"])}
        told[path] = (await api.http.post(f"{api.url}/callbacks/messenger/{path}", data=form)).json()
    code = told["data-deletion"]["confirmation_code"]
    shown = await api.http.get(f"{api.url}/deletion/{code}")
    wrong = [code[:-1], code + "0", code.swapcase(), person, "%00", "a" * 5_000]

    answers = [await api.http.get(f"{api.url}/deletion/{one}") for one in wrong if one != code]

    assert told["deauthorize"] == {"received": True}
    assert (shown.status_code, person in shown.text) == (200, False)
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert {one.status_code for one in answers} <= {404, 414}
