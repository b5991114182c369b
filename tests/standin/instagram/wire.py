"""The HTTP side of Instagram's stand-in for tests."""

from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import httpx

from standin.config import StandinConfig
from tests.standin.conftest import Callback, eventually

APP = {"app_id": "811", "app_secret": "insta-secret", "verify_token": "insta-verify"}
ACCOUNT, PERSON, PAGE = "17841400000000001", "9002", "100"
DIALOGUE = {"client_id": "811", "redirect_uri": "http://127.0.0.1:1/back", "response_type": "code", "state": "s&1"}


def a_config() -> StandinConfig:
    return StandinConfig(
        app_id="4711", app_secret="app-secret", verify_token="verify-me", apps={"instagram": dict(APP)}
    )


@dataclass
class Insta:
    """The HTTP side of the stand-in."""

    url: str
    http: httpx.AsyncClient
    callback: Callback
    token: str = ""
    page_token: str = ""
    seen: list[dict] = field(default_factory=list)

    async def control(self, path: str, body: object = None, *, method: str = "POST", status: int = 200) -> dict:
        answer = await self.http.request(method, f"{self.url}/control/{path}", json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def deed(self, name: str, body: dict | None = None, person: str = PERSON) -> dict:
        return await self.control(f"instagram/customers/{ACCOUNT}/{person}/{name}", body or {})

    async def call(self, method: str, path: str, token: str | None = None, **options) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return await self.http.request(method, f"{self.url}/instagram{path}", headers=headers, **options)

    async def send(self, message: dict, *, recipient: dict | None = None, **extra) -> httpx.Response:
        body = {"recipient": recipient or {"id": PERSON}, "message": message} | extra
        return await self.call("POST", "/v25.0/me/messages", json=body)

    async def by_page(self, method: str, path: str, **options) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.page_token}"}
        return await self.http.request(method, f"{self.url}/v25.0{path}", headers=headers, **options)

    async def settled(self) -> None:
        async def quiet() -> bool:
            return not any((await self.control("settled", method="GET")).values())

        await eventually(quiet)

    def items(self, part: str) -> list[dict]:
        """Messaging items that hold this part, or values of changes of this field."""
        return self.callback.items(part)


async def a_code(insta: Insta, **query: str) -> str:
    answer = await insta.http.post(
        f"{insta.url}/instagram/oauth/authorize",
        params=DIALOGUE | {"scope": "instagram_business_basic"} | query,
        data={"account": ACCOUNT, "action": "allow"},
    )
    assert answer.status_code == 302
    back = parse_qs(urlsplit(answer.headers["location"]).query)
    assert back["state"] == ["s&1"]
    return back["code"][0]


def form(code: str, **more: str) -> dict[str, str]:
    app = {"client_id": "811", "client_secret": "insta-secret", "grant_type": "authorization_code"}
    return app | {"redirect_uri": DIALOGUE["redirect_uri"], "code": code} | more
