"""Authorization requests that cannot be trusted: nobody is sent to an address that is not registered."""

from __future__ import annotations

import pytest

from tests.oauth.stage import CALLBACK, CHALLENGE, AnApp, Front, Person, an_app, asking, told


@pytest.mark.parametrize(
    "uri",
    [
        None,
        "",
        "https://app.example.test/callback",
        "https://app.example.test/callback/?tenant=1",
        "https://app.example.test/Callback?tenant=1",
        "https://APP.example.test/callback?tenant=1",
        "https://app.example.test/callback?tenant=1&more=1",
        "https://app.example.test/callback?tenant=1#",
        "https://app.example.test/callback?tenant=1#fragment",
        "https://app.example.test:443/callback?tenant=1",
        "https://app.example.test@evil.example/callback?tenant=1",
        "https://evil.example/https://app.example.test/callback?tenant=1",
        "https://app.example.test.evil.example/callback?tenant=1",
        "https://app.example.test/callback/../evil?tenant=1",
        "http://app.example.test/callback?tenant=1",
        "//app.example.test/callback?tenant=1",
        "javascript:alert(1)",
        'https://app.example.test/"><script>é',
        " https://app.example.test/callback?tenant=1",
    ],
)
async def test_an_address_that_is_not_registered_letter_by_letter_gets_a_page_and_no_redirect(
    front: Front, owner: Person, app: AnApp, uri: str | None
) -> None:
    answer = await owner.look(asking(front, app, redirect_uri=uri))

    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert answer.headers["content-type"].startswith("text/html")
    assert "<script" not in answer.text


@pytest.mark.parametrize(
    ("uri", "is_fine"),
    [
        ("http://127.0.0.1:49152/cb", True),
        ("http://127.0.0.1/cb", True),
        ("http://[::1]:7/cb", True),
        ("com.example.app:/back", True),
        ("http://127.0.0.1:0/cb", False),
        ("http://127.0.0.1:65536/cb", False),
        ("http://127.0.0.1:80/cb/", False),
        ("http://127.0.0.1:80/cb?x=1", False),
        ("http://127.0.0.1:80@evil.example/cb", False),
        ("http://127.0.0.1.evil.example/cb", False),
        ("http://127.0.0.1:80/cb#x", False),
        ("https://127.0.0.1:80/cb", False),
        ("http://localhost:80/cb", False),
        ("http://127.0.0.2:80/cb", False),
        ("http://[::1]:7/other", False),
        ("com.example.app:/back/more", False),
    ],
)
async def test_only_the_port_of_a_public_apps_loopback_address_may_differ(
    front: Front, owner: Person, uri: str, is_fine: bool
) -> None:
    uris = ["http://127.0.0.1:1234/cb", "http://[::1]/cb", "com.example.app:/back"]
    app = await an_app(front, owner, kind="PUBLIC", redirectUris=uris)

    answer = await owner.look(asking(front, app, redirect_uri=uri))

    assert (answer.status_code, "location" in answer.headers) == (200 if is_fine else 400, False)


@pytest.mark.parametrize(
    ("change_", "error"),
    [
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": "s256"}, "invalid_request"),
        ({"code_challenge": "x" * 42}, "invalid_request"),
        ({"code_challenge": CHALLENGE + "\n"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": 'co"de<\\é'}, "unsupported_response_type"),
        ({"response_type": None}, "unsupported_response_type"),
        ({"scope": "inbox:everything"}, "invalid_scope"),
        ({"scope": 'inbox:read "\\é'}, "invalid_scope"),
        ({"scope": "audit:read"}, "invalid_scope"),
    ],
)
async def test_a_request_that_is_wrong_goes_back_to_the_app_with_the_reason(
    front: Front, owner: Person, app: AnApp, change_: dict[str, str | None], error: str
) -> None:
    answer = await owner.look(asking(front, app, **change_))

    assert answer.status_code == 303
    assert answer.headers["location"].startswith(CALLBACK)
    back = told(answer.headers["location"])
    assert (back["error"], back.get("state"), back["iss"], "code" in back) == (error, "s", front.url, False)


@pytest.mark.parametrize(
    "name", ["client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method"]
)
async def test_a_parameter_that_stands_twice_gets_a_page(front: Front, owner: Person, app: AnApp, name: str) -> None:
    answer = await owner.look(asking(front, app) + f"&{name}=x")

    assert (answer.status_code, "location" in answer.headers) == (400, False)
