"""A running stand-in for LinkedIn, one organisation in it, and a callback that records what is posted."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from standin.app import create_app
from standin.config import StandinConfig
from tests.standin.conftest import Receiver, eventually, in_thread

SECRET = "client-secret"
APP = {"client_id": "client-1", "client_secret": SECRET, "application_urn": "urn:li:developerApplication:7"}
ORGANISATION, ADMIN, PERSON = "urn:li:organization:100", "urn:li:person:ada", "urn:li:person:carla"
REDIRECT = "http://127.0.0.1:9/back"
HEADERS = {"LinkedIn-Version": "202607", "X-Restli-Protocol-Version": "2.0.0"}
ALL = "openid profile rw_organization_admin r_organization_social_feed w_organization_social_feed"


@dataclass
class Hook(Receiver):
    """What came in, oldest first; `statuses` are the next answers; `answers_challenges` whether validations pass."""

    challenges: list[str] = field(default_factory=list)
    answers_challenges: bool = True

    async def receive(self, request: Request) -> Response:
        if request.method == "GET":
            code = request.query_params["challengeCode"]
            self.challenges.append(code)
            digest = hmac.new(SECRET.encode(), code.encode(), hashlib.sha256).hexdigest()
            answer = {"challengeCode": code, "challengeResponse": digest if self.answers_challenges else "no"}
            return JSONResponse(answer)
        if self.is_late(request):
            return PlainTextResponse("", 202)
        self.posts.append((await request.body(), dict(request.headers)))
        return PlainTextResponse("", self.statuses.pop(0) if self.statuses else 202)

    @property
    def notifications(self) -> list[dict]:
        return [one for raw, _ in self.posts for one in json.loads(raw)["notifications"]]


@dataclass
class LinkedIn:
    """The HTTP side of the stand-in."""

    url: str
    http: httpx.AsyncClient
    hook: Hook
    token: str = ""
    refresh_token: str = ""

    async def control(self, path: str, body: object = None, method: str = "POST") -> dict:
        answer = await self.http.request(method, f"{self.url}/control/{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    async def deed(self, name: str, person: str = PERSON, **given) -> dict:
        return await self.control(f"linkedin/people/{person}/{name}", {"organization": ORGANISATION, **given})

    async def call(self, method: str, path: str, body: object = None, **headers: str) -> httpx.Response:
        sent = {"Authorization": f"Bearer {self.token}", **HEADERS, **headers}
        return await self.http.request(method, f"{self.url}/linkedin{path}", headers=sent, json=body)

    async def reply(self, comment: str, text: str = "Thanks", **more) -> httpx.Response:
        thread = comment.partition("(")[2].partition(",")[0]
        body = {"actor": ORGANISATION, "object": thread, "message": {"text": text}, "parentComment": comment}
        return await self.call("POST", f"/rest/socialActions/{quote(comment, safe='')}/comments", body | more)

    async def settled(self) -> None:
        async def quiet() -> bool:
            return not any((await self.control("settled", method="GET")).values())

        await eventually(quiet)


@pytest.fixture(scope="module")
def hook() -> Iterator[Hook]:
    found = Hook()
    app = Starlette(routes=[Route("/hook/{test}", found.receive, methods=["GET", "POST"])])
    server, thread, found.server = in_thread(app)
    yield found
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def linkedin_url() -> Iterator[str]:
    config = StandinConfig(app_id="1", app_secret="s", verify_token="v", apps={"linkedin": dict(APP)})
    server, thread, url = in_thread(create_app(config))
    yield url
    server.should_exit = True
    thread.join()


@pytest.fixture
async def linkedin(linkedin_url: str, hook: Hook) -> AsyncIterator[LinkedIn]:
    """One organisation with a post, its administrator subscribed, and fast retries."""
    hook.begin()
    hook.challenges.clear()
    hook.answers_challenges = True
    async with httpx.AsyncClient(timeout=10, trust_env=False) as http:
        found = LinkedIn(linkedin_url, http, hook)
        await found.control("reset", {"keep_app": False})
        await found.control("linkedin/app", {"retry_ms": 20, "give_up_ms": 100})
        about = {"id": "100", "name": "Bakery", "person": "ada", "subscribed": True, "callback_url": hook.url}
        made = (await found.control("linkedin/organizations", about))["organizations"][0]
        found.token, found.refresh_token = made["access_token"], made["refresh_token"]
        await found.control("linkedin/posts", {"organization": ORGANISATION, "text": "We bake."})
        yield found
        await found.control("reset", {"keep_app": False})
