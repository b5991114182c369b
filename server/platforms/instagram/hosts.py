"""Where an account's calls go: its own host for Instagram's login, its Facebook page's for the other (platforms.md 3.1)."""

from __future__ import annotations

from dataclasses import dataclass, field

from server.config import InstagramSettings, MessengerSettings
from server.platforms.meta.client import GraphClient
from server.platforms.port import AccountCredentials, Login, PageCredentials
from server.platforms.wire.http import HttpClient, path
from server.platforms.wire.signing import secrets_of


@dataclass(frozen=True, slots=True)
class App:
    """One of our two apps: its id, the secret that is ours now, and all secrets that may sign webhooks."""

    id: str
    secrets: tuple[str, ...] = field(repr=False)

    @property
    def secret(self) -> str:
        """The first of the secrets, "" without any."""
        return self.secrets[0] if self.secrets else ""

    @property
    def is_configured(self) -> bool:
        """Say whether the app can ask and verify."""
        return bool(self.id and self.secret)


class Hosts:
    """The clients of both logins. `direct` speaks to the versioned Graph of Instagram, `bare` to its token paths."""

    def __init__(self, own: InstagramSettings, facebook: MessengerSettings) -> None:
        self.own = App(own.app_id, secrets_of(own.app_secret))
        self.facebook = App(facebook.app_id, secrets_of(facebook.app_secret))
        self.direct = GraphClient(own.graph_url, facebook.graph_version, self.own.secret)
        self.bare = GraphClient(own.graph_url, "", self.own.secret)
        self.graph = GraphClient(facebook.graph_url, facebook.graph_version, self.facebook.secret)
        self.http = HttpClient()
        self.token_url = own.token_url.rstrip("/")

    def client(self, login: Login) -> GraphClient:
        """Return the client that carries the calls of this login."""
        return self.graph if login is Login.FACEBOOK else self.direct

    def app(self, login: Login) -> App:
        """Return our app behind this login."""
        return self.facebook if login is Login.FACEBOOK else self.own

    def of_page(self, page: PageCredentials) -> GraphClient:
        """Return the client for calls about an account."""
        return self.client(page.login)

    def of_account(self, account: AccountCredentials) -> GraphClient:
        """Return the client for calls about a grant."""
        return self.client(account.login)

    async def aclose(self) -> None:
        """Close all connections."""
        for client in (self.direct, self.bare, self.graph):
            await client.aclose()
        await self.http.aclose()


def node(page: PageCredentials) -> str:
    """Return the id whose edges serve the account: its own, or its Facebook page's."""
    if page.login is Login.FACEBOOK and page.parent_external_id:
        return page.parent_external_id
    return page.page_external_id


def edge(page: PageCredentials, name: str) -> str:
    """Return the path of an edge of the account."""
    return path(node(page), name)
