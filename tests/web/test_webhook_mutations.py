"""Signed bodies of any shape: never a 500, and every item of a body that is taken ends as event, duplicate or stray."""

from __future__ import annotations

import json
import os
from copy import deepcopy
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.config import Settings
from server.platforms import registry
from server.platforms.port import BodyMalformed, Connector
from tests.api import Api
from tests.web.senders import BUILT, Sender

EXAMPLES = int(os.environ.get("WEBHOOK_MUTATIONS", "60"))
CHANNELS = [pytest.param(one, id=one.channel.value.lower()) for one in BUILT]
ODD = [None, True, 0, -1, 10**30, 1e300, "", "\x00", "\ud83d", "é" * 2_000, [], {}, [[]], {"id": None}, "1700000000"]


def _paths(value: object, here: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    found = [here]
    if isinstance(value, dict):
        found += [path for key, inner in value.items() for path in _paths(inner, (*here, key))]
    elif isinstance(value, list):
        found += [path for place, inner in enumerate(value) for path in _paths(inner, (*here, place))]
    return found


@cache
def _made(sender: Sender) -> bytes:
    return sender.body("100", "m_1")


@st.composite
def mutated(draw: st.DrawFn, sender: Sender) -> bytes:
    """A published or made body after a few blows: values replaced, doubled or dropped, bytes flipped or cut."""
    # Which body, and not its bytes: those hold the time of their making, and an example must be drawn the same way again.
    chosen = draw(st.integers(0, len(sender.published())))
    body = [_made(sender), *sender.published()][chosen]
    document = json.loads(body)
    for _ in range(draw(st.integers(0, 4))):
        *way, last = draw(st.sampled_from(_paths(document)[1:] or [("x",)]))
        inside = document
        for step in way:
            inside = inside[step]
        blow = draw(st.integers(0, 3))
        if blow == 0 and isinstance(inside, dict):
            inside.pop(last, None)
        elif blow == 1 and isinstance(inside, list):
            inside.extend(inside[:3])
        else:
            inside[last] = deepcopy(draw(st.sampled_from(ODD)))  # a shared list would be changed for later examples too
        if not isinstance(document, dict) or not document:
            break
    written = bytearray(json.dumps(document).encode())
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        written[draw(st.integers(0, len(written) - 1))] = draw(st.integers(0, 255))
    return bytes(written[: draw(st.sampled_from([len(written)] * 5 + [len(written) // 2]))])


def items_of(connector: Connector, body: bytes) -> int | None:
    """How many items the body has; None if it is none of the platform's."""
    try:
        return len(connector.split(body))
    except BodyMalformed:
        return None


@pytest.mark.parametrize("sender", CHANNELS)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_every_item_of_a_signed_body_ends_somewhere(
    sender: Sender, api: Api, settings: Settings, data: st.DataObject
) -> None:
    body = data.draw(mutated(sender))
    connectors = registry.build(settings)
    expected = items_of(connectors.of(sender.channel), body)

    answer = await api.http.post(api.url + sender.path, content=body, headers=sender.signed(body))

    await connectors.aclose()
    if expected is None:
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "webhook.body_malformed")
    else:
        assert answer.status_code == 200, answer.text
        assert sum(answer.json().values()) == expected


@pytest.mark.parametrize("sender", CHANNELS)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=st.binary(max_size=200) | st.text(alphabet='[]{}":,\\u d8009aeN', max_size=80).map(str.encode))
async def test_signed_bytes_of_any_kind_are_never_an_error_of_ours(sender: Sender, api: Api, body: bytes) -> None:
    answer = await api.http.post(api.url + sender.path, content=body, headers=sender.signed(body))

    assert answer.status_code in {200, 400}, answer.text
