"""Strangers who ask the API: without a token, from a network of their own, with the headers that a browser sends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from server.config import Settings
from server.kit.ids import new_id
from tests.api import MODERN, Answer, Api
from tests.factories.accounts import AnAccount
from tests.schema.asking import ERRORS

CREATED = "token sessionId secondFactorTicket affiliations { organizationId organizationName memberId }"


def a_network() -> str:
    """Return an address that nobody else of the run has; the proxy's header is believed on the loopback interface."""
    number = new_id().int >> 8 & 0xFFFFFFFFFFFF
    return f"2001:db8:{number >> 32 & 0xFFFF:x}:{number >> 16 & 0xFFFF:x}::{number & 0xFFFF:x}"


@dataclass(slots=True)
class Stranger:
    """One client in one network."""

    api: Api
    network: str = field(default_factory=a_network)

    async def post(self, body: dict[str, Any], **headers: str) -> Answer:
        """Send a request as it stands."""
        sent = {"accept": MODERN, "x-forwarded-for": self.network} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        response = await self.api.http.post(f"{self.api.url}/graphql", json=body, headers=sent)
        return Answer(response.status_code, response.json())

    async def change(
        self, field_name: str, selection: str, input: dict[str, Any], *, token: str | None = None
    ) -> dict[str, Any]:
        """Send one mutation field and return its payload."""
        kind = f"{field_name[0].upper()}{field_name[1:]}Input"
        document = f"mutation($input: {kind}!) {{ {field_name}(input: $input) {{ {selection} {ERRORS} }} }}"
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        answer = await self.post({"query": document, "variables": {"input": input}}, **headers)
        payload: dict[str, Any] = answer.data[field_name]
        return payload

    async def sign_in(self, email: str, password: str, organization_id: str | None = None) -> dict[str, Any]:
        """Try to sign in."""
        wanted = {"email": email, "password": password, "organizationId": organization_id}
        return await self.change("sessionCreate", CREATED, wanted)

    async def token_of(self, person: AnAccount, organization_id: str) -> str:
        """Sign somebody in and return the token."""
        payload = await self.sign_in(person.email, person.password, organization_id)
        assert payload["token"], payload
        token: str = payload["token"]
        return token


def production_of(settings: Settings, **web: object) -> Settings:
    """Return the settings with another shell."""
    changed = object.__new__(Settings)
    changed.__dict__.update(settings.__dict__)
    changed.web = settings.web.model_copy(update=web)
    return changed
