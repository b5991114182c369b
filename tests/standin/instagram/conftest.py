"""A running stand-in with an Instagram app, and one account with a page behind it."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from standin.app import create_app
from tests.standin.conftest import Callback, in_thread
from tests.standin.instagram.wire import ACCOUNT, PAGE, PERSON, Insta, a_config


@pytest.fixture(scope="module")
def insta_url() -> Iterator[str]:
    server, thread, url = in_thread(create_app(a_config()))
    yield url
    server.should_exit = True
    thread.join()


@pytest.fixture
async def insta(insta_url: str, callback: Callback) -> AsyncIterator[Insta]:
    """One account with a Facebook page behind it, subscribed at Instagram, and one person who wrote an hour ago."""
    async with httpx.AsyncClient(timeout=10, trust_env=False) as http:
        found = Insta(insta_url, http, callback)
        await found.control("reset", {"keep_app": False})
        callback.begin()
        await found.control("app", {"echo_ms": 1, "read_ms": 10, "webhook_retry_ms": [20, 40]})
        await found.control("people", [{"id": "7", "name": "Ada"}])
        [page] = (await found.control("pages", [{"id": PAGE, "name": "Bakery", "people": ["7"]}]))["pages"]
        about = {"id": ACCOUNT, "username": "bakery", "page": PAGE, "subscribed": True, "callback_url": callback.url}
        [account] = (await found.control("instagram/accounts", [about]))["accounts"]
        person = {"account": ACCOUNT, "person": PERSON, "username": "carla", "name": "Carla", "wrote_s_ago": 3600}
        await found.control("instagram/customers", [person])
        found.token, found.page_token = account["access_token"], page["access_token"]
        yield found
