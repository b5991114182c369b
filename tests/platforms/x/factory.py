"""Factories of the X tests: connectors, credentials, and the two sides of the consent dialogue."""

from __future__ import annotations

import base64
import hashlib
import itertools
import secrets
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import httpx

from server.config import XSettings
from server.platforms.port import AccountCredentials, AuthorizeRequest, Channel, CodeExchange, Grant, PageCredentials
from server.platforms.x.connector import XConnector
from tests.standin_server import APPS, Platform

APP = APPS["x"]
REDIRECT = "http://127.0.0.1:9/oauth/x/callback"
CALLBACK = "http://127.0.0.1:9/webhooks/x"
_NUMBERS = itertools.count(1)


def an_id() -> str:
    """An account or person that no other test knows."""
    return f"{secrets.randbelow(9 * 10**14) + 10**14}{next(_NUMBERS):04d}"


def a_connector(url: str = "http://127.0.0.1:1", callback: str = CALLBACK, **more: str) -> XConnector:
    """A connector whose X is at `url`."""
    return XConnector(
        XSettings(
            **{
                "X_CLIENT_ID": APP["client_id"],
                "X_CLIENT_SECRET": APP["client_secret"],
                "X_CONSUMER_SECRET": APP["consumer_secret"],
                "X_BEARER_TOKEN": APP["bearer_token"],
                "X_API_URL": url,
                "X_DIALOG_URL": url,
                **more,
            }
        ),
        callback,
    )


@dataclass(frozen=True)
class Proof:
    """A PKCE pair (RFC 7636)."""

    verifier: str
    challenge: str


def a_proof() -> Proof:
    """A fresh verifier and its S256 challenge."""
    verifier = secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    return Proof(verifier, base64.urlsafe_b64encode(digest).decode().rstrip("="))


def a_page(external_id: str, token: str) -> PageCredentials:
    """Credentials of an account."""
    return PageCredentials(Channel.X, external_id, token, account_external_id=external_id)


def an_account(external_id: str, token: str, refresh_token: str | None = None) -> AccountCredentials:
    """The grant of an account."""
    return AccountCredentials(Channel.X, external_id, token, refresh_token=refresh_token)


async def consent(platform: Platform, address: str, account: str, action: str = "allow") -> dict[str, str]:
    """Answer the dialogue as an account and return what the redirect brings back."""
    answer = await platform.http.post(address, data={"account": account, "action": action})
    assert answer.status_code == 302, answer.text
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


async def a_code(platform: Platform, connector: XConnector, account: str, proof: Proof) -> str:
    """A code of the dialogue that the account allowed."""
    address = connector.authorize_url(AuthorizeRequest("s-1", REDIRECT, code_challenge=proof.challenge))
    return (await consent(platform, address, account))["code"]


async def a_grant(platform: Platform, connector: XConnector, account: str) -> Grant:
    """A whole connection."""
    proof = a_proof()
    code = await a_code(platform, connector, account, proof)
    return await connector.exchange_code(CodeExchange(code, REDIRECT, code_verifier=proof.verifier))


async def account_at(platform: Platform, **more: object) -> tuple[str, str]:
    """Let an account exist; return its id and an endless token."""
    external_id = an_id()
    made = await platform.control("x/accounts", {"id": external_id, "name": "Bakery", "username": "bakery", **more})
    return external_id, made["accounts"][0]["access_token"]


async def call(http: httpx.AsyncClient, method: str, url: str, token: str, **more: object) -> httpx.Response:
    """A call of the X API with a person's token."""
    return await http.request(method, url, headers={"authorization": f"Bearer {token}"}, **more)  # type: ignore[arg-type]
