"""Every platform: what it posts is verified over the raw bytes, split by account, read to one meaning, and never lost."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.platforms.port import BodyMalformed, Connector, Login, PageCredentials, RawEvent, SignatureInvalid
from tests.platforms.contract.conftest import Plan, Scene, an_id, named
from tests.platforms.contract.hearing import key, told_by, words
from tests.platforms.contract.rig import Rig
from tests.platforms.nul import has_nul

TRICKY = 'Grüße 😀 "quoted" <b>&amp;</b> \\ 100 %\nsecond line'
_DIGEST = re.compile(r"[0-9a-f]{64}|[A-Za-z0-9+/]{43}=")


def a_page(rig: Rig) -> PageCredentials:
    """An account that only this test process knows."""
    return PageCredentials(rig.channel, named(rig, "account", an_id()), "no-token", login=Login.DIRECT)


def a_body(rig: Rig, page: PageCredentials, text: str = TRICKY) -> bytes:
    """One message as the platform documents it."""
    return rig.a_webhook(page, named(rig, "person", an_id()), text, named(rig, "message", f"id-{an_id()}"))


async def test_what_a_person_says_arrives_once_with_account_person_text_and_id(scene: Scene) -> None:
    message_id = await scene.says(TRICKY)

    told = await scene.hearing.until(lambda told: any(words(event) for _, event in told))

    [(raw, said)] = [(raw, found) for raw, event in told if (found := words(event))]
    assert said == (message_id, scene.person, TRICKY)
    assert raw.page_external_id == scene.page.page_external_id
    assert raw.mailbox
    assert abs(raw.occurred_at.timestamp() - time.time()) < 60


async def test_a_body_as_documented_is_read_to_what_it_says(rig: Rig, connector: Connector) -> None:
    page, person = a_page(rig), named(rig, "person", an_id())
    message_id = named(rig, "message", f"id-{an_id()}")
    body = rig.a_webhook(page, person, TRICKY, message_id)

    connector.verify(rig.sign(body), body)
    told = told_by(connector, connector.split(body))

    assert [words(event) for _, event in told] == [(message_id, person, TRICKY)]
    assert [raw.page_external_id for raw, _ in told] == [page.page_external_id]


def forged(rig: Rig, body: bytes) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Headers that the platform did not make for this body."""
    true = rig.sign(body)
    yield "none", {}
    yield "of another body", rig.sign(body + b" ")
    changes = {
        "empty": lambda _: "",
        "blank": lambda _: " ",
        "short by one": lambda value: value[:-1],
        "long by one": lambda value: value + "0",
        "half": lambda value: value[: len(value) // 2],
        "not ASCII": lambda value: value + "é",
        "digits of another script": lambda value: re.sub(r"[0-9a-zA-Z]", "\u0665", value),
        "a NUL": lambda value: value + "\x00",
        "twice": lambda value: f"{value}, {value}",
        "of nothing": lambda value: _DIGEST.sub("0" * 64, value),
        "of zeros in base64": lambda value: _DIGEST.sub(base64.b64encode(bytes(32)).decode(), value),
    }
    for case, change in changes.items():
        yield case, {name: change(value) for name, value in true.items()}
    for case, digest in _digests(body).items():
        for form, written in (("hex", digest.hex()), ("base64", base64.b64encode(digest).decode())):
            yield f"{case} in {form}", {name: _DIGEST.sub(written, value) for name, value in true.items()}
    yield (
        "an older algorithm",
        {name: value.replace("sha256=", "sha1=") for name, value in true.items() if "sha256=" in value},
    )


def _digests(body: bytes) -> dict[str, bytes]:
    return {
        "with another secret": hmac.new(b"another-secret", body, hashlib.sha256).digest(),
        "with no secret": hmac.new(b"", body, hashlib.sha256).digest(),
        "of the body alone": hashlib.sha256(body).digest(),
        "with SHA-1": hmac.new(b"another-secret", body, hashlib.sha1).digest(),
    }


async def test_no_forged_header_is_accepted(rig: Rig, connector: Connector) -> None:
    body = a_body(rig, a_page(rig))
    connector.verify(rig.sign(body), body)
    assert any(_DIGEST.search(value) for value in rig.sign(body).values())

    accepted = []
    for case, headers in forged(rig, body):
        with suppress(SignatureInvalid):
            connector.verify(headers, body)
            accepted.append(case)

    assert accepted == []


async def test_no_altered_body_is_accepted(rig: Rig, connector: Connector) -> None:
    body = a_body(rig, a_page(rig))
    headers = rig.sign(body)
    altered = [body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :] for at in range(0, len(body), 7)]
    altered += [body + b" ", body + b"\n", body + body, b" " + body, body[:-1], b"", b"\xff" + body, body.upper()]

    accepted = []
    for other in altered:
        with suppress(SignatureInvalid):
            connector.verify(headers, other)
            accepted.append(other)

    assert accepted == []


async def test_a_webhook_that_comes_twice_has_the_same_key(scene: Scene, plan: Plan) -> None:
    await plan(webhooks={"duplicate_probability": 1.0})

    message_id = await scene.says("Once is enough")
    told = await scene.hearing.until(lambda told: len([1 for _, event in told if words(event)]) >= 2)

    said = [(raw, event) for raw, event in told if words(event)]
    assert {words(event) for _, event in said} == {(message_id, scene.person, "Once is enough")}
    assert len({key(raw) for raw, _ in said}) == 1


