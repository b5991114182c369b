"""Addresses, codes and texts: decided without any I/O."""

from __future__ import annotations

import base64

import pytest

from server.channels import codes, rules
from server.kit.crypto import KeyRing
from server.kit.ids import new_id
from server.platforms.port import Channel


@pytest.mark.parametrize(
    ("url", "is_allowed"),
    [
        ("https://app.example.test/done?a=1#b", True),
        ("https://app.example.test", True),
        ("http://127.0.0.1:3000/done", True),
        ("http://localhost/done", True),
        ("http://[::1]:3000/", True),
        ("http://app.example.test/", False),
        ("http://localhost.example.test/", False),
        ("http://127.0.0.1.example.test/", False),
        ("https://user@app.example.test/", False),
        ("https://user:word@app.example.test/", False),
        ("https://app.example.test\\@evil.test/", False),
        ("https:///done", False),
        ("https://", False),
        ("//app.example.test/", False),
        ("/done", False),
        ("", False),
        ("javascript:alert(1)", False),
        ("ftp://app.example.test/", False),
        ("https://app.example.test/\r\nset-cookie: a=b", False),
        ("https://app.example.test/a b", False),
        ("https://bücher.test/", False),
        ("https://app.example.test:99999/", False),
        ("https://app.example.test:x/", False),
        ("https://[::1/", False),
        ("https://app.example.test/" + "a" * 2_000, False),
    ],
)
def test_only_addresses_that_a_browser_may_be_sent_to_are_allowed(url: str, is_allowed: bool) -> None:
    assert rules.is_return_url(url) is is_allowed


def test_parameters_are_added_behind_those_that_an_address_has() -> None:
    assert rules.with_query("https://a.test/x?b=1#c", {"d": "e f&"}) == "https://a.test/x?b=1&d=e+f%26#c"
    assert rules.with_query("https://a.test", {"d": "1"}) == "https://a.test?d=1"


def test_the_callback_of_a_channel_stands_under_the_public_address() -> None:
    assert rules.callback_uri("https://api.test/", Channel.MESSENGER) == "https://api.test/oauth/messenger/callback"


def test_a_state_names_its_organization_and_nothing_else_can_be_read_as_one() -> None:
    organization_id = new_id()
    state = codes.make_state(organization_id)

    assert codes.organization_of(state) == organization_id
    assert codes.make_state(organization_id) != state
    for other in ("", state[:-1], state + "A", state + "\n", " " + state, state.replace("swc_", "swb_"), state.upper()):
        assert codes.organization_of(other) is None


def test_a_code_is_still_known_after_the_keys_were_rotated_and_not_with_other_keys() -> None:
    def ring(*names: str) -> KeyRing:
        return KeyRing.parse(",".join(f"{n}:{base64.b64encode(n.encode() * 32).decode()}" for n in names))

    completion = codes.make_completion()
    stored = codes.hash_of(ring("a"), codes.COMPLETION, completion)

    assert codes.is_completion(ring("b", "a"), completion, stored)
    assert not codes.is_completion(ring("b"), completion, stored)
    assert not codes.is_completion(ring("a"), completion + "A", stored)
    assert not codes.is_completion(ring("a"), completion, None)
    assert stored != codes.hash_of(ring("a"), codes.STATE, completion)
