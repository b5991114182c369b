"""The stand-in platform as a process of its own, with the calls of its control API that tests use."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parent.parent
APP_ID = "1517776481860111"
SECRET = "secret-of-the-test-suite"
VERIFY_TOKEN = "verify-of-the-test-suite"
APPS_ENVIRONMENT = {
    "INSTAGRAM_APP_ID": "9517776481860222",
    "INSTAGRAM_APP_SECRET": "instagram-secret-of-the-test-suite",
    "INSTAGRAM_VERIFY_TOKEN": "instagram-verify-of-the-test-suite",
    "X_CLIENT_ID": "x-client-of-the-test-suite",
    "X_CLIENT_SECRET": "x-client-secret-of-the-test-suite",
    "X_CONSUMER_SECRET": "x-consumer-secret-of-the-test-suite",
    "X_BEARER_TOKEN": "x-bearer-of-the-test-suite",
    "LINKEDIN_CLIENT_ID": "linkedin-client-of-the-test-suite",
    "LINKEDIN_CLIENT_SECRET": "linkedin-secret-of-the-test-suite",
    "LINKEDIN_APPLICATION_URN": "urn:li:developerApplication:7",
    "TIKTOK_CLIENT_KEY": "tiktok-key-of-the-test-suite",
    "TIKTOK_CLIENT_SECRET": "tiktok-secret-of-the-test-suite",
}
"""Our apps at the other platforms, as the server is told of them."""
APPS = {
    "instagram": {
        "app_id": APPS_ENVIRONMENT["INSTAGRAM_APP_ID"],
        "app_secret": APPS_ENVIRONMENT["INSTAGRAM_APP_SECRET"],
        "verify_token": APPS_ENVIRONMENT["INSTAGRAM_VERIFY_TOKEN"],
    },
    "x": {
        "client_id": APPS_ENVIRONMENT["X_CLIENT_ID"],
        "client_secret": APPS_ENVIRONMENT["X_CLIENT_SECRET"],
        "consumer_secret": APPS_ENVIRONMENT["X_CONSUMER_SECRET"],
        "bearer_token": APPS_ENVIRONMENT["X_BEARER_TOKEN"],
    },
    "linkedin": {
        "client_id": APPS_ENVIRONMENT["LINKEDIN_CLIENT_ID"],
        "client_secret": APPS_ENVIRONMENT["LINKEDIN_CLIENT_SECRET"],
        "application_urn": APPS_ENVIRONMENT["LINKEDIN_APPLICATION_URN"],
    },
    "tiktok": {
        "client_key": APPS_ENVIRONMENT["TIKTOK_CLIENT_KEY"],
        "client_secret": APPS_ENVIRONMENT["TIKTOK_CLIENT_SECRET"],
    },
}
"""The same apps, as the stand-in is told of them."""


def addresses_of(url: str) -> dict[str, str]:
    """Where each further platform of a stand-in is reached."""
    return {
        "INSTAGRAM_GRAPH_URL": f"{url}/instagram",
        "INSTAGRAM_TOKEN_URL": f"{url}/instagram",
        "INSTAGRAM_DIALOG_URL": f"{url}/instagram",
        "X_API_URL": f"{url}/x",
        "X_DIALOG_URL": f"{url}/x",
        "LINKEDIN_API_URL": f"{url}/linkedin",
        "LINKEDIN_DIALOG_URL": f"{url}/linkedin",
        "TIKTOK_API_URL": f"{url}/tiktok",
        "TIKTOK_DIALOG_URL": f"{url}/tiktok",
    }


def start(*more: str) -> tuple[subprocess.Popen[str], str]:
    """Start a stand-in on a free port; return the process and its address."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "standin", "--host", "127.0.0.1", "--port", "0", "--app-id", APP_ID),
            *("--app-secret", SECRET, "--verify-token", VERIFY_TOKEN, "--apps", json.dumps(APPS), *more),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("standin ready on "), line
    return process, line.removeprefix("standin ready on ").strip()


def stop(process: subprocess.Popen[str]) -> None:
    """End the process that `start` made."""
    process.terminate()
    process.wait(timeout=20)
    if process.stdout is not None:
        process.stdout.close()


@dataclass(frozen=True, slots=True)
class Platform:
    """The stand-in as the test's hand on the other side of the wire."""

    url: str
    http: httpx.AsyncClient = field(repr=False)

    async def control(self, path: str, body: object = None, *, method: str = "POST") -> Any:
        """Call the control API and insist on success."""
        response = await self.http.request(method, f"{self.url}/control/{path}", json=body)
        assert response.is_success, (path, response.status_code, response.text)
        return response.json()

    async def a_page(self, page: str, token: str, *, callback: str | None, name: str = "Bakery") -> None:
        """Let a page exist that knows `token`, has an ad account and posts its webhooks to `callback`."""
        body = {
            "id": page,
            "name": name,
            "access_token": token,
            "subscribed": True,
            "ad_account": {"id": f"act_{page}", "name": name, "currency": "EUR"},
        }
        await self.control("pages", [body | ({"callback_url": callback} if callback else {})])

    async def a_customer(self, page: str, psid: str, *, first_name: str = "Grace", **more: object) -> None:
        """Let a person know the page, having written a minute ago (silently)."""
        await self.control(
            "customers", [{"page": page, "psid": psid, "first_name": first_name, "wrote_s_ago": 60, **more}]
        )

    async def ledger(self, page: str) -> list[dict[str, Any]]:
        """Return every message that the platform accepted for the page."""
        entries: list[dict[str, Any]] = (await self.control(f"ledger?page={page}", method="GET"))["entries"]
        return entries

    async def quiet(self) -> bool:
        """Say whether no webhook and no receipt is on its way."""
        pending = await self.control("settled", method="GET")
        return pending["pending_webhooks"] == 0 and pending["pending_receipts"] == 0

    async def settled(self, timeout_s: float = 20) -> None:
        """Wait until everything that is on its way arrived."""
        async with asyncio.timeout(timeout_s):
            while not await self.quiet():
                await asyncio.sleep(0.02)