async def test_two_messages_with_the_same_words_have_two_keys(scene: Scene) -> None:
    ids = {await scene.says("Yes"), await scene.says("Yes")}

    told = await scene.hearing.until(lambda told: len([1 for _, event in told if words(event)]) >= 2)

    said = [(raw, found) for raw, event in told if (found := words(event))]
    assert {found[0] for _, found in said} == ids
    assert len({key(raw) for raw, _ in said}) == len(ids) == 2


async def test_a_batch_over_several_accounts_is_split_by_account(scene: Scene, plan: Plan) -> None:
    rig, platform = scene.rig, scene.platform
    pages = [await rig.an_account(platform, an_id(), callback=scene.hearing.url) for _ in range(5)]
    await plan(webhooks={"batch_size": 20, "delay_ms": 150})

    expected = {
        (page.page_external_id, await rig.says(platform, page, scene.person, f"To {number}"), f"To {number}")
        for number, page in enumerate(pages)
    }
    told = await scene.hearing.until(lambda told: len([1 for _, event in told if words(event)]) >= len(pages))

    said = [(raw.page_external_id, found[0], found[2]) for raw, event in told if (found := words(event))]
    assert set(said) == expected
    assert len(said) == len(pages)


async def test_what_has_a_name_that_nobody_knows_is_kept(rig: Rig, connector: Connector) -> None:
    document = json.loads(a_body(rig, a_page(rig)))

    lost = []
    for changed in renamed(document):
        with suppress(BodyMalformed):
            raws = connector.split(json.dumps(changed).encode())
            if not raws or not all(connector.parse(raw.kind, raw.page_external_id, dict(raw.payload)) for raw in raws):
                lost.append(changed)

    assert lost == []


async def test_no_value_of_another_type_is_an_error(rig: Rig, connector: Connector) -> None:
    document = json.loads(a_body(rig, a_page(rig)))

    for changed in replaced(document):
        with suppress(BodyMalformed):
            for raw in connector.split(json.dumps(changed).encode()):
                _check(connector, raw)


def renamed(value: object) -> Iterator[object]:
    """The document, each time with one name changed to one that nobody knows yet."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield {(f"{one}_of_the_future" if one == name else one): held for one, held in value.items()}
            yield from ({**value, name: changed} for changed in renamed(inner))
    if isinstance(value, list):
        for at, inner in enumerate(value):
            yield from ([*value[:at], changed, *value[at + 1 :]] for changed in renamed(inner))


def replaced(value: object) -> Iterator[object]:
    """The document, each time with one value of another type, or deep, or huge."""
    deep: object = "x"
    for _ in range(80):
        deep = [deep]
    for strange in (None, True, -1, 10**30, 1.5, "", "x" * 2_000, "\x00", [], [None], {}, {"id": {}}, deep):
        yield from _replaced(value, strange)


def _replaced(value: object, strange: object) -> Iterator[object]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield {**value, name: strange}
            yield from ({**value, name: changed} for changed in _replaced(inner, strange))
    if isinstance(value, list):
        for at, inner in enumerate(value):
            yield [*value[:at], strange, *value[at + 1 :]]
            yield from ([*value[:at], changed, *value[at + 1 :]] for changed in _replaced(inner, strange))


NOT_DOCUMENTS = [b"", b"null", b"5", b'"x"', b"[]", b"{}", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a":1}x', b"NaN"]


@pytest.mark.parametrize("body", NOT_DOCUMENTS, ids=[repr(body[:8]) for body in NOT_DOCUMENTS])
async def test_what_is_no_body_of_the_platform_is_called_malformed(rig: Rig, connector: Connector, body: bytes) -> None:
    with pytest.raises(BodyMalformed):
        connector.split(body)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=5),
    max_leaves=15,
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_json_is_split_and_read_or_called_malformed(rig: Rig, connector: Connector, data: st.DataObject) -> None:
    document = json.loads(a_body(rig, a_page(rig), "fuzz"))
    changed = _fuzzed(document, data)
    body = json.dumps(changed).encode()

    try:
        raws = connector.split(body)
    except BodyMalformed:
        return

    assert raws == connector.split(body)
    for raw in raws:
        _check(connector, raw)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.text(max_size=20), payload=st.dictionaries(st.text(max_size=12), VALUES, max_size=6))
def test_any_stored_event_can_be_read(rig: Rig, connector: Connector, kind: str, payload: dict[str, object]) -> None:
    known = {raw.kind for raw in connector.split(a_body(rig, a_page(rig)))}

    for one in (kind, *known):
        assert connector.parse(one, "100", payload)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200), header=st.text(max_size=90))
def test_any_bytes_under_any_header_are_refused(rig: Rig, connector: Connector, body: bytes, header: str) -> None:
    for name in rig.sign(b"{}"):
        with pytest.raises(SignatureInvalid):
            connector.verify({name: header}, body)
    with suppress(BodyMalformed):
        connector.split(body)


def _check(connector: Connector, raw: RawEvent) -> None:
    assert 0 < len(raw.external_id) <= 255
    assert raw.kind
    assert raw.occurred_at.tzinfo is not None
    stored = json.dumps(raw.payload)
    assert not has_nul([raw.payload, raw.page_external_id, raw.mailbox, raw.kind])
    assert connector.parse(raw.kind, raw.page_external_id, json.loads(stored))


def _fuzzed(value: object, data: st.DataObject) -> object:
    """The documented body with some of its parts replaced by anything."""
    if data.draw(st.integers(0, 9)) == 0:
        return data.draw(VALUES)
    if isinstance(value, dict):
        return {name: _fuzzed(inner, data) for name, inner in value.items()}
    if isinstance(value, list):
        return [_fuzzed(inner, data) for inner in value]
    return value
