"""Which OpenID providers the sign-in page offers, and where the way to each begins."""

from __future__ import annotations

from html import escape
from urllib.parse import quote

from server.config import Settings
from server.kit.identity_providers import providers_of

PATH = "/sign-in/oidc/{provider}"


def provider_links(settings: Settings, back: str) -> str:
    """Return a link to each provider that comes back to a local path."""
    wanted = f"?next={quote(back, safe='')}" if back else ""
    return "".join(
        f'<p><a href="{PATH.format(provider=one.name)}{wanted}">Sign in with {escape(one.title)}</a></p>'
        for one in providers_of(settings).values()
    )
