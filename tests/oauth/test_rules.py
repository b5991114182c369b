"""The pure rules of apps: addresses, ids, letters and scopes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.auth import oauth_rules as rules
from server.auth.oauth_rules import AppKind, Secret
from server.kit.ids import new_id
from server.tenants.rules import Permission
from server.web.permission_texts import TEXTS

FINE = ["https://a.example", "https://a.example:8443/cb?x=1", "https://a.example/cb/;v=1"]
FINE_FOR_PUBLIC = ["http://127.0.0.1/cb", "http://127.0.0.1:80/", "http://[::1]:8080/cb", "com.example.app:/cb"]
CROOKED = [
    "",
    "https://",
    "https:///cb",
    "https://A.example/",
    "https://a.example/#",
    "https://a.example/#x",
    "https://*.a.example/",
    "https://u:p@a.example/",
    "https://a.example:0/",
    "https://a.example:65536/",
    "https://a.example/ x",
    "https://a.example/\t",
    "https://a.example\\@evil.example/",
    "https://a.example;script-src/",
    "https://ä.example/",
    "http://a.example/",
    "http://localhost/cb",
    "http://127.0.0.1.evil.example/",
    "ftp://a.example/",
    "javascript:alert(1)",
    "data:text/html,x",
    "app:/cb",
    "com.example.app://host/cb",
    "//a.example/",
    "/cb",
    "https://a.example/" + "x" * 1_000,
]


@pytest.mark.parametrize("uri", FINE)
def test_an_https_address_is_fine_for_every_app(uri: str) -> None:
    assert [rules.redirect_problems(kind, [uri]) for kind in AppKind] == [[], []]


@pytest.mark.parametrize("uri", FINE_FOR_PUBLIC)
def test_an_address_on_peoples_machines_is_fine_for_a_public_app_only(uri: str) -> None:
    assert rules.redirect_problems(AppKind.PUBLIC, [uri]) == []
    assert len(rules.redirect_problems(AppKind.CONFIDENTIAL, [uri])) == 1


@pytest.mark.parametrize("uri", CROOKED)
def test_a_crooked_address_is_fine_for_nobody(uri: str) -> None:
    assert [len(rules.redirect_problems(kind, [uri])) for kind in AppKind] == [1, 1]


def test_an_address_is_given_once_and_there_are_twenty_at_most() -> None:
    many = [f"https://a.example/{number}" for number in range(21)]

    assert [one.path for one in rules.redirect_problems(AppKind.PUBLIC, [FINE[0], FINE[0]])] == [("redirectUris", "1")]
    assert [one.path for one in rules.redirect_problems(AppKind.PUBLIC, many)] == [("redirectUris",)]


@given(asked=st.text(max_size=60), kind=st.sampled_from(AppKind))
def test_no_other_text_is_taken_for_a_registered_address(asked: str, kind: AppKind) -> None:
    registered = [*FINE, "com.example.app:/cb"]

    assert rules.is_registered(kind, registered, asked) == (asked in registered)


@given(suffix=st.text(min_size=1, max_size=20))
def test_nothing_can_be_added_to_a_loopback_address(suffix: str) -> None:
    assert not rules.is_registered(AppKind.PUBLIC, ["http://127.0.0.1/cb"], "http://127.0.0.1:80/cb" + suffix)
    assert not rules.is_registered(AppKind.PUBLIC, ["http://127.0.0.1/cb"], "http://127.0.0.1:80" + suffix + "/cb") or (
        suffix.isascii() and suffix.isdigit()
    )


def test_a_client_id_names_its_organization_and_its_app() -> None:
    ids = new_id(), new_id()

    assert rules.read_client_id(rules.client_id(*ids)) == ids


@given(text=st.text(max_size=70))
def test_any_other_text_is_no_client_id(text: str) -> None:
    found = rules.read_client_id(text)

    assert found is None or rules.client_id(*found) == text


@pytest.mark.parametrize("text", ["BCDF-GHJK", "bcdfghjk", " BCDF GHJK ", "b-c-d-f-g-h-j-k"])
def test_a_code_is_read_as_people_type_it(text: str) -> None:
    assert rules.plain_user_code(text) == "BCDFGHJK"


@pytest.mark.parametrize(
    "text", ["", "BCDFGHJ", "BCDFGHJKL", "ABCDFGHJ", "BCDFGHJ1", "ßCDFGHJ", "BCDF\tGHJK", "ıBCDFGHJ"]
)
def test_what_cannot_be_a_code_is_none(text: str) -> None:
    assert rules.plain_user_code(text) is None


def test_a_scope_holds_permissions_and_nothing_else() -> None:
    assert rules.permissions_of("inbox:read  inbox:reply ") == {Permission.INBOX_READ, Permission.INBOX_REPLY}
    assert rules.permissions_of("inbox:read openid") is None
    assert rules.permissions_of("inbox:read\tinbox:reply") is None
    assert rules.scope_of([Permission.INBOX_REPLY, Permission.INBOX_READ]) == "inbox:read inbox:reply"


def test_every_secret_names_its_kind_and_its_organization_and_no_two_are_alike() -> None:
    organization = new_id()

    made = {rules.make_secret(kind, organization) for kind in Secret for _ in range(10)}

    assert len(made) == 10 * len(Secret)
    assert {one.split("_")[1] for one in made} == {"cs", "oac", "ort", "odc"}
    assert {one.split("_", 3)[2] for one in made} == {rules.client_id(organization, organization).split("_")[2]}


def test_the_consent_page_has_words_for_every_permission() -> None:
    assert TEXTS.keys() == set(Permission)
