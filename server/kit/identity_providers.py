"""The OpenID providers of the settings: read in one way by the check of a start and by the pages that offer them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import orjson

from server.config import Environment, Settings

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}", re.ASCII)
_FIELDS = ("name", "title", "issuer", "client_id", "client_secret")


class ProvidersInvalid(ValueError):
    """OIDC_PROVIDERS cannot be used; the process must not start."""


@dataclass(frozen=True, slots=True)
class Provider:
    """One OpenID provider that may vouch for people. `name` stands in our addresses, `title` on the button."""

    name: str
    title: str
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)


def providers_of(settings: Settings) -> Mapping[str, Provider]:
    """Read the providers by name; raise ProvidersInvalid that says what is wrong, never a secret."""
    try:
        listed = orjson.loads(settings.sign_in.providers.get_secret_value() or "[]")
    except orjson.JSONDecodeError:
        raise ProvidersInvalid("OIDC_PROVIDERS is not JSON") from None
    if not isinstance(listed, list):
        raise ProvidersInvalid("OIDC_PROVIDERS is a list of objects")
    providers = [_provider(settings, one) for one in listed]
    if len({one.name for one in providers}) != len(providers) or len({one.issuer for one in providers}) != len(
        providers
    ):
        raise ProvidersInvalid("each provider has a name and an issuer of its own")
    return {one.name: one for one in providers}


def _provider(settings: Settings, given: object) -> Provider:
    if not isinstance(given, dict) or not all(isinstance(given.get(name), str) and given[name] for name in _FIELDS):
        raise ProvidersInvalid(f"a provider has the texts {', '.join(_FIELDS)}")
    provider = Provider(*(given[name] for name in _FIELDS))
    try:
        address = urlsplit(provider.issuer)
    except ValueError:
        raise ProvidersInvalid("an issuer is an https address") from None
    schemes = ("https",) if settings.web.environment is Environment.PRODUCTION else ("https", "http")
    if not _NAME.fullmatch(provider.name):
        raise ProvidersInvalid("a provider's name has 1 to 31 small letters, digits and hyphens")
    if address.scheme not in schemes:
        raise ProvidersInvalid("an issuer is an https address")
    if address.query or address.fragment or not address.netloc:
        raise ProvidersInvalid("an issuer has no query and no fragment (OpenID Connect Discovery 1.0 section 3)")
    return provider
