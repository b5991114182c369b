"""What the pages and the API agree on about browsers: names of cookies, tokens against forged requests, and origins.

Pure: who reads requests is `server.web` and `server.schema`, which know nothing of each other.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from server.config import Settings
from server.kit.crypto import keyed_hash

CSRF_HEADER = "x-switchboard-csrf"


@dataclass(frozen=True, slots=True)
class CookieName:
    """One cookie of ours. Under https its name binds it to this very host, so that no sister domain can set it.

    RFC 6265bis section 4.1.3.2 defines `__Host-`. Scripts of this origin may read `is_readable` ones; none of them
    signs anybody in.
    """

    base: str
    is_readable: bool = False

    def on(self, settings: Settings) -> str:
        """Return the name that the browser knows it by."""
        return f"__Host-{self.base}" if is_https(settings) else self.base


SESSION = CookieName("switchboard_session")
TOKEN = CookieName("switchboard_token")
"""The SESSION token of the organization that was chosen; GraphQL takes it from pages of this origin."""
CSRF = CookieName("switchboard_csrf", is_readable=True)
"""What such a page sends as `x-switchboard-csrf`: a keyed hash of the token cookie, so neither fits without the other."""
FORM = CookieName("switchboard_form")
"""Stands for a browser that nobody has signed in with yet."""
TICKET = CookieName("switchboard_ticket")
"""Holds the ticket of a second factor between two pages."""


def is_https(settings: Settings) -> bool:
    """Say whether browsers reach this server by https, as its public address has it."""
    return settings.web.public_url.startswith("https://")


def csrf_of(settings: Settings, what: str, secret: str) -> str:
    """Return the token that belongs to a secret of the browser, which cannot be worked out without the pepper."""
    return keyed_hash(settings.security.pepper.get_secret_value(), f"csrf:{what}:{secret}").hex()


def is_csrf_of(settings: Settings, what: str, secret: str | None, given: str | None) -> bool:
    """Say whether what was sent is the token of this secret; never without one."""
    if not secret or not given:
        return False
    return hmac.compare_digest(csrf_of(settings, what, secret).encode(), given.encode())


def origin_of(url: str) -> str:
    """Return the origin of an address, as browsers write it (RFC 6454 section 6.2)."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


@dataclass(frozen=True, slots=True)
class Sent:
    """What a browser says about where a request comes from: Origin, Host and Sec-Fetch-Site."""

    origin: str | None
    host: str | None
    site: str | None


def comes_from_us(settings: Settings, sent: Sent, allowed: Sequence[str] = ()) -> bool:
    """Say whether a request comes from a page of this origin, or of one that is allowed.

    Every browser of today sends Origin with a POST; where it is missing nothing speaks against the request, and the token
    alone decides. A development machine is reached by more than one name, so there Origin may also equal Host.
    """
    if sent.origin is not None and sent.origin in allowed:
        return True
    if sent.site not in (None, "same-origin"):
        return False
    if sent.origin is None or sent.origin == origin_of(settings.web.public_url):
        return True
    return settings.web.is_open_for_development and urlsplit(sent.origin).netloc == sent.host
